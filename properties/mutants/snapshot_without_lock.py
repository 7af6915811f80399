"""A snapshot is taken without the lock on the proc array, so it is of two moments.

First the slots are read, then, somewhat later, up to where xids have ended. Who began in between,
and was overtaken by a later one that ended, is in neither: it counts as ended while it runs.

Breaks MVCC-1. In real life: PostgreSQL's GetSnapshotData takes ProcArrayLock for this reason (its
README of transam).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.shmem.lwlock import OID_GEN, SHARED
from engine.transaction.proc_array import ProcArray
from engine.transaction.snapshot import Snapshot
from properties.mutants.api import WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="snapshot-without-lock",
    breaks="MVCC-1",
    mirrors=(
        "PostgreSQL's GetSnapshotData takes ProcArrayLock for this reason (its README of transam)"
    ),
    sees=WRONG_READS,
)


Take = Callable[[Any, int], Snapshot]


def apply() -> None:
    """No lock, and a moment passes between the two looks."""

    def unlocked(_: Take) -> Take:
        def take_snapshot(self: Any, command_id: int) -> Snapshot:
            xmin, _, running = self._look_at_slots()
            self._locks.acquire(OID_GEN, SHARED)  # others may run here
            self._locks.release(OID_GEN)
            _, xmax, _ = self._look_at_slots()
            if not self._xmins[self.slot]:
                self._xmins[self.slot] = xmin
            return Snapshot(xmin, xmax, running, command_id)

        return take_snapshot

    replace(ProcArray, "take_snapshot", unlocked)
