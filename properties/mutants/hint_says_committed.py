"""Who looks first at a row of an aborted transaction stores the hint bit that it committed.

Breaks the rule that a hint bit says what the commit log says. In real life: none known: the
negation of SetHintBits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.access.heap.tuple import XMIN_COMMITTED, XMIN_INVALID
from engine.access.heap.visibility import Visibility
from properties.mutants.api import WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="hint-says-committed",
    breaks="a hint bit says what the commit log says",
    mirrors="none known: the negation of SetHintBits",
    sees=("durability: risen", *WRONG_READS),
)


Hint = Callable[..., None]


def apply() -> None:
    """The wrong bit of the two."""

    def confused(hint: Hint) -> Hint:
        def store(self: Any, words: memoryview, base: int, bit: int, xid: int = 0) -> None:
            hint(self, words, base, XMIN_COMMITTED if bit == XMIN_INVALID else bit, xid)

        return store

    replace(Visibility, "_hint", confused)
