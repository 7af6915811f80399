"""What the I/O log costs a run, what reading it costs, and what a power loss costs.

    python -m benchmarks.io_log [--seeds 1..6] [--rounds 2] [--json]

The same seeds are run with and without a log, in turn; CPU time is that of all processes, the
launcher's start included on both sides. The seeds of the power losses are of their own, since a
disk that fails is part of those plans.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median

import click
from rich.console import Console
from rich.table import Table

from benchmarks.scheduling import cpu_us, cpus
from chaos.bundle import Finished
from chaos.disk.choice import Choice
from chaos.disk.model import Disk
from chaos.oracle import DEFAULT_SUITE
from chaos.plan import BATON, Wishes, make_plan
from chaos.report.observer import Silent
from chaos.scheduler.world import Schedule
from chaos.session import open_session
from chaos.targets.api import Target
from chaos.targets.baton import BatonEngineTarget
from chaos.targets.making import Maker
from chaos.targets.power import Choose, PowerLoss, TargetDisk

PROFILE = "strict"
FAULTS = ("all", "postmaster", "checkpointer", "backend")

Figure = tuple[str, float, str]


@dataclass
class Read:
    """What the logs of some runs hold, and what it takes to let the model know."""

    runs: int = 0
    size: int = 0
    operations: int = 0
    cpu_us: float = 0
    digests: list[str] = field(default_factory=list)

    def keep(self, run: Finished) -> None:
        """At the end of a run, while its files are there."""
        target = run.target
        if isinstance(target, BatonEngineTarget) and target.disk is not None:
            began = time.process_time()
            self.operations += len(target.read_io_log())
            self.cpu_us += (time.process_time() - began) * 1e6
            self.size += os.path.getsize(target.io_log_path())
            self.runs += 1


class _Maker(Maker):
    """Gives every target this profile. It is not the plan's: a plan with one is another plan."""

    def __init__(self, profile: str | None) -> None:
        super().__init__()
        self._profile = profile

    def baton(
        self,
        schedule: Schedule,
        settings: Mapping[str, str],
        wal_segment_mb: int,
        profile: str | None = None,
    ) -> Target:
        return super().baton(schedule, settings, wal_segment_mb, profile or self._profile)


def cost(seeds: Sequence[int], profile: str | None, read: Read) -> tuple[float, list[str]]:
    """The CPU seconds of these runs without the reading, and their digests."""
    wishes = Wishes(schedule=BATON, faults=FAULTS)
    used, apart = cpu_us(), read.cpu_us
    with open_session(wishes, DEFAULT_SUITE, None, Silent()) as session:
        session._maker = _Maker(profile)
        results = [session.run(make_plan(seed, wishes), "", read.keep) for seed in seeds]
    return (cpu_us() - used - (read.cpu_us - apart)) / 1e6, [
        str(result["digest"]) for result in results
    ]


def logs(seeds: Sequence[int], rounds: int) -> list[Figure]:
    """With and without a log."""
    read = Read()
    without, with_log = [], []
    for _ in range(rounds):
        bare, expected = cost(seeds, None, Read())
        logged, found = cost(seeds, PROFILE, read)
        if expected != found:
            raise SystemExit("the log has changed a run: the digests differ")
        without.append(bare)
        with_log.append(logged)
    bare, logged = median(without) / len(seeds), median(with_log) / len(seeds)
    return [
        ("CPU time per run, without a log", bare, "s"),
        ("CPU time per run, with a log", logged, "s"),
        ("that is more by", 100 * (logged / bare - 1), "%"),
        ("log per run", read.size / read.runs / 1e6, "MB"),
        ("operations per run", read.operations / read.runs, ""),
        ("reading it and applying it to the model, per run", read.cpu_us / read.runs / 1e3, "ms"),
        ("per operation", read.cpu_us / read.operations, "us"),
    ]


@dataclass
class Losses:
    """Power losses, timed: the whole, and what of it was choosing."""

    whole_us: list[float] = field(default_factory=list)
    choosing_us: list[float] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def timed(
        self,
        cut: Callable[[TargetDisk, Choose, int, int], PowerLoss],
        disk: TargetDisk,
        choose: Choose,
        step: int,
        time_us: int,
    ) -> PowerLoss:
        """In place of `TargetDisk.cut`."""

        def choosing(model: Disk) -> Choice:
            began = time.perf_counter()
            choice = choose(model)
            self.choosing_us.append((time.perf_counter() - began) * 1e6)
            return choice

        began = time.perf_counter()
        loss = cut(disk, choosing, step, time_us)
        self.whole_us.append((time.perf_counter() - began) * 1e6)
        self.pending.append(loss.pending)
        self.sizes.append(sum(content.size for content in loss.before.files.values()))
        return loss


def power(seeds: Sequence[int]) -> list[Figure]:
    """Power losses as `chaos run` makes them."""
    losses = Losses()
    cut = TargetDisk.cut
    wishes = Wishes(schedule=BATON, faults=("power-loss",), profile=PROFILE)

    def cut_timed(disk: TargetDisk, choose: Choose, step: int, time_us: int) -> PowerLoss:
        return losses.timed(cut, disk, choose, step, time_us)

    TargetDisk.cut = cut_timed  # type: ignore[method-assign]
    try:
        with open_session(wishes, DEFAULT_SUITE, None, Silent()) as session:
            run = partial(session.run, command="")
            for seed in seeds:
                run(make_plan(seed, wishes))
    finally:
        TargetDisk.cut = cut  # type: ignore[method-assign]
    if not losses.whole_us:
        return [("power losses", 0, "")]
    rest = [whole - part for whole, part in zip(losses.whole_us, losses.choosing_us, strict=True)]
    return [
        ("power losses", len(rest), ""),
        ("data directory, median", median(losses.sizes) / 1e6, "MB"),
        ("pending operations, median", median(losses.pending), ""),
        ("a power loss, median", median(losses.whole_us) / 1e3, "ms"),
        ("of which choosing, median", median(losses.choosing_us) / 1e3, "ms"),
        ("without that, largest", max(rest) / 1e3, "ms"),
    ]


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("..")
    return list(range(int(first), int(last or first) + 1))


@click.command()
@click.option("--seeds", default="1..6", show_default=True, metavar="A..B")
@click.option("--rounds", default=2, show_default=True, help="How often with and without.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON per figure.")
def main(seeds: str, rounds: int, as_json: bool) -> None:
    """Measure and print."""
    with cpus({min(os.sched_getaffinity(0))}):
        figures = [*logs(_seeds(seeds), rounds), *power(_seeds(seeds))]
    if as_json:
        for name, value, unit in figures:
            click.echo(json.dumps({"figure": name, "value": value, "unit": unit}))
        return
    table = Table(title="the I/O log and power losses")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value, unit in figures:
        table.add_row(name, f"{value:,.{0 if value >= 100 else 2}f} {unit}".rstrip())
    Console().print(table)


if __name__ == "__main__":
    main()
