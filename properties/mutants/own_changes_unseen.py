"""A transaction does not see what it has changed itself.

Breaks what SQL takes for granted: a statement sees all that its transaction did before. In real
life: the negation of CommandCounterIncrement; a CommandCounterIncrement that is left out between
two commands has been a bug of PostgreSQL and its extensions many times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.transaction.snapshot import Snapshot
from engine.transaction.transactions import Transactions
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="own-changes-unseen",
    breaks="a statement sees what its transaction did before",
    mirrors="the negation of CommandCounterIncrement",
    sees=("sets: own change missing",),
    workload="sets",
)


def apply() -> None:
    def as_at_first(snapshot: Callable[[Any], Snapshot]) -> Callable[[Any], Snapshot]:
        def next_snapshot(self: Any) -> Snapshot:
            older: Snapshot = self._handed(snapshot(self).at_command(0))
            return older

        return next_snapshot

    replace(Transactions, "snapshot", as_at_first)
