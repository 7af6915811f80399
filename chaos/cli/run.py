"""`chaos run`: break the target again and again, and see that nothing is lost.

Exit status: 0 held, 1 violated, 2 wrong usage, 3 not measured, 4 harness broken;
over several seeds the gravest. 130 when interrupted.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from chaos.cli.entry import INTERRUPTED
from chaos.disk.profiles import PROFILES
from chaos.doublecheck import SAME, run_twice
from chaos.faults.catalogue import DISK, FAULTS, GROUPS, NEEDS_BATON, UnknownFault, parse_faults
from chaos.mutants.planting import planted
from chaos.oracle import DEFAULT_SUITE, UnknownName
from chaos.plan import (
    BATON,
    DEFAULT_CYCLES,
    DEFAULT_PROFILE,
    FREE,
    SCHEDULES,
    Wishes,
    default_schedule,
    make_plan,
)
from chaos.pool import JobRefused, run_seeds
from chaos.report.observer import Silent
from chaos.report.terminal import Terminal
from chaos.session import Session, again_command, open_session
from chaos.targets.api import TargetUnusable
from chaos.trace.files import perfetto_path, trace_into
from chaos.verdict import EXIT_STATUS, Verdict, gravest
from chaos.worker import Order
from chaos.workloads.catalogue import WORKLOADS

DEFAULT_OUT: Final = "chaos-out"
DEFAULT_TARGET: Final = "engine"
PLAIN_WIDTH: Final = 110
MOST_SEEDS: Final = 100_000
"""With --until-violated and no range: more than anybody waits for."""
SEEDS: Final = re.compile(r"(\d+)\.\.(\d+)")


def _seeds(seed: int | None, seeds: str | None, *, until_violated: bool) -> Sequence[int]:
    """The seeds that --seed and --seeds name."""
    if seed is not None and seeds is not None:
        raise click.UsageError("give --seed or --seeds, not both")
    if seeds is None:
        first = seed or 0
        return range(first, first + (MOST_SEEDS if until_violated else 1))
    found = SEEDS.fullmatch(seeds.strip())
    if found is None or int(found[1]) > int(found[2]):
        raise click.BadParameter("give a range as 1..100", param_hint="--seeds")
    return range(int(found[1]), int(found[2]) + 1)


def settings_of(assignments: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE pairs."""
    settings = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][\w.]*", name.strip()) or "'" in value:
            raise click.BadParameter(f"{assignment!r} is not NAME=VALUE", param_hint="--set")
        settings[name.strip()] = value.strip()
    return settings


def check_out(out: Path) -> None:
    """A bundle that cannot be written would be known only after the run that it is of."""
    there = out.absolute()
    missing = [path for path in (there, *there.parents) if not os.path.exists(path)]
    made: list[Path] = []
    try:
        # Permissions do not tell: a file system may be read-only, or not made for files.
        for path in reversed(missing):
            path.mkdir()
            made.append(path)
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        said = f"{str(there)!r} cannot be written to: {error.strerror}"
        raise click.BadParameter(said, param_hint="--out") from error
    finally:
        for path in reversed(made):
            with contextlib.suppress(OSError):  # another run has put its bundle there
                path.rmdir()


def _check_baton(wishes: Wishes, option: str) -> None:
    if (wishes.schedule or default_schedule(wishes.target)) != BATON:
        raise click.UsageError(f"{option} is for runs on the schedule {BATON} only")


def _check_trace(path: Path, wishes: Wishes, seeds: Sequence[int], *, doublecheck: bool) -> None:
    """A trace that cannot be written would be known only after the run that it is of."""
    _check_baton(wishes, "--trace")
    if len(seeds) > 1 or doublecheck:
        raise click.UsageError("--trace is for one run of one seed")
    for file in (path, perfetto_path(path)):
        is_new = not file.exists()
        try:
            file.open("ab").close()
        except OSError as error:
            raise click.BadParameter(
                f"{str(file)!r} cannot be written: {error.strerror}", param_hint="--trace"
            ) from error
        if is_new:
            file.unlink()


