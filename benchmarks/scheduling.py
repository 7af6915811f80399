"""What the baton costs, and what it saves: a step, a hand-over, a run, an idle cluster.

    python -m benchmarks.scheduling [--seeds 1..20] [--json]

Everything is pinned to one CPU, as a world is, but for one of the two bare hand-overs. Times are
CPU time of all processes together, if nothing else is said: that is what a core does when nothing
else is on it, and what a busy machine leaves measurable.
"""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from chaos.host.host import BatonHost
from chaos.oracle import DEFAULT_SUITE
from chaos.plan import BATON, Wishes, make_plan
from chaos.report.observer import Silent
from chaos.scheduler.world import Schedule, World
from chaos.session import open_session
from chaos.targets.baton import BatonEngineTarget
from chaos.targets.launcher import Launcher
from engine.host.points import Point
from tests.chaos.stage import Stage

STEPS: Final = 100_000
SWITCHES: Final = 20_000
PROCESSES: Final = 10
REPEATS: Final = 5
IDLE_S: Final = 600
NEVER_MIND: Final = 10**7
"""A mean run longer than the benchmark: no preemption."""
UP_S: Final = 60.0

Figure = tuple[str, float, str]


@contextmanager
def cpus(usable: set[int]) -> Iterator[None]:
    """Run on these only, with all that is started."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, usable)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


# points ------------------------------------------------------------------------------------------


def usually(measure: Callable[[], float]) -> float:
    """The median of several; what else the machine does shows in single ones."""
    return median(measure() for _ in range(REPEATS))


def cpu_us() -> float:
    """Of this process and of all that it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used) * 1e6


def played(scene: Callable[[BatonHost], None], mean_run: int) -> tuple[float, int]:
    """CPU time of a scene with all its processes, in microseconds; and its hand-overs."""
    schedule = Schedule(seed=1, mean_run=mean_run)
    with tempfile.TemporaryDirectory() as directory, Stage(Path(directory), schedule) as stage:

        def timed(host: BatonHost) -> None:
            switches, used = stage.world.switches, cpu_us()
            scene(host)
            stage.seen[0] = round(cpu_us() - used)
            stage.seen[1] = stage.world.switches - switches

        stage.play(timed)
        return stage.seen[0], stage.seen[1]


def point_us() -> float:
    """One step without a hand-over: an injection point, which does nothing else."""

    def scene(host: BatonHost) -> None:
        for _ in range(STEPS):
            host.point(Point.HEAP_PAGE_CHANGED)

    return played(scene, NEVER_MIND)[0] / STEPS


def mutex_us() -> float:
    """A free mutex acquired and released, which is two steps."""

    def scene(host: BatonHost) -> None:
        [mutex] = host.create_mutexes(1)
        for _ in range(STEPS):
            mutex.acquire()
            mutex.release()

    return played(scene, NEVER_MIND)[0] / STEPS


