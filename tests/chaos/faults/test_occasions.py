"""Whoever comes to a place only if others are in its way is brought there, and dies there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chaos.faults.catalogue import PLACE
from chaos.oracle import DEFAULT_SUITE
from chaos.plan import FILLING_SETTINGS, Cycle, Fault, Where, Wishes, make_plan
from chaos.report.observer import Silent
from chaos.session import Session, open_session

WISHES = Wishes(clients=2, workload="bank", cycles=1)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """For all runs of this file."""
    with open_session(WISHES, DEFAULT_SUITE, None, Silent()) as one:
        yield one


@pytest.mark.parametrize(
    ("role", "call", "occasion"),
    [
        ("backend", "sleep", "truncating"),
        ("bgwriter", "wake", "holding"),
        ("walwriter", "wake", "load"),
        ("startup", "sleep", "holding"),
        ("startup", "rename", "filling"),
        ("postmaster", "process_exists", "interlock"),
    ],
)
def test_a_process_is_killed_where_it_comes_only_because_of_others(
    session: Session, role: str, call: str, occasion: str
) -> None:
    fault = Fault(
        PLACE,
        Where("started", 10),
        placed=f"{role} {call}: kill",
        occasion=occasion,
        interlock=occasion == "interlock",
    )
    plan = replace(
        make_plan(7, replace(WISHES, clients=8 if role == "walwriter" else 2)),
        cycles=(Cycle(1, fault, None, 5),),
        settings=FILLING_SETTINGS | {"max_wal_size": "8MB"},
        wal_segment_mb=1,
        liveness_operations=10,
    )
    result = session.run(plan, "as the test does")
    struck = [(one["role"], one["call"]) for one in result["strikes"] if one["by"] == "place"]
    assert (role, call) in struck
    assert result["verdict"] == "held", result["reason"]


def test_a_place_that_was_not_reached_after_another_kill_is_told_as_missed(
    session: Session,
) -> None:
    fault = Fault(PLACE, Where("started", 10), placed="startup sleep: kill", occasion="crash")
    plan = replace(make_plan(7, WISHES), cycles=(Cycle(1, fault, None, 5),), settings={})
    result = session.run(plan, "as the test does")
    assert result["kills"] == {"backend": 1}
    assert result["missed"] == ["cycle 1: place: nobody reached startup sleep (crash)"]
