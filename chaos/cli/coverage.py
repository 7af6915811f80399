"""`chaos coverage`: at which calls and injection points processes of each role were killed.

Exit status: 0, also when there are gaps; 2 for a file that holds no results.
"""

from __future__ import annotations

import json
import sys
from typing import Final

import click
from rich.console import Console

from chaos.coverage import Coverage, NoResult, read_records
from chaos.report.coverage import CoverageReport

UNBOUNDED: Final = 10_000
"""Columns: more than any table has, for output that is no terminal."""


@click.command()
@click.argument("results", nargs=-1, required=True, metavar="RESULTS...",
                type=click.Path(exists=True, dir_okay=False, allow_dash=True))  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object, nothing else.")
def coverage(results: tuple[str, ...], as_json: bool) -> None:
    """Show who was killed where, from the RESULTS that chaos run --json printed (- for stdin).

    Rows are calls and injection points, columns are roles. What was reached and never struck is
    listed: there a crash has not been tried.
    """
    found = Coverage()
    for name in results:
        _read(name, found)
    if as_json:
        click.echo(json.dumps(found.to_object()))
        return
    is_terminal = sys.stdout.isatty()
    console = Console(width=None if is_terminal else UNBOUNDED)
    CoverageReport(console, console.width if is_terminal else None).show(found)


def _read(name: str, found: Coverage) -> None:
    """Take in one file; what is wrong with it is the user's to mend."""
    shown = "standard input" if name == "-" else name
    before = found.runs
    try:
        with click.open_file(name, "rb") as lines:
            for number, record in read_records(lines):
                try:
                    found.add(record)
                except NoResult as error:
                    raise NoResult(f"line {number} is no result of a run: {error}") from error
    except (NoResult, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise click.UsageError(f"{shown}: {why}") from error
    if found.runs == before:
        raise click.UsageError(f"{shown}: it holds no results; write some with chaos run --json")
