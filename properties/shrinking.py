"""Small failing examples of runs that are slow.

Hypothesis shrinks the sequence of choices that an example was made of. It ends that after 500
improvements or 300 s, which is right for examples that take milliseconds. One that starts a server
and crashes it takes half a second, and there the caps end the search long before its goal.

Two ways out:

`smallest` makes a failing *program* small, a list of steps that stays a program whatever is left
out of it. An attempt takes out a step, or half of them, where a shrinker of choices must first find
out which choices together make a step. The machine of sessions does it so
(properties/stateful/checking.py): a failure for which Hypothesis made 480 runs, until its 300 s
were over, with 12 steps left, comes down to its 4 in 36 runs.

`patient` raises the caps of Hypothesis for a while, for properties whose examples are no programs
(plans of `chaos run`, say). It changes two variables inside Hypothesis, and says so at once when
they are no longer there.

SMALL-1  What comes out has failed itself; nothing is concluded from other examples.
SMALL-2  No single step of the result can be left out, and none made simpler by one of the ways
         known for it, unless `fails` had enough.
SMALL-3  The caps are back when the block is left, however it is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, Generic, TypeVar

import hypothesis
from hypothesis.internal.conjecture import engine

T = TypeVar("T")

CAPS: Final = ("MAX_SHRINKS", "MAX_SHRINKING_SECONDS")


class CapsMoved(Exception):
    """This Hypothesis keeps its caps elsewhere: `patient` must follow it."""


def smallest(
    program: Sequence[T],
    fails: Callable[[tuple[T, ...]], bool],
    simpler: Callable[[T], Iterable[T]],
) -> tuple[T, ...]:
    """The smallest program found that fails, when this one does; `simpler` are ways to say a step
    more simply, the boldest first. When `fails` has had enough, let it say no.
    """
    search = _Search(tuple(program), fails)
    before: tuple[T, ...] | None = None
    while search.best != before:
        before = search.best
        search.leave_out()
        search.simplify(simpler)
    return search.best


def simplest(start: T, fails: Callable[[T], bool], simpler: Callable[[T], Iterable[T]]) -> T:
    """From one thing that fails to a simpler one, as long as there is one that fails."""
    while True:
        for other in simpler(start):
            if fails(other):
                start = other
                break
        else:
            return start


class _Search(Generic[T]):
    """The best program so far."""

    def __init__(self, program: tuple[T, ...], fails: Callable[[tuple[T, ...]], bool]) -> None:
        self.best = program
        self._fails = fails

    def attempt(self, program: tuple[T, ...]) -> bool:
        """Whether it fails too; then it is the best."""
        if self._fails(program):
            self.best = program
            return True
        return False

    def leave_out(self) -> None:
        """Halves, quarters and single steps, from the end: what comes after the failure is no part
        of it.
        """
        length = len(self.best)
        while length:
            end = len(self.best)
            while end > 0:
                begin = max(0, end - length)
                self.attempt(self.best[:begin] + self.best[end:])
                end = begin
            length //= 2

    def simplify(self, simpler: Callable[[T], Iterable[T]]) -> None:
        """Each step for itself, until none can be said more simply."""
        for at in range(len(self.best)):
            simplest(self.best[at], partial(self._fails_with, at), simpler)

    def _fails_with(self, at: int, step: T) -> bool:
        return self.attempt((*self.best[:at], step, *self.best[at + 1 :]))


@contextmanager
def patient(*, seconds: float, shrinks: int = 100_000) -> Iterator[None]:
    """Within this block Hypothesis may shrink for so long. CapsMoved when it has no such caps."""
    before = {}
    for name in CAPS:
        if not isinstance(getattr(engine, name, None), int):
            raise CapsMoved(
                f"hypothesis.internal.conjecture.engine has no {name} in Hypothesis "
                f"{hypothesis.__version__}: see properties/shrinking.py"
            )
        before[name] = getattr(engine, name)
    try:
        for name, cap in zip(CAPS, (shrinks, seconds), strict=True):
            setattr(engine, name, cap)
        yield
    finally:
        for name, cap in before.items():
            setattr(engine, name, cap)