def _faults(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Any:
    if text is None:
        return None
    try:
        return parse_faults(text)
    except UnknownFault as error:
        raise click.BadParameter(str(error)) from error


def _planted(wishes: Wishes) -> Wishes:
    """With what exposes the mutant that was asked for."""
    if wishes.mutant is not None and wishes.target != DEFAULT_TARGET:
        raise click.UsageError(f"mutants are of the engine: {wishes.target} has none")
    try:
        return planted(wishes)
    except UnknownName as error:
        raise click.BadParameter(str(error), param_hint="--mutant") from error


def _check_schedule(wishes: Wishes) -> None:
    """Not every target can be scheduled, not every fault be had without."""
    schedule = wishes.schedule or default_schedule(wishes.target)
    if schedule == BATON and default_schedule(wishes.target) != BATON:
        raise click.UsageError(
            f"{wishes.target} decides itself who runs when: give --schedule free"
        )
    _check_faults(wishes.faults or FAULTS, schedule, wishes.target)
    if wishes.profile is not None:
        if schedule != BATON:
            raise click.UsageError(f"--profile is for runs on the schedule {BATON} only")
        if not {*DISK} & {*(wishes.faults or DISK)}:
            raise click.UsageError(
                f"--profile is about disk faults, and none is in play: there are {', '.join(DISK)}"
            )


def _check_faults(faults: Sequence[str], schedule: str, target: str) -> None:
    """Of all faults those are done that can be had; one that was named must be."""
    if schedule == BATON or tuple(faults) == FAULTS:
        return
    remedy = f"--schedule {BATON}" if default_schedule(target) == BATON else "--target engine"
    if named := [name for name in faults if name in DISK]:
        raise click.UsageError(
            f"{', '.join(named)}: what is written is known under the baton only, which the target"
            f" engine has: {remedy}"
        )
    if NEEDS_BATON.issuperset(faults):
        raise click.UsageError(f"places can be reached under the baton only: {remedy}")


@click.command()
@click.option("--seed", type=click.IntRange(min=0), help="The run to do.  [default: 0]")
@click.option("--seeds", metavar="A..B", help="Several runs, one after another or with --jobs.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True,
              help="How many runs at once.")  # fmt: skip
@click.option("--target", default=DEFAULT_TARGET, show_default=True,
              help="engine, postgres, or module:attribute.")  # fmt: skip
@click.option("--schedule", type=click.Choice(SCHEDULES),
              help="Who runs next: baton draws it from the seed, free leaves it to the machine."
                   "  [default: baton on the engine, else free]")  # fmt: skip
@click.option("--cycles", type=click.IntRange(min=1),
              help=f"How many times to break it.  [default: {DEFAULT_CYCLES[BATON]} under the"
                   f" baton, else {DEFAULT_CYCLES[FREE]}]")  # fmt: skip
@click.option("--clients", type=click.IntRange(1, 30), help="[default: drawn from the seed]")
@click.option("--workload", type=click.Choice(sorted(WORKLOADS)),
              help="[default: drawn from the seed]")  # fmt: skip
@click.option("--faults", metavar="LIST", callback=_faults,
              help=f"Faults in play, commas between them: {', '.join(FAULTS)}; or the groups"
                   f" {', '.join(GROUPS)}.  [default: drawn]")  # fmt: skip
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE",
              help="A setting of the target; may be repeated.")  # fmt: skip
@click.option("--profile", type=click.Choice(list(PROFILES)),
              help="What the device may do to what was not synced, for disk faults."
                   f"  [default: {DEFAULT_PROFILE}]")  # fmt: skip
@click.option("--mutant", metavar="NAME",
              help="Plant this bug in the engine first; `chaos mutants` lists them.")  # fmt: skip
@click.option("--until-violated", is_flag=True,
              help="Seed after seed, from --seed or of --seeds, until one fails.")  # fmt: skip
