"""Places by turn: a thousand seeds aim at each place that a role reaches."""

from __future__ import annotations

from chaos.faults.drawing import EVERY_TURN, TURNS, turn_of
from chaos.faults.reach import REACH
from chaos.plan import Wishes, make_plan
from chaos.report.words import BEFORE


def test_as_many_seeds_as_there_are_places_take_each_in_turn() -> None:
    for first in (1, 500):
        turns = [
            turn
            for seed in range(first, first + len(TURNS))
            for number in range(1, EVERY_TURN + 1)
            if (turn := turn_of(seed, number)) is not None
        ]
        assert sorted(turns) == list(range(len(TURNS)))


def test_each_round_of_turns_falls_on_another_cycle() -> None:
    cycles = [
        [number for number in range(1, 5) if turn_of(round_ * len(TURNS), number) is not None]
        for round_ in range(4)
    ]
    assert cycles == [[1], [2], [3], [4]]


def test_every_role_and_call_of_the_table_is_a_turn() -> None:
    calls = {(role, call) for role in REACH for calls in REACH[role].values() for call in calls}
    assert {(role, call) for role, _, call in TURNS} == calls


def test_what_made_somebody_come_to_a_place_has_words_for_every_occasion() -> None:
    occasions = {occasion for role in REACH for occasion in REACH[role]}
    assert occasions <= BEFORE.keys()


def test_a_plan_that_fills_wal_has_small_segments_that_nobody_has_made_ahead() -> None:
    plans = [make_plan(seed, Wishes()) for seed in range(1, 200)]
    filling = [
        plan for plan in plans if any(cycle.fault.occasion == "filling" for cycle in plan.cycles)
    ]
    assert filling
    for plan in filling:
        assert plan.wal_segment_mb == 1
        assert plan.settings["min_wal_size"] == "2MB"
        assert plan.settings.get("fsync", "on") == "on"
