"""Time and chance under the baton: the clock goes on by steps and jumps when all wait."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from chaos.host import BatonHost
from chaos.scheduler.layout import TICK_US
from chaos.scheduler.world import Schedule
from engine.host.api import Ready
from engine.host.points import Point
from tests.chaos.stage import Stage
from tests.host_contract.children import exit_statuses

HOUR_MS = 3_600_000
HOUR_US = 3_600_000_000
FAST_S = 20
"""Far more than any of these scenes needs, far less than what its clock shows."""


def test_an_hour_passes_at_once_when_nobody_has_anything_to_do(stage: Stage) -> None:
    """SCHED-3."""

    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        before = host.monotonic_us()
        host.sleep(HOUR_MS)
        assert HOUR_US <= host.monotonic_us() - before < HOUR_US + 1000
        before = host.monotonic_us()
        assert host.wait(HOUR_MS) == Ready.TIMEOUT
        assert HOUR_US <= host.monotonic_us() - before < HOUR_US + 1000

    began = time.monotonic()
    stage.play(scene)
    assert time.monotonic() - began < FAST_S
    assert stage.world.steps < 20


def test_the_clock_jumps_to_the_nearest_of_all_deadlines(stage: Stage) -> None:
    """SCHED-3."""

    def scene(host: BatonHost) -> None:
        host.create_latches(4)

        def nap(latch: int, milliseconds: float) -> None:
            host.sleep(milliseconds)
            stage.seen[latch] = host.monotonic_us()

        for latch, milliseconds in ((1, HOUR_MS), (2, 0.5), (3, 1000)):
            host.fork("backend", latch, lambda a=latch, b=milliseconds: nap(a, b))  # type: ignore[misc]
        assert exit_statuses(host, 3) == [0, 0, 0]

    stage.play(scene)
    for latch, expected in ((1, HOUR_US), (2, 500), (3, 1_000_000)):
        assert expected <= stage.seen[latch] < expected + 1000


def test_nothing_but_steps_and_waits_moves_the_clock(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        before = host.monotonic_us(), host.now_us()
        time.sleep(0.01)
        assert (host.monotonic_us(), host.now_us()) == before
        host.stat("file")
        host.point(Point.HEAP_PAGE_CHANGED)
        assert host.monotonic_us() - before[0] == 2 * TICK_US
        assert host.now_us() - before[1] == 2 * TICK_US

    with Stage(stage.directory / "alone", Schedule(seed=1, mean_run=10**6)) as alone:
        alone.play(scene)


def test_time_goes_on_for_a_sleeper_while_others_work(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)

        def work() -> None:
            while not stage.seen[0]:
                host.point(Point.HEAP_PAGE_CHANGED)

        host.fork("backend", 1, work)
        before = host.monotonic_us()
        host.sleep(100)
        assert 100_000 <= host.monotonic_us() - before < 101_000
        stage.seen[0] = 1
        assert exit_statuses(host, 1) == [0]

    stage.play(scene)
    points = stage.world.reached()["backend"]["heap-page-changed"]
    assert points > 50_000 // TICK_US, "100 ms are so many steps that half of them are enough"


def test_a_clock_fault_moves_the_wall_clock_alone(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        for jump in (HOUR_US, -2 * HOUR_US):
            wall, steady = host.now_us(), host.monotonic_us()
            host.stat("file")
            assert host.monotonic_us() - steady == TICK_US
            assert host.now_us() - wall == TICK_US + jump

    with Stage(stage.directory / "alone", Schedule(seed=1, mean_run=10**6)) as alone:
        alone.arm("postmaster stat 1: clock +1h")
        alone.arm("postmaster stat 2: clock -2h")
        alone.play(scene)


def drawn(directory: Path, seed: int) -> bytes:
    """Random bytes that two processes of a world draw."""
    with Stage(directory, Schedule(seed=seed)) as stage:

        def scene(host: BatonHost) -> None:
            host.create_latches(2)
            fd = host.open("own", 3)
            host.pwrite(fd, host.random_bytes(16), 0)
            child = host.open("childs", 3)
            host.fork("backend", 1, lambda: host.pwrite(child, host.random_bytes(16), 0) and None)
            assert exit_statuses(host, 1) == [0]

        stage.play(scene)
        return (stage.data / "own").read_bytes() + (stage.data / "childs").read_bytes()


def test_chance_is_the_seeds(tmp_path: Path) -> None:
    first, again, other = (
        drawn(tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == again
    parts = {first[:16], first[16:], other[:16], other[16:]}
    assert len(parts) == 4
    assert {len(part) for part in parts} == {16}


@pytest.mark.parametrize("strategy", ["random-walk", "pct"])
def test_deadlines_are_kept_under_each_strategy_while_others_are_busy(
    tmp_path: Path, strategy: str
) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(3)

        def work() -> None:
            while not stage.seen[0]:
                host.point(Point.HEAP_PAGE_CHANGED)

        for latch in (1, 2):
            host.fork("backend", latch, work)
        for _ in range(5):
            before = host.monotonic_us()
            assert host.wait(50) == Ready.TIMEOUT
            late_us = host.monotonic_us() - before - 50_000
            stage.seen[1] = max(stage.seen[1], late_us)
        stage.seen[0] = 1
        assert exit_statuses(host, 2) == [0, 0]

    with Stage(tmp_path / "world", Schedule(seed=3, strategy=strategy, mean_run=500)) as stage:
        stage.play(scene)
        assert 0 <= stage.seen[1] < 200_000, "it waits for its turn at most"
