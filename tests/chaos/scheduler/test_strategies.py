"""The strategies: who is next. Random walk visits everybody, PCT keeps to its priorities, nobody
starves under either.
"""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.host import BatonHost
from chaos.scheduler.layout import (
    BLOCK,
    BYTES,
    CHANGE_AT,
    MEAN_RUN,
    PREEMPT_AT,
    PREEMPTIONS_LEFT,
    PRIORITY,
    SINCE,
    STEP,
    STRATEGY,
    TICK_US,
    Layout,
)
from chaos.scheduler.strategies import FAIR_RUN, PCT, RANDOM_WALK, STARVING, STRATEGIES, Strategy
from chaos.scheduler.world import Schedule
from engine.host.points import Point
from tests.chaos.stage import Stage
from tests.host_contract.children import exit_statuses

ANY_NUMBER = -1
SEEDS = st.integers(0, 2**64 - 1)


class Turns:
    """A strategy on its own, for participants that are always runnable: one decision a step."""

    def __init__(
        self,
        number: int,
        participants: int,
        mean_run: int,
        seed: int,
        preemptions: int = ANY_NUMBER,
    ) -> None:
        self.layout = Layout(memoryview(bytearray(BYTES)))
        self.words = self.layout.words
        self.layout.random[0] = seed
        self.words[STRATEGY] = number
        self.words[MEAN_RUN] = self.words[CHANGE_AT] = mean_run
        self.words[PREEMPTIONS_LEFT] = preemptions
        self.strategy = Strategy(self.layout)
        self.slots = list(range(participants))
        for slot in self.slots:
            self.strategy.enroll(slot)
        self.strategy.begin_run()
        self.holder = 0

    def take(self, runnable: list[int] | None = None) -> int:
        """One step of the holder, then who is next."""
        self.words[STEP] += 1
        chosen = self.strategy.choose(runnable or self.slots, self.holder)
        if chosen != self.holder:
            self.layout.fields[SINCE][self.holder] = self.words[STEP]
        self.holder = chosen
        return chosen

    def priorities(self) -> list[int]:
        """Of all."""
        return list(self.layout.fields[PRIORITY][: len(self.slots)])


@given(SEEDS, st.integers(2, 8), st.integers(1, 50))
def test_a_random_walk_visits_everybody(seed: int, participants: int, mean_run: int) -> None:
    turns = Turns(RANDOM_WALK, participants, mean_run, seed)
    taken = Counter(turns.take() for _ in range(400 * mean_run))
    assert sorted(taken) == turns.slots


def test_a_random_walk_gives_each_the_same_share() -> None:
    turns = Turns(RANDOM_WALK, 4, mean_run=10, seed=1)
    taken = Counter(turns.take() for _ in range(100_000))
    assert all(22_000 < count < 28_000 for count in taken.values())


@pytest.mark.parametrize("mean_run", [1, 10, 200])
def test_the_mean_of_a_random_walks_runs_is_the_schedules(mean_run: int) -> None:
    turns = Turns(RANDOM_WALK, 8, mean_run, seed=1)
    begun = 0
    for _ in range(400 * mean_run):
        before = turns.words[PREEMPT_AT]
        turns.take()
        begun += turns.words[PREEMPT_AT] != before
    expected = 400 * mean_run / (mean_run + 0.5)
    assert 0.85 * expected < begun < 1.15 * expected


@given(SEEDS, st.integers(2, 8))
def test_under_pct_the_highest_priority_runs(seed: int, participants: int) -> None:
    turns = Turns(PCT, participants, mean_run=20, seed=seed)
    for _ in range(300):
        chosen = turns.take()
        assert turns.priorities()[chosen] == max(turns.priorities())


@given(SEEDS)
def test_under_pct_the_holder_falls_below_all_at_a_change_point(seed: int) -> None:
    turns = Turns(PCT, 5, mean_run=20, seed=seed)
    turns.take()
    falls = 0
    for _ in range(300):
        holder, change_at = turns.holder, turns.words[CHANGE_AT]
        before = turns.priorities()
        turns.take()
        if turns.words[STEP] == change_at:
            falls += 1
            assert turns.priorities()[holder] < min(before)
            assert turns.holder != holder
            assert turns.words[CHANGE_AT] > change_at
        else:
            assert turns.priorities() == before
    assert falls > 0


