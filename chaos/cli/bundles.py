"""What `chaos replay` does with a bundle: says what has changed since, runs it again, compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from chaos.cli.run import PLAIN_WIDTH
from chaos.replay import changed_since, lines_about, read_bundle, replay_bundle
from chaos.report.observer import Silent
from chaos.report.terminal import Terminal
from chaos.verdict import Verdict


def replay_one(directory: Path, *, as_json: bool) -> Verdict:
    """Replay one bundle and report it. NoBundle, UnknownName, TargetUnusable."""
    bundle = read_bundle(directory)
    changed = changed_since(bundle)
    if as_json:
        replayed = replay_bundle(bundle, changed, Silent())
        click.echo(json.dumps(replayed.to_object()))
    else:
        for line in changed:
            click.echo(f"not as it was: {line}")
        report = Terminal(Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH))
        try:
            replayed = replay_bundle(bundle, changed, report)
        finally:
            report.leave()
        for line in lines_about(replayed):
            click.echo(line)
    return Verdict(replayed.result["verdict"])
