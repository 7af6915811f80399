"""`chaos explore`: every state that a crash may leave on the disk during one run, recovered and
checked.

Exit status: 0 none is violated, 1 some are, 2 wrong usage, 3 nothing was checked, 4 harness broken,
130 interrupted; what was found by then is told.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from chaos.cli.entry import INTERRUPTED, Interrupted
from chaos.cli.progress import Progress
from chaos.cli.run import DEFAULT_OUT, PLAIN_WIDTH, check_out, settings_of
from chaos.disk.profiles import PROFILES
from chaos.explore.exploring import Exploration
from chaos.explore.keeping import keep
from chaos.explore.omission import UnknownBarrier, syncs_at
from chaos.explore.preparing import explorer_of, record_and_verify
from chaos.explore.recording import Script, default_steps, steps_with_crash
from chaos.explore.report import show, show_recoveries
from chaos.explore.twice import Recoveries, Twice
from chaos.oracle import DEFAULT_SUITE, HarnessBroken, UnknownName, load
from chaos.targets.api import TargetUnusable
from chaos.verdict import EXIT_STATUS, Verdict
from chaos.workloads.catalogue import WORKLOADS

STRICT: Final = "strict"


@click.command()
@click.option("--workload", type=click.Choice(sorted(WORKLOADS)), default="bank",
              show_default=True)  # fmt: skip
@click.option("--transactions", type=click.IntRange(min=3), default=50, show_default=True,
              help="How many acknowledged ones the recorded run has.")  # fmt: skip
@click.option("--clients", type=click.IntRange(1, 4), default=2, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="The run to record.")  # fmt: skip
@click.option("--profile", type=click.Choice(sorted(PROFILES)), default=STRICT,
              show_default=True, help="What the disk may do.")  # fmt: skip
@click.option("--depth", type=click.IntRange(1, 2), default=1, show_default=True,
              help="2: crash again in the midst of each recovery.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), default=None,
              help="Processes that recover.  [default: one per CPU]")  # fmt: skip
@click.option("--budget", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
              help="Stop recovering after so long.")  # fmt: skip
@click.option("--with-crash", is_flag=True,
              help="Record a run with a kill, a recovery, and a restart.")  # fmt: skip
@click.option("--without", metavar="SITE[ / FILE]",
              help="Leave out the syncs of this place of the engine's code.")  # fmt: skip
@click.option("--patch", "patches", multiple=True, metavar="MODULE:FUNCTION [ARGUMENT]",
              help="A function that changes the engine before it is recorded.")  # fmt: skip
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE",
              help="A setting of the target; may be repeated.")  # fmt: skip
@click.option("--suite", default=DEFAULT_SUITE, show_default=True, metavar="MODULE:ATTRIBUTE",
              help="The checkers.")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=DEFAULT_OUT,
              show_default=True, metavar="DIR", help="Where bundles go.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object, nothing else.")
def explore(
    workload: str,
    transactions: int,
    clients: int,
    seed: int,
    profile: str,
    depth: int,
    jobs: int | None,
    budget: float | None,
    with_crash: bool,
    without: str | None,
    patches: tuple[str, ...],
    assignments: tuple[str, ...],
    suite: str,
    out: Path,
    as_json: bool,
) -> None:
    """Record one run, and check each state that a power loss could have left at any moment."""
    settings = settings_of(assignments) or {}
    check_out(out)
    steps = steps_with_crash(transactions) if with_crash else default_steps(transactions)
    script = Script(workload, transactions, clients, seed, settings, steps, patches)
    command = _again(click.get_current_context())
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    again: Recoveries | None = None
    progress = Progress(console, is_silent=as_json)
    try:
        checkers = load(suite)
        with progress:
            recorded = record_and_verify(script, checkers, progress.tell)
            left_out = syncs_at(recorded.operations, without) if without else frozenset[int]()
            explorer = explorer_of(
                recorded, PROFILES[profile], checkers, jobs or _cpus(), progress.tell
            )
            with explorer:
                result = explorer.explore(seed, budget, left_out, (Interrupted,))
                if depth > 1 and not result.is_interrupted:
                    twice = Twice(explorer, seed, left_out, progress.tell)
                    again = twice.explore(result.enumeration.states, budget, (Interrupted,))
                for group in result.groups:
                    keep(out, explorer, group, seed, left_out, command)
    except (UnknownName, UnknownBarrier, TargetUnusable) as error:
        raise click.UsageError(str(error)) from error
    except HarnessBroken as error:
        click.echo(f"harness broken: {error}", err=True)
        sys.exit(EXIT_STATUS[Verdict.HARNESS_BROKEN])
    verdict = verdict_on(result, again)
    is_interrupted = result.is_interrupted or (again is not None and again.is_interrupted)
    if as_json:
        told: dict[str, Any] = {"verdict": str(verdict), "seed": seed, **result.to_object()}
        told |= {"recoveries": again.to_object()} if again is not None else {}
        click.echo(json.dumps(told | {"command": command}))
    else:
        show(console, result)
        if again is not None:
            show_recoveries(console, again)
        so_far = "interrupted; so far " if is_interrupted else ""
        console.print(f"{so_far}{verdict.value}; the same again:", highlight=False)
        click.echo(command)
    sys.exit(INTERRUPTED if is_interrupted else EXIT_STATUS[verdict])


def verdict_on(result: Exploration, again: Recoveries | None = None) -> Verdict:
    """As for a run."""
    if result.violating or (again is not None and again.violating):
        return Verdict.VIOLATED
    return Verdict.HELD if result.checked else Verdict.NOT_MEASURED


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


def _again(context: click.Context) -> str:
    """The command line that says the same."""
    words = ["chaos", str(context.info_name)]
    for parameter in context.command.params:
        name = parameter.name or ""
        value = context.params.get(name)
        if name in ("as_json", "jobs") or value is None or str(value) == str(parameter.default):
            continue
        option = parameter.opts[0]
        if isinstance(value, bool):
            words += [option] if value else []
        elif isinstance(value, tuple):
            words += [word for one in value for word in (option, str(one))]
        else:
            words += [option, str(value)]
    return shlex.join(words)
