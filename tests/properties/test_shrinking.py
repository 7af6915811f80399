"""Small failing examples: of programs by their steps (SMALL-1, SMALL-2), of anything else with more
patience (SMALL-3).
"""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import engine

from properties.models.steps import Begin, Kill, Level, Program, Step, Strike, Update
from properties.models.world import World
from properties.shrinking import CAPS, CapsMoved, patient, simplest, smallest
from properties.strategies.settings import worlds
from properties.strategies.simpler import simpler_steps, simpler_worlds
from properties.strategies.transactions import programs

SECONDS_OF_A_RUN = 0.5


def halves(number: int) -> Iterator[int]:
    if number > 1:
        yield number // 2


def test_a_failing_run_that_is_slow_comes_down_to_the_least_that_fails() -> None:
    """The runs' time is added up instead of spent: no clock of Hypothesis's is in the way."""
    seconds = 0.0

    def fails(program: tuple[int, ...]) -> bool:
        nonlocal seconds
        seconds += SECONDS_OF_A_RUN
        return sum(one >= 10 for one in program) >= 2 and 7 in program

    program = (3, 80, 5, 7, 2, 2, 90, 1, 60, 4, 7, 8, 31, 2, 5, 6, 9, 3, 3, 1)
    found = smallest(program, fails, halves)
    assert len(found) == 3
    assert all(not fails(found[:at] + found[at + 1 :]) for at in range(3))
    assert all(
        not fails((*found[:at], other, *found[at + 1 :]))
        for at in range(3)
        for other in halves(found[at])
    )
    assert fails(found)
    assert seconds < engine.MAX_SHRINKING_SECONDS / 5


def test_what_cannot_be_made_smaller_stays() -> None:
    assert smallest((1, 2, 3), lambda one: one == (1, 2, 3), halves) == (1, 2, 3)


def test_a_search_that_had_enough_has_what_it_found() -> None:
    left = 3

    def fails(program: tuple[int, ...]) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and 9 in program

    assert 9 in smallest((1, 1, 1, 9, 1, 1, 1, 1), fails, halves)


@given(program=programs())
@settings(max_examples=30)
def test_ways_to_say_a_step_more_simply_end(program: Program) -> None:
    for step in program:
        seen: list[Step] = [step]
        for one in seen:
            assert len(seen) < 500
            seen += [other for other in simpler_steps(one) if other not in seen]
        assert simplest(step, lambda _: True, simpler_steps) in seen


@given(world=worlds())
@settings(max_examples=20)
def test_every_world_comes_down_to_the_plain_one(world: World) -> None:
    if world != World():
        last = simplest(world, lambda other: other != World(), simpler_worlds)
        assert World() in simpler_worlds(last)


def test_a_step_is_simpler_without_its_strike_and_with_small_numbers() -> None:
    step = Update("a", 1, 7, below=9, strike=Strike("heap-page-changed", everybody=True))
    assert simplest(step, lambda _: True, simpler_steps) == Update("a", 1, 1)
    assert simplest(Begin("a", Level.REPEATABLE_READ), lambda _: True, simpler_steps) == Begin(
        "a", Level.READ_COMMITTED
    )
    assert simplest(Kill("walwriter", "redo-finished"), lambda _: True, simpler_steps) == (
        Kill("all")
    )


# Hypothesis's own -------------------------------------------------------------------------------


def shrunk_by_hypothesis() -> list[int]:
    """A list of at least five numbers whose sum is too large, as Hypothesis leaves it."""
    last: list[int] = []

    @settings(
        max_examples=100, database=None, derandomize=True, deadline=None,
        phases=[Phase.generate, Phase.shrink], report_multiple_bugs=False,
    )  # fmt: skip
    @given(st.lists(st.integers(0, 1000), min_size=5))
    def must_fail(numbers: list[int]) -> None:
        if sum(numbers) > 100:
            last[:] = numbers
            raise AssertionError(f"{numbers}")

    with pytest.raises(AssertionError):
        must_fail()
    return last


def test_the_caps_are_those_that_hypothesis_asks() -> None:
    least = [0, 0, 0, 0, 101]
    with patient(seconds=60):
        assert shrunk_by_hypothesis() == least
    with patient(seconds=60, shrinks=0):
        assert shrunk_by_hypothesis() != least
    with patient(seconds=0):
        assert shrunk_by_hypothesis() != least


def test_the_caps_are_back_afterwards() -> None:
    before = [getattr(engine, name) for name in CAPS]
    with pytest.raises(ZeroDivisionError), patient(seconds=1):
        _ = 1 // 0
    assert [getattr(engine, name) for name in CAPS] == before


def test_a_hypothesis_without_these_caps_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(engine, "MAX_SHRINKING_SECONDS")
    with pytest.raises(CapsMoved, match=hypothesis.__version__), patient(seconds=1):
        pass
    assert engine.MAX_SHRINKS == 500
