"""`chaos worker`: for chaos/pool.py, not for people."""

from __future__ import annotations

import os
import sys

import click

from chaos.worker import serve


@click.command(hidden=True)
def worker() -> None:
    """Run the seeds that standard input names (chaos/worker.py)."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else is printed is no answer
        serve(sys.stdin.buffer, answers)