def handover_us() -> float:
    """What a hand-over costs beside its step: the same steps of ten processes, often switched and
    not switched.
    """

    def work(host: BatonHost) -> None:
        for _ in range(STEPS // PROCESSES):
            host.point(Point.HEAP_PAGE_CHANGED)

    def scene(host: BatonHost) -> None:
        host.create_latches(PROCESSES + 1)
        for number in range(PROCESSES):
            host.fork("backend", number + 1, lambda: work(host))
        left = PROCESSES
        while left:
            host.wait()
            left -= len(host.reap())

    often, switches = played(scene, mean_run=5)
    hardly, few = played(scene, NEVER_MIND)
    return (often - hardly) / (switches - few)


def bare_us() -> float:
    """Two processes that wake each other through eventfds: half a round trip."""
    there, back = os.eventfd(0), os.eventfd(0)
    pid = os.fork()
    if pid == 0:
        for _ in range(SWITCHES):
            os.eventfd_read(there)
            os.eventfd_write(back, 1)
        os._exit(0)
    began = time.perf_counter_ns()
    for _ in range(SWITCHES):
        os.eventfd_write(there, 1)
        os.eventfd_read(back)
    took = time.perf_counter_ns() - began
    os.waitpid(pid, 0)
    os.close(there)
    os.close(back)
    return took / 1000 / SWITCHES / 2


def points(every: set[int]) -> Iterator[Figure]:
    """The cost of a scheduling point."""
    with cpus({min(every)}):
        yield "a step without a hand-over", usually(point_us), "us"
        yield "a mutex acquired and released (two steps)", usually(mutex_us), "us"
        yield "a hand-over, ten processes", usually(handover_us), "us"
        yield "bare hand-over between two processes, one CPU, elapsed", usually(bare_us), "us"
    if len(every) > 1:
        with cpus(every):
            yield "bare hand-over between two processes, any CPU, elapsed", usually(bare_us), "us"


# runs --------------------------------------------------------------------------------------------


def runs(seeds: Sequence[int]) -> Iterator[Figure]:
    """Whole runs, as `chaos run` does them, one after another in one launcher."""
    wishes = Wishes(schedule=BATON)
    steps = switches = cycles = 0
    virtual = acknowledged = 0.0
    began, used = time.monotonic(), cpu_us()
    with open_session(wishes, DEFAULT_SUITE, None, Silent()) as session:
        for seed in seeds:
            result = session.run(make_plan(seed, wishes), "")
            steps += result["steps"]
            switches += result["switches"]
            cycles += result["cycles"]
            virtual += result["virtual_s"]
            acknowledged += result["acknowledged"]
    took, used = time.monotonic() - began, (cpu_us() - used) / 1e6
    yield "seeds", len(seeds), ""
    yield "CPU time per seed", used / len(seeds), "s"
    yield "elapsed per seed, on the machine as it is", took / len(seeds), "s"
    yield "runs per minute and core", 60 * len(seeds) / used, ""
    yield "crash-recover-verify cycles per minute and core", 60 * cycles / used, ""
    yield "acknowledged transactions per second and core", acknowledged / used, ""
    yield "steps per run", steps / len(seeds), ""
    yield "steps per hand-over", steps / switches, ""
    yield "steps per second, all work of the engine included", steps / used, ""
    yield "virtual seconds per second, under load", virtual / used, ""


def idle() -> Iterator[Figure]:
    """Ten virtual minutes of a cluster that nobody uses."""
    world = World()
    with Launcher(world.descriptors()) as launcher:
        target = BatonEngineTarget(launcher, {}, 16, world, Schedule(seed=1))
        try:
            target.create()
            target.launch()
            target.waiting().sleep(UP_S)
            began, steps = time.monotonic(), world.steps
            target.waiting().sleep(IDLE_S)
            took, steps = time.monotonic() - began, world.steps - steps
        finally:
            target.destroy()
    world.close()
    yield f"{IDLE_S} virtual seconds of an idle cluster, elapsed", took, "s"
    yield "virtual seconds per elapsed second, idle", IDLE_S / took, ""
    yield "steps per virtual second, idle", steps / IDLE_S, ""


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("..")
    return list(range(int(first), int(last or first) + 1))


@click.command()
@click.option("--seeds", default="1..20", show_default=True, metavar="A..B")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON per figure.")
def main(seeds: str, as_json: bool) -> None:
    """Measure and print."""
    every = os.sched_getaffinity(0)
    figures = [*points(every)]
    with cpus({min(every)}):
        figures += [*idle(), *runs(_seeds(seeds))]
    if as_json:
        for name, value, unit in figures:
            click.echo(json.dumps({"figure": name, "value": value, "unit": unit}))
        return
    table = Table(title="the baton")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value, unit in figures:
        table.add_row(name, f"{value:,.{0 if value >= 100 else 2}f} {unit}".rstrip())
    Console().print(table)


if __name__ == "__main__":
    main()
