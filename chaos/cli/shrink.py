"""`chaos shrink`: the smallest run that fails for the same reason as the one in a bundle.

Exit status: 0 when a scenario and a test were written, 2 wrong usage or a bundle without anything
to shrink, 4 when the run does not repeat. 130 when interrupted; if by then something was found, it
was written.
"""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from chaos.cli.entry import INTERRUPTED, Interrupted
from chaos.cli.run import PLAIN_WIDTH, check_out
from chaos.oracle import DEFAULT_SUITE, UnknownName
from chaos.plan import Wishes
from chaos.replay import NoBundle
from chaos.report.shrinking import ShrinkReport
from chaos.shrink.bundle import Case, read_case
from chaos.shrink.running import CandidateRefused, InThisProcess, InWorkers
from chaos.shrink.search import Limits, NotRepeatable, Search
from chaos.shrink.writing import Written, write
from chaos.targets.api import TargetUnusable
from chaos.verdict import EXIT_STATUS, Verdict

DEFAULT_BUDGET_S: Final = 900


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--budget", type=click.FloatRange(min=0), default=DEFAULT_BUDGET_S,
              show_default=True, metavar="SECONDS",
              help="Begin no run after so long.")  # fmt: skip
@click.option("--attempts", type=click.IntRange(min=2), metavar="N",
              help="Make at most about so many runs.  [default: any number]")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True,
              help="How many runs at once.")  # fmt: skip
@click.option("--suite", metavar="MODULE:ATTRIBUTE", help="The checkers.  [default: the bundle's]")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Where scenario and test go.  [default: the bundle]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object, nothing else.")
def shrink(
    bundle: Path,
    budget: float,
    attempts: int | None,
    jobs: int,
    suite: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Find the smallest run with the same root cause as the one that BUNDLE was left by."""
    out = out or bundle
    check_out(out)
    report = ShrinkReport(
        Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, quiet=as_json)
    )
    try:
        case = read_case(bundle)
        suite = suite or case.suite
        wishes = Wishes(target=case.plan.target, schedule=case.plan.schedule)
        runner = InWorkers(jobs, wishes, suite) if jobs > 1 else InThisProcess(wishes, suite)
        search = Search(case.plan, case.signature, runner, Limits(attempts, budget), report)
        interrupted: Interrupted | None = None
        with closing(runner):
            try:
                search.shrink()
            except Interrupted as signal:
                interrupted = signal
    except (NoBundle, UnknownName, CandidateRefused, TargetUnusable) as error:
        raise click.UsageError(str(error)) from error
    except NotRepeatable as error:
        report.leave()
        click.echo(f"not shrunk: {error}", err=True)
        sys.exit(EXIT_STATUS[Verdict.HARNESS_BROKEN])
    finally:
        report.leave()
    if search.result is None:
        raise interrupted or Interrupted
    written = write(out, search.plan, search.signature, _source(case, bundle), suite)
    command = _command(written, suite)
    report.end(search, written, command)
    if as_json:
        click.echo(json.dumps(_result(search, written, command, interrupted is not None)))
    if interrupted is not None:
        click.echo("interrupted: the best so far was written", err=True)
        sys.exit(INTERRUPTED)


def _source(case: Case, bundle: Path) -> str:
    """Where the scenario comes from."""
    return f"Shrunk by chaos shrink from the run of seed {case.plan.seed} ({bundle.name})."


def _command(written: Written, suite: str) -> str:
    """What replays the scenario."""
    words = ["chaos", "replay", str(written.scenario)]
    return shlex.join(words if suite == DEFAULT_SUITE else [*words, "--suite", suite])


def _result(search: Search, written: Written, command: str, interrupted: bool) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "signature": search.signature.to_object(),
        "before": search.before.to_object() if search.before is not None else None,
        "after": search.size.to_object() if search.size is not None else None,
        "runs": search.runs,
        "seconds": round(search.seconds, 3),
        "is_complete": not interrupted and not search.is_spent,
        "digest": search.result["digest"] if search.result is not None else None,
        "scenario": str(written.scenario),
        "test": str(written.test),
        "command": command,
    }
