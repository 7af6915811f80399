"""Places and actions of faults: what a text means, and that nothing is lost in writing it."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.faults.places import (
    ANY,
    CALLS,
    CHILDREN,
    ERRORS,
    ROLES,
    SELF,
    Action,
    Place,
    PlacedFault,
    PlaceError,
    parse_action,
    parse_duration,
    parse_fault,
    parse_place,
)
from engine.host.api import Host, Mutex
from engine.host.points import Point

DURATIONS = st.integers(0, 10**12)
COUNTS = st.integers(1, 10**6)
POINTS = st.sampled_from([point.value for point in Point])
WHO = st.lists(st.sampled_from([*ROLES, SELF, CHILDREN]), min_size=1, unique=True).map(tuple)
PLACES = st.one_of(
    st.builds(
        Place, st.sampled_from([*ROLES, ANY]), st.one_of(st.sampled_from(CALLS), POINTS), COUNTS
    ),
    st.builds(Place, st.just("backend"), POINTS, COUNTS, st.sampled_from(["a", "b2"])),
    st.builds(Place, time_us=DURATIONS),
    st.builds(Place, lsn=st.integers(0, 2**64 - 1)),
)
ACTIONS = st.one_of(
    st.builds(Action, st.just("kill"), WHO),
    st.builds(Action, st.just("kill"), st.just(("all",))),
    st.builds(Action, st.just("stop"), WHO, duration_us=DURATIONS),
    st.builds(
        Action, st.just("error"), errno=st.sampled_from(sorted(ERRORS.values())), times=COUNTS
    ),
    st.builds(Action, st.sampled_from(["short", "drop"])),
    st.builds(Action, st.just("delay"), duration_us=DURATIONS),
    st.builds(Action, st.just("clock"), duration_us=st.integers(-(10**12), 10**12)),
)


@given(st.builds(PlacedFault, PLACES, ACTIONS))
def test_a_fault_is_the_same_after_it_was_written_and_read(fault: PlacedFault) -> None:
    assert parse_fault(str(fault)) == fault


def test_the_texts_mean_what_the_module_says() -> None:
    assert parse_place("checkpointer fsync 3") == Place("checkpointer", "fsync", 3)
    assert parse_place("backend of a send 2") == Place("backend", "send", 2, "a")
    assert parse_place("time 2.5s") == Place(time_us=2_500_000)
    assert parse_place("lsn 1/1500000") == Place(lsn=0x1_0150_0000)
    assert parse_action("kill") == Action("kill", ("self",))
    assert parse_action("enospc 3 times") == Action("error", errno=errno.ENOSPC, times=3)
    assert parse_action("clock -1h") == Action("clock", duration_us=-3_600_000_000)
    assert parse_action("lose") == Action("lose")
    assert parse_action("misdirect") == Action("misdirect")
    assert parse_action("stop bgwriter 2s") == Action("stop", ("bgwriter",), duration_us=2_000_000)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("checkpointer", "is no place"),
        ("checkpoiner fsync", "no role 'checkpoiner'"),
        ("checkpointer fsnyc", "no call 'fsnyc'"),
        ("checkpointer of a fsync", "only a backend"),
        ("backend send 0", "no count"),
        ("time 5", "no duration"),
        ("time 0.0000001s", "finer than a microsecond"),
        ("lsn 15", "no LSN"),
    ],
)
def test_a_text_that_is_no_place_is_told_what_is_allowed(text: str, complaint: str) -> None:
    with pytest.raises(PlaceError, match=complaint):
        parse_place(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is no action"),
        ("kill everybody", "no 'everybody' to strike"),
        ("kill all+backend", "twice"),
        ("kill backend+backend", "twice"),
        ("stop bgwriter", "no duration"),
        ("eio twice", "is no action"),
        ("clock 1h", "is no action"),
    ],
)
def test_a_text_that_is_no_action_is_told_what_is_allowed(text: str, complaint: str) -> None:
    with pytest.raises(PlaceError, match=complaint):
        parse_action(text)


def test_a_fault_without_an_action_is_none() -> None:
    with pytest.raises(PlaceError, match="PLACE: ACTION"):
        parse_fault("checkpointer fsync 3")


def test_durations_are_written_with_a_unit() -> None:
    assert parse_duration("1.5ms") == 1500
    assert str(Action("delay", duration_us=90_000_000)) == "delay 90s"


def test_the_calls_are_those_of_the_door() -> None:
    calls = [name for name in vars(Host) if not name.startswith("_") and name != "point"]
    mutex = [f"mutex_{name}" for name in vars(Mutex) if not name.startswith("_")]
    assert sorted(CALLS) == sorted([*calls, *mutex, "begin"])  # a process has its first turn
