"""A snapshot does not name the youngest of the transactions that run.

What that one has done so far is looked up in the commit log, found to be neither committed nor
running, and taken for aborted: the hint bit then says so for ever.

Breaks MVCC-1. In real life: none known: the negation of GetSnapshotData's first duty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.transaction.proc_array import ProcArray
from properties.mutants.api import WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="snapshot-forgets-running",
    breaks="MVCC-1",
    mirrors="none known: the negation of GetSnapshotData's first duty",
    sees=WRONG_READS,
)


Look = Callable[[Any], tuple[int, int, frozenset[int]]]


def apply() -> None:
    """The list is one short."""

    def forgetful(look: Look) -> Look:
        def look_at_slots(self: Any) -> tuple[int, int, frozenset[int]]:
            xmin, xmax, running = look(self)
            return xmin, xmax, running - {max(running, default=0)}

        return look_at_slots

    replace(ProcArray, "_look_at_slots", forgetful)
