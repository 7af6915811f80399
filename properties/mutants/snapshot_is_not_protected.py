"""A process that takes a snapshot does not show its xmin.

So others remove rows that it still sees.

Breaks MVCC-4. In real life: PostgreSQL 14.0 to 14.3: pruning ignored the snapshots of CREATE INDEX
CONCURRENTLY.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.transaction.proc_array import ProcArray
from engine.transaction.snapshot import Snapshot
from properties.mutants.api import WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="snapshot-is-not-protected",
    breaks="MVCC-4",
    mirrors="PostgreSQL 14.0 to 14.3: pruning ignored the snapshots of CREATE INDEX CONCURRENTLY",
    sees=WRONG_READS,
)


Take = Callable[[Any, int], Snapshot]


def apply() -> None:
    """The slot keeps what it said before."""

    def unprotected(take_snapshot: Take) -> Take:
        def take(self: Any, command_id: int) -> Snapshot:
            before = self._xmins[self.slot]
            snapshot = take_snapshot(self, command_id)
            self._xmins[self.slot] = before
            return snapshot

        return take

    replace(ProcArray, "take_snapshot", unprotected)
