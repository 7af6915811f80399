"""Under REPEATABLE READ each statement takes a new snapshot, as under READ COMMITTED.

Breaks MVCC-3. In real life: none known: the fuzzy read of Berenson et al., 1995.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.transaction.snapshot import Snapshot
from engine.transaction.transactions import Transactions
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="repeatable-read-moves",
    breaks="MVCC-3",
    mirrors="none known: the fuzzy read of Berenson et al., 1995",
    sees=(
        "bank_total: total",
        "atomicity",
        "session_order",
        "isolation",
        "lost_update",
        "counters",
        "sets",
    ),
)


def apply() -> None:
    """The first snapshot is forgotten at each statement."""

    def moving(snapshot: Callable[[Any], Snapshot]) -> Callable[[Any], Snapshot]:
        def next_snapshot(self: Any) -> Snapshot:
            self._first_snapshot = None
            return snapshot(self)

        return next_snapshot

    replace(Transactions, "snapshot", moving)
