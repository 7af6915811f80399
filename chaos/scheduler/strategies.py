"""Who is next: the two strategies, on random numbers that lie in the shared memory.

Random walk   The holder goes on for a random number of steps, then any runnable participant is
              next. The mean is the world's, drawn from the seed: some bugs need a switch at each
              step, some a long time without any.

PCT           Each participant has a random priority and the runnable one with the highest runs; at
              random steps, the change points, the one that runs falls below all others (Burckhardt,
              Kothari, Musuvathi, Nagarakatti: A Randomized Scheduler with Probabilistic Guarantees
              of Finding Bugs, ASPLOS 2010). Nobody knows how long a run will be, so instead of d
              points over the whole of it there is one in MEAN_RUN steps, on average.

SCHED-4  Nobody starves: who has been runnable for STARVING steps without a turn is next.
"""

from __future__ import annotations

from typing import Final

from chaos.scheduler.layout import (
    CHANGE_AT,
    LOWEST_PRIORITY,
    MEAN_RUN,
    PREEMPT_AT,
    PREEMPTIONS_LEFT,
    PRIORITY,
    SINCE,
    STEP,
    STRATEGY,
    Layout,
)

RANDOM_WALK: Final = 0
PCT: Final = 1
STRATEGIES: Final = ("random-walk", "pct")
STARVING: Final = 20_000
FAIR_RUN: Final = 4_000
"""Under PCT one participant runs for so many steps; then it falls, since it may wait for others."""

_MASK: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15


def draw(layout: Layout) -> int:
    """A random 64-bit number (SplitMix64: Steele, Lea, Flood, OOPSLA 2014)."""
    state = (layout.random[0] + _GOLDEN) & _MASK
    layout.random[0] = state
    mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return mixed ^ (mixed >> 31)


class Strategy:
    """The world's strategy, as this process applies it. It has no state but the shared memory."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._words = layout.words
        self._priorities = layout.fields[PRIORITY]
        self._since = layout.fields[SINCE]

    def begin_run(self) -> None:
        """Somebody runs from now on: when shall it be interrupted?"""
        words = self._words
        if words[STRATEGY] == RANDOM_WALK:
            words[PREEMPT_AT] = words[STEP] + self._gap()
        else:
            words[PREEMPT_AT] = min(words[STEP] + FAIR_RUN, words[CHANGE_AT])

    def enroll(self, slot: int) -> None:
        """A new participant: its priority."""
        self._priorities[slot] = 1 << 40 | draw(self._layout) >> 32

    def choose(self, runnable: list[int], holder: int) -> int:
        """One of the runnable; the holder, if it is not among them, has just begun to wait."""
        words, since = self._words, self._since
        step = words[STEP]
        goes_on = holder in runnable
        due = goes_on and step >= words[PREEMPT_AT] and self._may_preempt()
        others = [slot for slot in runnable if slot != holder]
        if others:
            starving = min(others, key=since.__getitem__)
            if step - since[starving] > STARVING:
                self.begin_run()
                return starving  # SCHED-4
        if words[STRATEGY] == RANDOM_WALK:
            chosen = holder
            if due or not goes_on:
                chosen = runnable[draw(self._layout) % len(runnable)]
        else:
            if due:
                self._fall(holder)
            priorities = self._priorities
            chosen = max(runnable, key=lambda slot: (priorities[slot], slot))
        if due or chosen != holder:
            self.begin_run()
        if due and chosen != holder:
            words[PREEMPTIONS_LEFT] -= 1
        return chosen

    def _may_preempt(self) -> bool:
        """The world may allow only so many."""
        words = self._words
        if words[PREEMPTIONS_LEFT]:
            return True
        words[PREEMPT_AT] = words[STEP] + FAIR_RUN
        return False

    def _fall(self, holder: int) -> None:
        """A change point, or a run that was long enough: the holder is now the last of all."""
        words = self._words
        words[LOWEST_PRIORITY] -= 1
        self._priorities[holder] = words[LOWEST_PRIORITY]
        if words[STEP] >= words[CHANGE_AT]:
            words[CHANGE_AT] = words[STEP] + self._gap()

    def _gap(self) -> int:
        return 1 + draw(self._layout) % (2 * self._words[MEAN_RUN])
