"""`engine check`: what is wrong with the files of a stopped cluster.

    base/5/16385 block 0 item 3: its xmax 741 is marked as committed, and is aborted in the commit
      log (STATUS-7)

    1 problem
    looked at 39 pages, 18 relations, 3 databases, 1185 row versions, ...

It is what pg_amcheck and pg_checksums are to PostgreSQL, in one and without a server, and takes the
clusters of PostgreSQL 15 as well. Whoever looks must not make the same mistakes as who wrote: so
what looks is no part of the engine and has readers of its own; it is named here, not imported.

Exit status: 0 all in order, 1 something is wrong, 2 wrong usage, no cluster, or one that runs, 3
nothing is wrong, but not all could be looked at, since the cluster was not shut down.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import click

from engine.cli.tool import HELP_OPTIONS

INVARIANTS: Final = "properties.invariants"
PROBLEMS: Final = 1
USAGE: Final = 2
NOT_ALL: Final = 3
_TOLD_FIRST: Final = ("pages", "relations", "databases", "row versions")


@click.command(context_settings=HELP_OPTIONS)
@click.option(
    "-D", "--pgdata", "data", envvar="PGDATA", metavar="DATADIR",
    help="Data directory (or $PGDATA).",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.argument("directory", required=False, metavar="[DATADIR]")
def check(data: str | None, as_json: bool, directory: str | None) -> None:
    """Check the files of a cluster that is not running.

    Each problem is told with its file, block, line pointer and the invariant that is broken. The
    exit status is 0 if there is none, 1 if there are some, 2 if there is nothing to check, and 3 if
    the cluster was not shut down, so that its tables could not be looked at.
    """
    path = directory or data
    if path is None:
        _refuse("no data directory specified: give -D or set PGDATA")
    invariants = importlib.import_module(INVARIANTS)
    try:
        report = invariants.check_directory(path)
    except invariants.CannotCheck as error:
        _refuse(str(error))
    if as_json:
        click.echo(json.dumps(report.to_object(), indent=2))
    else:
        _tell(report)
    if report.problems:
        sys.exit(PROBLEMS)
    sys.exit(NOT_ALL if report.unchecked else 0)


def _refuse(why: str) -> NoReturn:
    click.echo(f"engine: error: {why}", err=True)
    sys.exit(USAGE)


def _tell(report: Any) -> None:
    """The report as text: what is wrong first."""
    for problem in report.problems:
        click.echo(str(problem))
    for invariant, count in report.left_out.items():
        click.echo(f"{count} more of {invariant}")
    if report.problems:
        click.echo()
    for note in report.notes:
        click.echo(f"note: {note}")
    for kind, count in report.skipped.items():
        click.echo(f"skipped: {count} {kind}")
    for what in report.unchecked:
        click.echo(f"not looked at: {what}")
    count = len(report.problems) + sum(report.left_out.values())
    if count:
        click.echo(f"{count} problem{'s' if count > 1 else ''}")
    else:
        click.echo("what was looked at is in order" if report.unchecked else "all is in order")
    click.echo(f"looked at {_counts(report.looked_at)}")


def _counts(looked_at: Mapping[str, int]) -> str:
    """The counts in a sentence, what people ask for first."""
    kinds = [kind for kind in _TOLD_FIRST if kind in looked_at]
    kinds += [kind for kind in looked_at if kind not in _TOLD_FIRST]
    return ", ".join(f"{looked_at[kind]} {kind}" for kind in kinds)
