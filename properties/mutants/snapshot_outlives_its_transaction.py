"""The first statement of a READ COMMITTED transaction sees what the last statement of the session's
transaction before it saw: not even what that one itself has changed.

Breaks XACT-2: nothing of a transaction is left when it has ended. In real life: the negation of
AtEOXact_Snapshot; a session that a load balancer sends to a replica after it wrote to the primary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.transaction.snapshot import Snapshot
from engine.transaction.transactions import READ_COMMITTED, Transactions
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="snapshot-outlives-its-transaction",
    breaks="XACT-2",
    mirrors="the negation of AtEOXact_Snapshot; reads that a load balancer sends to a replica",
    sees=("session_order",),
    workload="registers",
)


def apply() -> None:
    last: Snapshot | None = None

    def clinging(snapshot: Callable[[Any], Snapshot]) -> Callable[[Any], Snapshot]:
        def next_snapshot(self: Any) -> Snapshot:
            nonlocal last
            is_first = self._first_snapshot is None
            fresh, before = snapshot(self), last
            last = fresh
            if not is_first or before is None or self.isolation != READ_COMMITTED:
                return fresh
            self.proc_array.set_own_xmin(before.xmin)
            stale: Snapshot = self._handed(before.at_command(self._command))
            return stale

        return next_snapshot

    replace(Transactions, "snapshot", clinging)
