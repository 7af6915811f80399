"""Faults armed in a world: which passes of which process they are for, and what they do there.

What single actions do to a call is in tests/chaos/host/test_disturbances.py.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from chaos.host import BatonHost
from chaos.scheduler.layout import FAULTS, TICK_US
from chaos.scheduler.places import NoSuchPlace
from chaos.scheduler.world import Schedule
from engine.host.api import Signal
from engine.host.points import Point
from tests.chaos.stage import Stage
from tests.host_contract.children import exit_statuses, reap_children

KILLED = -int(signal.SIGKILL)
CONTROLLER_ROLE = "controller"
LOOK = "heap-page-changed"


def look(host: BatonHost, times: int = 1) -> None:
    """Pass an injection point."""
    for _ in range(times):
        host.point(Point.HEAP_PAGE_CHANGED)


def looking(stage: Stage, roles: list[str], times: int) -> list[int | None]:
    """Play a scene: children of these roles, one after the other, each looks so often. How each
    ended; `stage.seen` has how often each has looked.
    """
    ended: list[int | None] = []

    def scene(host: BatonHost) -> None:
        host.create_latches(2)

        def child(place: int) -> None:
            for _ in range(times):
                look(host)
                stage.seen[place] += 1

        for place, role in enumerate(roles):
            host.fork(role, 1, lambda place=place: child(place))  # type: ignore[misc]
            [status] = exit_statuses(host, 1)
            stage.seen[100 + place] = KILLED if status is None else status

    stage.play(scene)
    ended += stage.seen[100 : 100 + len(roles)]
    return ended


# counts ------------------------------------------------------------------------------------------


def test_a_fault_strikes_the_nth_time_that_the_role_gets_there_whoever_it_is(stage: Stage) -> None:
    number = stage.arm(f"backend {LOOK} 5: kill")
    assert looking(stage, ["backend", "bgwriter", "backend", "backend"], 3) == [0, 0, KILLED, 0]
    assert list(stage.seen[:4]) == [3, 3, 1, 3]
    blow = stage.world.baton.places.blow(number)
    assert blow is not None
    assert (blow.vpid, blow.role) == (1005, "backend")
    stage.finish()
    step = stage.steps()[blow.step - 1]
    assert (step.call, step.vpid, step.time_us) == (LOOK, 1005, blow.time_us)


def test_any_counts_the_passes_of_all_roles(stage: Stage) -> None:
    stage.arm(f"any {LOOK} 5: kill")
    assert looking(stage, ["backend", "bgwriter", "backend"], 3) == [0, KILLED, 0]
    assert list(stage.seen[:3]) == [3, 1, 3]


def test_a_session_counts_the_passes_of_one_process(stage: Stage) -> None:
    stage.arm(f"backend of a {LOOK} 2: kill", 1004)
    assert looking(stage, ["backend", "backend", "backend"], 3) == [0, KILLED, 0]
    assert list(stage.seen[:3]) == [3, 1, 3]


def test_passes_are_counted_from_arming_on(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)

        def child() -> None:
            look(host, 3)
            stage.seen[0] = 1
            host.wait()
            for number in range(3):
                stage.seen[1] = number
                look(host)

        host.fork("backend", 1, child)
        while stage.seen[0] < 2:
            host.sleep(1)
        host.wake(1)
        assert exit_statuses(host, 1) == [None]

    stage.start(scene)
    while not stage.seen[0]:
        stage.waiting.sleep(0.001)
    stage.arm(f"backend {LOOK} 2: kill")
    stage.seen[0] = 2
    assert stage.end() == 0
    assert stage.seen[1] == 1


def test_faults_at_the_same_place_strike_at_their_own_counts(stage: Stage) -> None:
    for count in (2, 3, 7):
        stage.arm(f"backend {LOOK} {count}: kill")
    roles = ["backend"] * 4
    assert looking(stage, roles, 4) == [KILLED, KILLED, KILLED, 0]
    assert list(stage.seen[:4]) == [1, 0, 3, 4]


def test_faults_at_the_same_pass_strike_all(stage: Stage) -> None:
    """PLACE-3."""

    def scene(host: BatonHost) -> None:
        host.create_latches(3)
        host.fork("bgwriter", 1, lambda: host.wait() and None)
        host.fork("backend", 2, lambda: look(host, 3))
        ended = reap_children(host, 2)
        assert [one.signal for one in ended] == [Signal.KILL, Signal.KILL]

    numbers = [
        stage.arm(f"backend {LOOK} 2: kill"),
        stage.arm(f"backend {LOOK} 2: kill bgwriter"),
        stage.arm(f"any {LOOK} 2: clock +1h"),
    ]
    stage.play(scene)
    stage.finish()
    steps = stage.steps()
    blows = [stage.world.baton.places.blow(number) for number in numbers]
    assert None not in blows
    assert {blow.vpid for blow in blows if blow is not None} == {1004}
    first = min(blow.step for blow in blows if blow is not None)
    assert steps[first - 1].call == LOOK
    assert [step.call for step in steps[first:][:2]] == ["death", "death"]


def test_a_fault_that_is_disarmed_does_not_strike(stage: Stage) -> None:
    numbers = [
        stage.arm(f"backend {LOOK} 2: kill"),
        stage.arm(f"any {LOOK} 3: kill"),
        stage.arm("time 30us: kill all"),
        stage.arm("lsn 0/1: kill all"),
    ]
    for number in numbers:
        stage.world.baton.places.disarm(number)
    assert looking(stage, ["backend"], 5) == [0]
    assert all(stage.world.baton.places.blow(number) is None for number in numbers)


def test_a_fault_strikes_once(stage: Stage) -> None:
    stage.arm(f"backend {LOOK} 1: kill")
    assert looking(stage, ["backend"] * 3, 1) == [KILLED, 0, 0]


def test_more_faults_may_be_armed_one_after_another_than_at_once(stage: Stage) -> None:
    places = stage.world.baton.places
    numbers = [stage.arm(f"backend {LOOK} {count + 1}: kill") for count in range(FAULTS)]
    with pytest.raises(NoSuchPlace, match=f"more than {FAULTS} faults"):
        stage.arm(f"backend {LOOK} 1: kill")
    for number in numbers[1:]:
        places.disarm(number)
    again = stage.arm(f"bgwriter {LOOK} 2: kill")
    assert places.blow(again) is None
    assert looking(stage, ["backend", "bgwriter"], 2) == [KILLED, KILLED]
    assert list(stage.seen[:2]) == [0, 1]


@pytest.mark.parametrize("place", ["time 1s", "lsn 0/1"])
@pytest.mark.parametrize("action", ["eio", "short", "drop", "delay 1s"])
def test_what_is_done_to_a_call_cannot_be_armed_where_there_is_none(
    stage: Stage, place: str, action: str
) -> None:
    with pytest.raises(NoSuchPlace, match="there is no call for"):
        stage.arm(f"{place}: {action}")


@pytest.mark.parametrize("place", ["backend no-such-point", "backend now_us", "any pid 3"])
def test_a_place_that_is_no_step_cannot_be_armed(stage: Stage, place: str) -> None:
    with pytest.raises(NoSuchPlace, match="there is no call or injection point"):
        stage.arm(f"{place}: kill")
    assert looking(stage, ["backend"], 1) == [0]


# time and LSN ------------------------------------------------------------------------------------


def test_a_fault_at_a_time_strikes_when_the_clock_gets_there(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        host.fork("bgwriter", 1, lambda: host.sleep(60_000))
        assert exit_statuses(host, 1) == [None]
        stage.seen[0] = host.monotonic_us()

    number = stage.arm("time 2.5s: kill bgwriter")
    stage.play(scene)
    blow = stage.world.baton.places.blow(number)
    assert blow is not None
    assert 2_500_000 <= blow.time_us < 2_500_000 + 10 * TICK_US
    assert 2_500_000 <= stage.seen[0] < 2_500_000 + 50 * TICK_US


def test_a_fault_at_a_time_strikes_though_everybody_is_busy(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        host.fork("backend", 1, lambda: look(host, 10**6))
        assert exit_statuses(host, 1) == [None]

    number = stage.arm("time 20ms: kill backend")
    stage.play(scene)
    blow = stage.world.baton.places.blow(number)
    assert blow is not None
    assert 20_000 <= blow.time_us < 20_000 + 10 * TICK_US


@pytest.mark.parametrize("strategy", ["random-walk", "pct"])
@pytest.mark.parametrize("seed", range(8))
def test_whoever_has_the_turn_at_a_time_is_never_the_controller(
    tmp_path: Path, seed: int, strategy: str
) -> None:
    """`self` at a time is one of the target's processes, though the controller may look at the
    clock, or somebody who is just leaving.
    """

    def scene(host: BatonHost) -> None:
        host.create_latches(4)
        for latch in (1, 2, 3):
            host.fork("backend", latch, lambda latch=latch: look(host, 3 * latch))  # type: ignore[misc]
        host.sleep(1)

    with Stage(tmp_path / "world", Schedule(seed, strategy, 2)) as stage:
        numbers = [stage.arm(f"time {4 * n * TICK_US}us: kill") for n in range(1, 12)]
        stage.start(scene)
        while not stage.everybody_has_ended():
            stage.waiting.sleep(5 * TICK_US / 1e6)
        struck = [stage.world.baton.places.blow(number) for number in numbers]
        kills = stage.world.killed()
        assert CONTROLLER_ROLE not in kills
        assert sum(sum(row.values()) for row in kills.values()) <= len([b for b in struck if b])
        stage.finish()
        deaths = [step.vpid for step in stage.steps() if step.call == "death"]
        assert len(deaths) == len(set(deaths)), "nobody dies twice"


def test_a_fault_at_an_lsn_strikes_at_the_first_point_that_has_got_there(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)

        def insert() -> None:
            for lsn in range(0x100, 0x200, 0x18):
                host.point(Point.WAL_RECORD_COPIED, lsn)
                stage.seen[0] = lsn

        host.fork("backend", 1, insert)
        assert exit_statuses(host, 1) == [None]

    stage.arm("lsn 0/150: kill")
    stage.play(scene)
    assert stage.seen[0] == 0x148
    assert stage.world.killed() == {"backend": {"wal-record-copied": 1}}


def test_an_lsn_of_a_point_that_is_about_something_else_is_none(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.point(Point.BUFFER_WRITTEN, 0x200)
        host.point(Point.CHILD_FORKED, 0x200)

    number = stage.arm("lsn 0/150: kill")
    stage.play(scene)
    assert stage.world.baton.places.blow(number) is None


# who ---------------------------------------------------------------------------------------------

WHO = {
    "self": ["backend"],
    "bgwriter": ["bgwriter"],
    "bgwriter+walwriter": ["bgwriter", "walwriter"],
    "self+logger": ["logger", "backend"],
    "children": ["bgwriter", "walwriter", "logger", "backend"],
    "all": ["postmaster", "bgwriter", "walwriter", "logger", "backend"],
    "postmaster+self": ["postmaster", "backend"],
    "checkpointer": [],
}


@pytest.mark.parametrize("who", WHO)
def test_those_die_who_are_named_and_who_strikes_dies_last(stage: Stage, who: str) -> None:
    """PLACE-2."""

    def scene(host: BatonHost) -> None:
        host.create_latches(5)
        for latch, role in enumerate(("bgwriter", "walwriter", "logger"), 1):
            host.fork(role, latch, lambda: host.wait() and None)
        host.sleep(1)
        host.fork("backend", 4, lambda: look(host))
        host.sleep(1)
        raise LookupError("whoever is left shall leave")

    stage.arm(f"backend {LOOK}: kill {who}")
    stage.start(scene)
    stage.end()
    stage.wait_until(stage.everybody_has_ended)
    kills = stage.world.killed()
    assert set(kills) == set(WHO[who])
    stage.finish()
    steps = stage.steps()
    struck = [(step.role, step.call) for step in steps].index(("backend", LOOK))
    deaths = [step for step in steps if step.call == "death" and step.b == KILLED]
    assert [step.role for step in deaths] == WHO[who]
    following = [step.role for step in steps[struck + 1 :][: len(deaths)]]
    assert following == WHO[who], "nobody did anything in between"


def test_a_kill_is_known_with_its_place_and_by_whom_it_was_done(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(3)
        host.fork("backend", 1, lambda: look(host))
        assert exit_statuses(host, 1) == [None]
        pid = host.fork("bgwriter", 2, lambda: host.sleep(1000))
        host.sleep(1)
        host.signal(pid, Signal.KILL)
        assert exit_statuses(host, 1) == [None]

    stage.arm(f"backend {LOOK}: kill")
    stage.play(scene)
    kills = stage.world.kills_since(0)
    assert [(one.pid, one.role, one.call, one.by_place) for one in kills] == [
        (1003, "backend", LOOK, True),
        (1004, "bgwriter", "sleep", False),
    ]
    assert stage.world.kills_since(1) == kills[1:]
    assert stage.world.kills_since(2) == []
