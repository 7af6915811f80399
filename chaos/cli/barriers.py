"""`chaos barriers`: what breaks when one fsync or flush of the engine is left out.

Exit status: 0, also when nothing breaks without some barrier; 2 wrong usage, also an
--only that is in no barrier's name; 4 harness broken, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys

import click
from rich.console import Console

from chaos.barriers.report import show
from chaos.barriers.searching import NOT_SERVING, PACKAGE, STATES, WAL, Search, Tried
from chaos.barriers.sites import may_name_a_barrier
from chaos.cli.entry import INTERRUPTED, Interrupted
from chaos.cli.progress import Progress
from chaos.cli.run import PLAIN_WIDTH
from chaos.disk.profiles import PROFILES
from chaos.explore.recording import Script, steps_with_crash
from chaos.explore.wording import KINDS
from chaos.oracle import DEFAULT_SUITE, HarnessBroken, UnknownName, load
from chaos.targets.api import TargetUnusable
from chaos.verdict import EXIT_STATUS, Verdict
from chaos.workloads.catalogue import WORKLOADS


@click.command()
@click.option("--workload", type=click.Choice(sorted(WORKLOADS)), default="bank",
              show_default=True)  # fmt: skip
@click.option("--transactions", type=click.IntRange(min=12), default=50, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--profile", type=click.Choice(sorted(PROFILES)), default="strict",
              show_default=True, help="What the disk may do.")  # fmt: skip
@click.option("--states", type=click.IntRange(min=1), default=STATES, show_default=True,
              help="How many are checked at most without each barrier.")  # fmt: skip
@click.option("--only", metavar="TEXT", default="",
              help="Barriers with this in their 'SITE / FILE': '/ clog', 'Segments'.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), default=None,
              help="Processes that recover.  [default: one per CPU]")  # fmt: skip
@click.option("--suite", default=DEFAULT_SUITE, show_default=True, metavar="MODULE:ATTRIBUTE",
              help="The checkers.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object per barrier, nothing else.")
def barriers(
    workload: str,
    transactions: int,
    seed: int,
    profile: str,
    states: int,
    only: str,
    jobs: int | None,
    suite: str,
    as_json: bool,
) -> None:
    """Leave out one fsync or flush of the engine after the other, and name what breaks then."""
    if only and not may_name_a_barrier(only, (*KINDS, WAL), PACKAGE, NOT_SERVING):
        raise click.UsageError(
            f"--only: there is no barrier with {only!r} in its 'SITE / FILE';"
            " without --only all are tried and named"
        )
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    progress = Progress(console, is_silent=as_json)
    steps = steps_with_crash(transactions)
    script = Script(workload, transactions, seed=seed, steps=steps)
    tried: list[Tried] = []
    is_interrupted = False
    try:
        with progress:
            jobs = jobs or len(os.sched_getaffinity(0))
            search = Search(
                script, PROFILES[profile], load(suite), jobs, progress.tell, states, only
            )
            try:
                for one, recorded in search.run():
                    tried.append(one)
                    if as_json:
                        click.echo(json.dumps(one.to_object(recorded)))
            except Interrupted:
                is_interrupted = True
    except (UnknownName, TargetUnusable) as error:
        raise click.UsageError(str(error)) from error
    except HarnessBroken as error:
        click.echo(f"harness broken: {error}", err=True)
        sys.exit(EXIT_STATUS[Verdict.HARNESS_BROKEN])
    if only and not tried and not is_interrupted:
        raise click.UsageError(
            f"--only: no barrier with {only!r} in its 'SITE / FILE' was reached;"
            " without --only all are tried and named"
        )
    if not as_json:
        show(console, tried, [] if is_interrupted else search.not_reached(tried))
        breaking = [one for one in tried if one.group is not None]
        if breaking:
            console.print("the first of them again:", highlight=False)
            click.echo(breaking[0].command)
    sys.exit(INTERRUPTED if is_interrupted else 0)