@click.option("--suite", default=DEFAULT_SUITE, show_default=True, metavar="MODULE:ATTRIBUTE",
              help="The checkers.")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=DEFAULT_OUT,
              show_default=True, metavar="DIR", help="Where bundles go.")  # fmt: skip
@click.option("--trace", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write every step of the run there, and to FILE.perfetto.json"
                   " for ui.perfetto.dev.")  # fmt: skip
@click.option("--doublecheck", is_flag=True,
              help="Run each seed twice and compare every step and every byte.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object per run, nothing else.")
@click.option("--print-plan", is_flag=True, help="Print what the seed decides; run nothing.")
def run(
    seed: int | None,
    seeds: str | None,
    jobs: int,
    target: str,
    schedule: str | None,
    cycles: int | None,
    clients: int | None,
    workload: str | None,
    faults: tuple[str, ...] | None,
    assignments: tuple[str, ...],
    profile: str | None,
    mutant: str | None,
    until_violated: bool,
    suite: str,
    out: Path,
    trace: Path | None,
    doublecheck: bool,
    as_json: bool,
    print_plan: bool,
) -> None:
    """Run a workload, break the target again and again, and check what it promised."""
    numbers = _seeds(seed, seeds, until_violated=until_violated)
    settings = settings_of(assignments) or None
    wishes = Wishes(target, schedule, cycles, clients, workload, faults, settings, profile, mutant)
    wishes = _planted(wishes)
    _check_schedule(wishes)
    if print_plan:
        for number in numbers[:1] if until_violated else numbers:
            plan = make_plan(number, wishes).to_object()
            click.echo(json.dumps(plan, indent=None if as_json else 2))
        return
    check_out(out)
    if doublecheck:
        _check_baton(wishes, "--doublecheck")
    if trace is not None:
        _check_trace(trace, wishes, numbers, doublecheck=doublecheck)
    report = Terminal(Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH))
    try:
        session = open_session(wishes, suite, out, Silent() if as_json else report)
    except UnknownName as error:
        raise click.UsageError(str(error)) from error
    results: list[Mapping[str, Any]] = []
    try:
        order = Order(wishes, suite, str(out), doublecheck=doublecheck)
        with session, closing(_results(session, numbers, jobs, order, trace)) as found:
            for result in _until_violated(found) if until_violated else found:
                results.append(result)
                if as_json:
                    click.echo(json.dumps(result))
                elif (jobs > 1 and len(numbers) > 1) or result.get("doublecheck", SAME) != SAME:
                    report.end(result)
    except (TargetUnusable, JobRefused) as error:
        raise click.UsageError(str(error)) from error
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(INTERRUPTED)
    finally:
        report.leave()
    if not as_json:
        results.sort(key=lambda result: int(result["seed"]))
        report.table(results)
        report.hunted(results if until_violated else [])
        for failed in [r for r in results if r["verdict"] in ("violated", "harness_broken")]:
            report.again(again_command(failed["seed"], wishes, suite))
    sys.exit(EXIT_STATUS[gravest(Verdict(result["verdict"]) for result in results)])


def _until_violated(found: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Up to the first that is."""
    for result in found:
        yield result
        if result["verdict"] == Verdict.VIOLATED:
            return


def _results(
    session: Session, seeds: Sequence[int], jobs: int, order: Order, trace: Path | None
) -> Generator[dict[str, Any], None, None]:
    """One result per seed, as they come."""
    wishes = order.wishes
    if jobs > 1 and len(seeds) > 1:
        pinned = (wishes.schedule or default_schedule(wishes.target)) == BATON
        yield from run_seeds(seeds, jobs, order, pinned=pinned)
        return
    for seed in seeds:
        plan, command = make_plan(seed, wishes), again_command(seed, wishes, order.suite)
        if order.doublecheck:
            yield run_twice(session, plan, command)
        else:
            yield session.run(plan, command, trace_into(trace) if trace is not None else None)
