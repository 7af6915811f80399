"""Asks pg_checksums, which we did not write, whether every page of a stopped server is whole."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from chaos.targets.api import TargetUnusable
from chaos.targets.postgres import find_program

SECONDS: Final = 60.0


def bad_checksums(data_directory: Path) -> list[str] | None:
    """What it complains of; None when there is no pg_checksums here to ask."""
    try:
        program = find_program("pg_checksums")
    except TargetUnusable:
        return None
    answer = subprocess.run(
        [program, "--check", "-D", data_directory],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    if answer.returncode == 0:
        return []
    lines = [line.removeprefix("pg_checksums: ") for line in answer.stderr.splitlines()]
    return lines or [f"pg_checksums ended with exit status {answer.returncode}"]
