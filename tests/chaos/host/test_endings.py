"""Worlds that go wrong: nobody can go on, somebody never stops, somebody dies or hangs outside."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable

import pytest

from chaos.host import BatonHost
from chaos.scheduler import world as world_module
from chaos.scheduler.layout import REAL_PID
from chaos.scheduler.world import Hung, WorldBroken
from engine.host.points import Point
from tests.chaos.stage import Stage
from tests.host_contract.children import exit_statuses

BOUND_S = 30


def test_a_deadlock_is_told_at_once(stage: Stage) -> None:
    """SCHED-3."""

    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        host.fork("backend", 1, lambda: host.wait() and None)
        while not host.reap():
            host.wait()

    stage.start(scene)
    with pytest.raises(Hung, match="deadlock: every process waits"):
        stage.end()
    assert stage.world.steps < 20


def test_two_mutexes_taken_in_two_orders_are_a_deadlock(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        mutexes = host.create_mutexes(2)
        host.create_latches(3)

        def take(first: int, second: int) -> None:
            mutexes[first].acquire()
            stage.seen[first] = 1
            while not stage.seen[second]:
                host.sleep(1)
            mutexes[second].acquire()

        host.fork("backend", 1, lambda: take(0, 1))
        host.fork("backend", 2, lambda: take(1, 0))
        while True:
            host.wait()

    stage.start(scene)
    with pytest.raises(Hung, match="deadlock"):
        stage.end()


def test_a_deadline_of_anybody_is_no_deadlock(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        host.fork("backend", 1, lambda: host.sleep(86_400_000) or host.wake(0))  # type: ignore[func-returns-value]
        while not host.reap():
            host.wait()

    stage.play(scene)


def test_running_in_circles_uses_up_the_budget_of_steps(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        while True:
            host.point(Point.HEAP_PAGE_CHANGED)

    stage.start(scene)
    stage.world.add_steps_to_budget(5000)
    with pytest.raises(Hung, match=r"livelock: \d+ steps and no end"):
        stage.end()
    assert 5000 <= stage.world.steps < 6000


def test_waiting_in_circles_uses_up_the_budget_too(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(1)
        while True:
            host.wait(100)

    stage.start(scene)
    stage.world.add_steps_to_budget(5000)
    with pytest.raises(Hung, match="livelock"):
        stage.end()


def test_who_looks_at_a_world_after_an_alarm_may_let_it_go_on(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        while not stage.seen[0]:
            host.point(Point.HEAP_PAGE_CHANGED)

    stage.start(scene)
    stage.world.add_steps_to_budget(1000)
    with pytest.raises(Hung):
        stage.end()
    stage.seen[0] = 1
    assert stage.end() == 0


DEATHS: dict[str, Callable[[], object]] = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exits past the door": lambda: os._exit(0),
}


@pytest.mark.parametrize("death", DEATHS)
def test_a_death_outside_the_plan_breaks_the_world(stage: Stage, death: str) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)

        def die() -> None:
            host.point(Point.HEAP_PAGE_CHANGED)
            DEATHS[death]()

        host.fork("backend", 1, die)
        exit_statuses(host, 1)

    stage.start(scene)
    began = time.monotonic()
    with pytest.raises(
        WorldBroken, match=r"the backend \(1003\) died outside the plan, .* heap-page-changed"
    ):
        stage.end()
    assert time.monotonic() - began < BOUND_S


def test_a_parked_process_that_dies_outside_the_plan_is_missed_when_its_turn_comes(
    stage: Stage,
) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        pid = host.fork("backend", 1, lambda: host.sleep(50))
        host.sleep(1)
        os.kill(host._baton.fields[REAL_PID][host._baton.find(pid)], signal.SIGKILL)
        exit_statuses(host, 1)

    stage.start(scene)
    with pytest.raises(WorldBroken, match=r"the backend \(1003\) died outside the plan"):
        stage.end()


def test_a_process_that_is_stuck_outside_the_door_breaks_the_world(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world_module, "STUCK_AFTER_S", 1)
    monkeypatch.setattr(world_module, "WATCHED_EVERY_MS", 200)

    def scene(host: BatonHost) -> None:
        host.point(Point.HEAP_PAGE_CHANGED)
        signal.pause()

    stage.start(scene)
    began = time.monotonic()
    with pytest.raises(
        WorldBroken, match=r"the postmaster \(1002\) has taken no step .* heap-page-changed"
    ):
        stage.end()
    assert time.monotonic() - began >= 1


def test_everybody_ends_with_the_controller(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(3)
        for latch in (1, 2):
            host.fork("backend", latch, lambda: host.wait() and None)
        host.sleep(1000)
        raise LookupError("nobody gives it a turn any more")

    postmaster = stage.start(scene)
    stage.waiting.sleep(0.1)
    assert postmaster == 1002
    pids = [one.pid for one in stage.world.participants()]
    assert len(pids) == 3
    handles = [os.pidfd_open(pid) for pid in pids]
    stage.let_go()
    for handle in handles:
        assert ended_in_time(handle)
        os.close(handle)


def ended_in_time(handle: int) -> bool:
    """Whether the process ends soon."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(BOUND_S * 1000))
