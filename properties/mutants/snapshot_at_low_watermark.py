"""A snapshot ends where the oldest of the running transactions begins: what was begun later and has
been acknowledged is not seen until that one has ended, too.

Such a snapshot is whole, protects what it sees, and never goes back behind what its session has
seen or done: sessions are consistent, and the database as a whole is not.

Breaks MVCC-1: a snapshot sees all that had ended. In real life: HBase's read point, which is the
oldest write that is under way; a writer waits there until the read point has passed it
(MultiVersionConcurrencyControl.completeAndWait), and here nobody does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.transaction.proc_array import ProcArray
from engine.types import next_xid, xid_precedes
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="snapshot-at-low-watermark",
    breaks="MVCC-1",
    mirrors="the negation of the wait in HBase's MultiVersionConcurrencyControl.completeAndWait",
    sees=("counters: too little",),
    workload="counters",
)


Look = Callable[[Any], tuple[int, int, frozenset[int]]]


def apply() -> None:
    """`known` is the xmax behind which this session must not go back; 0 at its beginning."""
    known = 0

    def low(look: Look) -> Look:
        def look_at_slots(self: Any) -> tuple[int, int, frozenset[int]]:
            nonlocal known
            xmin, xmax, running = look(self)
            lowest = min(running, default=xmax)
            if not known or not xid_precedes(lowest, known):
                xmax, running = lowest, frozenset()
            known = xmax
            return xmin, xmax, running

        return look_at_slots

    def own(end: Callable[..., None]) -> Callable[..., None]:
        def end_transaction(self: Any, xid: int) -> None:
            nonlocal known
            end(self, xid)
            if xid:
                known = next_xid(xid)

        return end_transaction

    replace(ProcArray, "_look_at_slots", low)
    replace(ProcArray, "end_transaction", own)
