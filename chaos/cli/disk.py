"""`chaos disk`: what the disk did in a run, for a reader.

Exit status: 0; 2 for a directory that is no bundle, or one of a run without a power loss.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from chaos.losses import FILE, NoLosses, read_losses
from chaos.report.disk import DiskReport

UNBOUNDED: Final = 10_000
"""Columns: more than any table has, for output that is no terminal."""


@click.group()
def disk() -> None:
    """What the disk kept, lost and tore."""


@disk.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--loss", "number", type=click.IntRange(min=1), metavar="N",
              help="Only the N-th power loss.  [default: all]")  # fmt: skip
@click.option("--all", "everything", is_flag=True,
              help="Also the files of which all was kept.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object, nothing else.")
def show(bundle: Path, number: int | None, everything: bool, as_json: bool) -> None:
    """Show what each power loss of the run that left BUNDLE did to the files.

    For each file: what was written to it and not synced, by whom, where in the server's code, and
    whether the disk lost, tore or kept it.
    """
    path = bundle / FILE
    if not path.exists():
        raise click.UsageError(
            f"{bundle} does not tell of a power loss: it has no {FILE}, which bundles of runs with"
            " the fault power-loss have"
        )
    try:
        found = read_losses(path)
    except NoLosses as error:
        raise click.UsageError(str(error)) from error
    losses = found["losses"]
    if number is not None:
        if number > len(losses):
            raise click.UsageError(f"there were {len(losses)} power losses, not {number}")
        losses = losses[number - 1 : number]
    if as_json:
        click.echo(json.dumps(found | {"losses": losses}))
        return
    width = None if sys.stdout.isatty() else UNBOUNDED
    DiskReport(Console(width=width), everything=everything).show(found, losses)
