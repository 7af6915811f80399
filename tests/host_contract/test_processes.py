"""The door's processes and signals: HOST-7 and HOST-8."""

from __future__ import annotations

from functools import partial

import pytest

from engine.errors import ProcessExit
from engine.host.api import ChildExit, Host, Ready, Signal
from engine.host.points import Point
from tests.host_contract.children import exit_statuses, reap_children
from tests.host_contract.conftest import World


def test_fork_returns_in_the_parent_only(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        forks = host.map_shared(8).cast("Q")
        pid = host.fork("backend", 1, lambda: None)
        forks[0] += 1
        assert reap_children(host, 1) == [ChildExit(pid, 0, None)]
        assert forks[0] == 1

    world(scenario)


def test_the_exit_status_is_what_the_child_leaves_with(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)

        def leave() -> None:
            raise ProcessExit(3)

        def break_down() -> None:
            host.redirect_output(host.pipe()[1])
            raise LookupError("of no interest here")

        for main, status in ((lambda: None, 0), (lambda: host.exit(7), 7), (leave, 3)):
            host.fork("backend", 1, main)
            assert exit_statuses(host, 1) == [status]
        host.fork("backend", 1, break_down)
        assert exit_statuses(host, 1) == [2], "an exception is a crash"

    world(scenario)


def test_what_ends_a_child_unforeseen_is_told_without_the_place_of_the_checkout(
    world: World,
) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        reading, writing = host.pipe()

        def break_down() -> None:
            host.redirect_output(writing)
            host.close(writing)
            raise LookupError("two\nlines")

        host.fork("backend", 1, break_down)
        host.close(writing)
        assert exit_statuses(host, 1) == [2]
        heard = host.receive(reading, 65536).decode()
        top = __file__.partition("tests/")[0]
        assert top not in heard
        lines = heard.splitlines()
        assert lines[:2] == ["PANIC:  unexpected LookupError: two", "\tlines"]
        assert "tests/host_contract/test_processes.py:" in lines[-2]
        assert lines[-2].endswith(" in break_down")
        assert lines[-1] == "HINT:  This is a bug in the engine."

    world(scenario)


def test_parents_and_children_know_each_other_by_pid(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(3)
        seen = host.map_shared(32).cast("Q")

        def child(place: int) -> None:
            seen[place], seen[place + 1] = host.pid(), host.parent_pid()
            host.wait()

        pids = [host.fork("backend", 1 + n, partial(child, 2 * n)) for n in (0, 1)]
        while not seen[1] or not seen[3]:
            host.sleep(1)
        assert list(seen) == [pids[0], host.pid(), pids[1], host.pid()]
        assert len({host.pid(), *pids}) == 3
        assert all(host.process_exists(pid) for pid in (host.pid(), *pids))
        assert host.reap() == [], "nobody has ended"
        host.wake(1)
        host.wake(2)
        assert sorted(ended.pid for ended in reap_children(host, 2)) == sorted(pids)
        assert host.reap() == [], "each is reaped once"
        assert not any(host.process_exists(pid) for pid in pids)
        assert not host.signal(pids[0], Signal.HUP), "nobody is there any more"

    world(scenario)


def test_a_child_that_ends_wakes_its_parent(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        pid = host.fork("backend", 1, lambda: host.sleep(5))
        signals: list[Signal] = []
        while Signal.CHLD not in signals:
            assert host.wait(60_000) == Ready.LATCH
            signals += host.take_signals()
        assert host.reap() == [ChildExit(pid, 0, None)]

    world(scenario)


def test_signals_arrive_as_flags_and_wake_the_process(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)

        def listen() -> None:
            seen: list[Signal] = []
            while Signal.TERM not in seen:
                host.wait()
                seen += host.take_signals()
            host.exit(7 if Signal.HUP in seen else 8)

        pid = host.fork("backend", 1, listen)
        assert host.signal(pid, Signal.HUP)
        assert host.signal(pid, Signal.TERM)
        assert exit_statuses(host, 1) == [7]

    world(scenario)


def test_signals_are_taken_in_ascending_order_each_once(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)

        def listen() -> None:
            host.wake(0)
            while not host.wait(60_000, latch=False, read=[reading]):
                pass
            taken = [*host.take_signals()]
            host.exit(7 if taken == [Signal.HUP, Signal.USR1, Signal.TERM] else 8)

        reading, writing = host.pipe()
        pid = host.fork("backend", 1, listen)
        while not host.wait(60_000) & Ready.LATCH:
            pass
        for signal in (Signal.TERM, Signal.USR1, Signal.TERM, Signal.HUP, Signal.USR1):
            host.signal(pid, signal)
        host.send(writing, b"look")
        assert exit_statuses(host, 1) == [7]

    world(scenario)


def test_signals_of_the_parent_are_none_of_the_childs(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        host.signal(host.pid(), Signal.USR1)
        host.fork("backend", 1, lambda: host.exit(7 if host.take_signals() else 8))
        assert exit_statuses(host, 1) == [8]
        assert Signal.USR1 in host.take_signals()
        assert host.take_signals() == ()

    world(scenario)


def test_a_child_signals_the_postmaster(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        host.fork("backend", 1, lambda: host.exit(host.signal(host.parent_pid(), Signal.USR1)))
        seen: list[Signal] = []
        while Signal.USR1 not in seen:
            host.wait(60_000)
            seen += host.take_signals()
        assert exit_statuses(host, 1) == [1]

    world(scenario)


def test_a_sleep_is_not_ended_by_signals(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)

        def child() -> None:
            before = host.monotonic_us()
            host.wake(0)
            host.sleep(50)
            assert host.monotonic_us() - before >= 49_000
            assert Signal.TERM in host.take_signals()

        pid = host.fork("backend", 1, child)
        while not host.wait(60_000) & Ready.LATCH:
            pass
        host.signal(pid, Signal.TERM)
        assert exit_statuses(host, 1) == [0]

    world(scenario)


@pytest.mark.parametrize("activity", ["waits", "waits without the latch", "sleeps", "is busy"])
def test_quit_ends_a_child_whatever_it_does_after_its_last_words(
    world: World, activity: str
) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        words = host.map_shared(8).cast("Q")

        def speak() -> None:
            words[0] += 42

        def child() -> None:
            host.last_words(speak)
            host.wake(0)
            while True:
                if activity == "waits":
                    host.wait()
                elif activity == "waits without the latch":
                    host.wait(latch=False, postmaster=False)
                elif activity == "sleeps":
                    host.sleep(600_000)
                else:
                    host.stat("file")

        pid = host.fork("backend", 1, child)
        while not host.wait(60_000) & Ready.LATCH:
            pass
        host.signal(pid, Signal.QUIT)
        assert exit_statuses(host, 1) == [2]
        assert words[0] == 42

    world(scenario)


def test_a_child_without_last_words_is_silent_even_if_its_parent_had_some(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        words = host.map_shared(8).cast("Q")
        host.last_words(lambda: words.__setitem__(0, 42))

        def child() -> None:
            host.wake(0)
            while True:
                host.wait()

        pid = host.fork("backend", 1, child)
        while not host.wait(60_000) & Ready.LATCH:
            pass
        host.signal(pid, Signal.QUIT)
        assert exit_statuses(host, 1) == [2]
        assert words[0] == 0

    world(scenario)


def test_in_the_postmaster_quit_is_a_flag_like_any_other(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(1)
        host.signal(host.pid(), Signal.QUIT)
        assert host.wait(60_000) == Ready.LATCH
        assert host.take_signals() == [Signal.QUIT]

    world(scenario)


def test_kill_ends_a_child_without_last_words(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        words = host.map_shared(8).cast("Q")

        def child() -> None:
            host.last_words(lambda: words.__setitem__(0, 42))
            host.wake(0)
            while True:
                host.wait()

        pid = host.fork("backend", 1, child)
        while not host.wait(60_000) & Ready.LATCH:
            pass
        assert host.signal(pid, Signal.KILL)
        assert reap_children(host, 1) == [ChildExit(pid, None, Signal.KILL)]
        assert words[0] == 0

    world(scenario)


def test_a_child_killed_before_its_first_step_is_reaped_like_any_other(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)

        def child() -> None:
            while True:
                host.wait()

        for _ in range(20):
            pid = host.fork("backend", 1, child)
            assert host.signal(pid, Signal.KILL)
            assert reap_children(host, 1) == [ChildExit(pid, None, Signal.KILL)]

    world(scenario)


def test_a_point_where_no_fault_is_armed_does_nothing(world: World) -> None:
    def scenario(host: Host) -> None:
        for point in Point:
            host.point(point)
            host.point(point, 1 << 40)

    world(scenario)


def test_a_title_may_be_anything(world: World) -> None:
    def scenario(host: Host) -> None:
        host.create_latches(2)
        for title in ("postgres: checkpointer ", "", "postgres: señor [local] idle"):
            host.fork("backend", 1, partial(host.set_title, title))
            assert exit_statuses(host, 1) == [0]

    world(scenario)
