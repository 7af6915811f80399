"""Processes under the baton: virtual pids, births, deaths, and the place where one is killed."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from chaos.host import BatonHost
from chaos.scheduler.layout import REAL_PID, SLOTS
from engine.errors import PostmasterDied
from engine.host.api import ChildExit, OpenMode, Ready, Signal
from engine.host.points import Point
from tests.chaos.stage import Stage
from tests.host_contract.children import exit_statuses, reap_children

KILLED = -int(signal.SIGKILL)
NEW = OpenMode.WRITE | OpenMode.CREATE


def wait_forever(host: BatonHost) -> None:
    """Whatever comes."""
    while True:
        host.wait(postmaster=False)


def real_pid(host: BatonHost, pid: int) -> int:
    """The machine's number of a process."""
    baton = host._baton
    return int(baton.fields[REAL_PID][baton.find(pid)])


def test_pids_are_counted_in_order_of_birth_and_none_is_used_again(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        assert host.pid() == 1002, "the controller is 1001"
        assert host.parent_pid() == 1, "whoever started the postmaster is not of the engine"
        for expected in (1003, 1004, 1005):
            assert host.fork("backend", 1, lambda: None) == expected
            assert reap_children(host, 1) == [ChildExit(expected, 0, None)]

    stage.play(scene)


def test_a_process_whose_postmaster_is_gone_is_a_child_of_init(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)

        def stay() -> None:
            stage.seen[0] = host.parent_pid()
            host.wait(1000, postmaster=False)
            stage.seen[1] = host.parent_pid()

        host.fork("backend", 1, stay)
        host.sleep(1)

    stage.play(scene)
    stage.wait_until(stage.everybody_has_ended)
    assert list(stage.seen[:2]) == [1002, 1]


@pytest.mark.parametrize("ending", ["exit", "kill"])
def test_who_is_reaped_is_gone_from_the_machine_too(stage: Stage, ending: str) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        pid = host.fork("backend", 1, lambda: host.wait() and None)
        real = real_pid(host, pid)
        os.kill(real, 0)
        if ending == "kill":
            host.signal(pid, Signal.KILL)
        else:
            host.wake(1)
        assert [ended.pid for ended in reap_children(host, 1)] == [pid]
        with pytest.raises(ProcessLookupError):
            os.kill(real, 0)

    stage.play(scene)


def test_a_process_killed_by_place_has_done_what_comes_before_and_nothing_of_that_call(
    stage: Stage,
) -> None:
    """PLACE-1."""

    def scene(host: BatonHost) -> None:
        host.create_latches(2)

        def write() -> None:
            fd = host.open("file", NEW)
            for number in range(10):
                stage.seen[0] = number
                host.pwrite(fd, b"x", number)

        host.fork("backend", 1, write)
        assert exit_statuses(host, 1) == [None]

    stage.arm("backend pwrite 4: kill")
    stage.play(scene)
    assert stage.seen[0] == 3
    assert (stage.data / "file").read_bytes() == b"xxx"
    assert stage.world.reached()["backend"]["pwrite"] == 4
    assert stage.world.killed() == {"backend": {"pwrite": 1}}
    stage.finish()
    last = [step for step in stage.steps() if step.role == "backend"][-2:]
    assert [(step.call, step.b) for step in last][1] == ("death", KILLED)
    assert last[0].call == "pwrite"


def test_a_process_may_be_killed_at_each_injection_point(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)

        def pass_all() -> None:
            for number, point in enumerate(Point):
                host.point(point)
                stage.seen[number] += 1

        for _ in Point:
            host.fork("backend", 1, pass_all)
            assert exit_statuses(host, 1) == [None]

    for point in Point:
        stage.arm(f"backend {point.value}: kill")
    stage.play(scene)
    assert stage.world.killed() == {"backend": {point.value: 1 for point in Point}}
    passes = list(range(len(Point) - 1, -1, -1))
    assert list(stage.seen[: len(Point)]) == passes, "the n-th to come was killed at the n-th point"


def test_who_is_parked_when_it_is_killed_is_counted_at_its_own_place(stage: Stage) -> None:
    """PLACE-2."""

    def scene(host: BatonHost) -> None:
        host.create_latches(3)
        host.fork("walwriter", 1, lambda: host.sleep(10_000))
        host.fork("checkpointer", 2, lambda: wait_forever(host))
        host.sleep(10)
        pid = host.fork("bgwriter", 2, lambda: host.point(Point.BUFFER_WRITTEN))
        ended = reap_children(host, 3)
        assert [one.pid for one in ended] == [pid - 2, pid - 1, pid]
        assert {one.signal for one in ended} == {Signal.KILL}

    stage.arm("bgwriter buffer-written: kill checkpointer+walwriter+self")
    stage.play(scene)
    assert stage.world.killed() == {
        "walwriter": {"sleep": 1},
        "checkpointer": {"wait": 1},
        "bgwriter": {"buffer-written": 1},
    }
    stage.finish()
    deaths = [step.role for step in stage.steps() if step.call == "death"][:3]
    assert deaths[-1] == "bgwriter", "who strikes dies last"


def test_a_mutex_of_the_dead_stays_held(stage: Stage) -> None:
    """HOST-4."""

    def scene(host: BatonHost) -> None:
        mutex = host.create_mutexes(1)[0]
        host.create_latches(3)

        def take_twice() -> None:
            mutex.acquire()
            host.point(Point.HEAP_PAGE_CHANGED)
            mutex.release()

        host.fork("backend", 1, take_twice)
        assert exit_statuses(host, 1) == [None]
        pid = host.fork("walwriter", 2, take_twice)
        host.sleep(60_000)
        assert host.reap() == [], "it waits still"
        host.signal(pid, Signal.QUIT)
        assert exit_statuses(host, 1) == [2]

    stage.arm("backend heap-page-changed: kill")
    stage.play(scene)
    assert stage.world.reached()["walwriter"] == {"begin": 1, "mutex_acquire": 1}


def test_more_processes_than_there_are_slots_is_a_fork_that_fails(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(SLOTS)
        room = SLOTS - 2
        for latch in range(room):
            host.fork("backend", latch, lambda: host.wait(latch=False) and None)
        with pytest.raises(OSError, match="processes at once") as caught:
            host.fork("backend", 0, lambda: None)
        assert caught.value.errno == errno.EAGAIN
        pid = 1002 + room
        host.signal(pid, Signal.KILL)
        assert [one.pid for one in reap_children(host, 1)] == [pid]
        again = host.fork("backend", 0, lambda: host.exit(7))
        assert again == pid + 1
        assert reap_children(host, 1) == [ChildExit(again, 7, None)]

    stage.play(scene)


# signals -----------------------------------------------------------------------------------------


def test_a_signal_is_seen_at_the_next_look_and_ends_a_wait_at_its_step(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)

        def listen() -> None:
            assert host.take_signals() == ()
            stage.seen[0] = 1
            assert host.wait() == Ready.LATCH
            assert host.take_signals() == [Signal.HUP]

        pid = host.fork("backend", 1, listen)
        while not stage.seen[0]:
            host.sleep(1)
        host.signal(pid, Signal.HUP)
        assert exit_statuses(host, 1) == [0]

    stage.play(scene)
    stage.finish()
    calls = [(step.role, step.call) for step in stage.steps()]
    sent = calls.index(("postmaster", "signal"))
    backend = [call for role, call in calls[sent:] if role == "backend"]
    assert backend == ["take_signals", "exit", "death"]


def test_quit_acts_before_the_next_call_of_a_busy_process(stage: Stage) -> None:
    """HOST-7: the last words are said at a step that the trace shows."""

    def scene(host: BatonHost) -> None:
        host.create_latches(2)

        def speak() -> None:
            stage.seen[1] = 42

        def count() -> None:
            host.last_words(speak)
            while True:
                host.point(Point.HEAP_RECORD_INSERTED)
                stage.seen[0] += 1

        pid = host.fork("backend", 1, count)
        while stage.seen[0] < 100:
            host.sleep(1)
        host.signal(pid, Signal.QUIT)
        stage.seen[2] = stage.seen[0]
        assert exit_statuses(host, 1) == [2]

    stage.play(scene)
    assert stage.seen[1] == 42
    assert stage.seen[0] == stage.seen[2], "it did nothing after the signal"


def test_the_postmasters_death_ends_a_wait_at_the_next_turn(stage: Stage) -> None:
    """HOST-6."""

    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        host.fork("backend", 1, lambda: host.wait() and None)
        host.sleep(1)

    stage.arm("time 500us: kill postmaster")
    stage.start(scene)
    assert stage.end() == KILLED
    stage.wait_until(stage.everybody_has_ended)
    stage.finish()
    steps = stage.steps()
    death = [(step.role, step.call) for step in steps].index(("postmaster", "death"))
    rest = [(step.call, step.b) for step in steps[death + 1 :] if step.role == "backend"]
    assert [call for call, _ in rest] == ["exit", "death"]
    assert rest[-1][1] == PostmasterDied().status