def test_under_pct_a_long_run_ends_though_there_is_no_change_point() -> None:
    turns = Turns(PCT, 2, mean_run=10**9, seed=1)
    first = turns.take()
    runs = [turns.take() for _ in range(2 * FAIR_RUN)]
    assert runs[: FAIR_RUN - 2] == [first] * (FAIR_RUN - 2)
    assert runs[FAIR_RUN] == 1 - first


def test_priorities_are_the_seeds() -> None:
    first, again, other = (Turns(PCT, 6, 20, seed).priorities() for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert len(set(first)) == 6


@pytest.mark.parametrize("number", [RANDOM_WALK, PCT])
def test_only_so_many_preemptions_are_made(number: int) -> None:
    turns = Turns(number, 3, mean_run=5, seed=1, preemptions=4)
    runs = [turns.take() for _ in range(2000)]
    switches = sum(one != other for one, other in itertools.pairwise(runs))
    assert 3 <= switches <= 5, "four, and the first decision under PCT"


def test_the_only_one_that_is_runnable_is_next() -> None:
    for number in (RANDOM_WALK, PCT):
        turns = Turns(number, 4, mean_run=1, seed=1)
        assert [turns.take([slot]) for slot in (2, 2, 0, 3, 1)] == [2, 2, 0, 3, 1]


# SCHED-4 -----------------------------------------------------------------------------------------

HARD = {
    "random walk without a preemption": Schedule(1, "random-walk", 10**9),
    "random walk that may not preempt": Schedule(1, "random-walk", 5, 0),
    "random walk with a preemption at each step": Schedule(1, "random-walk", 1),
    "pct without a change point": Schedule(1, "pct", 10**9),
    "pct that may not preempt": Schedule(1, "pct", 5, 0),
    "pct with a change point at each step": Schedule(1, "pct", 1),
}
BUSY = 4
ENOUGH = 6 * STARVING
"""Steps, of all together."""


@pytest.mark.parametrize("kind", HARD)
def test_nobody_starves_among_those_who_never_wait(tmp_path: Path, kind: str) -> None:
    """SCHED-4: also where nothing else would ever interrupt who runs."""

    def scene(host: BatonHost) -> None:
        host.create_latches(BUSY + 1)

        def work() -> None:
            while host.monotonic_us() < ENOUGH * TICK_US:
                host.point(Point.HEAP_PAGE_CHANGED)

        for latch in range(1, BUSY + 1):
            host.fork("backend", latch, work)
        assert exit_statuses(host, BUSY) == [0] * BUSY

    with Stage(tmp_path / "world", HARD[kind]) as stage:
        stage.play(scene)
        stage.finish()
        last: dict[int, int] = {}
        longest: Counter[int] = Counter()
        for number, step in enumerate(stage.steps()):
            if step.call == "heap-page-changed":
                if step.vpid in last:
                    longest[step.vpid] = max(longest[step.vpid], number - last[step.vpid])
                last[step.vpid] = number
        assert len(last) == BUSY, "each had a turn"
        assert max(longest.values()) <= STARVING + BUSY * BLOCK


@pytest.mark.parametrize("kind", HARD)
def test_the_controller_has_its_turn_however_busy_the_others_are(tmp_path: Path, kind: str) -> None:
    """SCHED-4."""

    def scene(host: BatonHost) -> None:
        while not stage.seen[0]:
            host.point(Point.HEAP_PAGE_CHANGED)

    with Stage(tmp_path / "world", HARD[kind]) as stage:
        stage.start(scene)
        stage.world.add_steps_to_budget(10 * STARVING)
        stage.waiting.sleep(1000 * TICK_US / 1e6)
        stage.seen[0] = 1
        turns = 2  # it may lose the turn at the step that says that it sleeps, and waits then
        assert stage.world.steps <= turns * (STARVING + 2 * BLOCK)
        assert stage.end() == 0


def test_the_names_of_the_strategies_are_their_numbers() -> None:
    assert STRATEGIES[RANDOM_WALK] == "random-walk"
    assert STRATEGIES[PCT] == "pct"
