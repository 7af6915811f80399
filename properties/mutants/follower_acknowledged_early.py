"""Group commit: who has flushed the WAL says that all of it is flushed, also what came in
meanwhile.

Breaks WAL-4 (engine/wal/README.md): the leader wrote what was complete when it began; followers
whose records came later find them acknowledged, and nobody has written them.

In real life: XLogFlush publishes how far it wrote and not where the WAL ends, and who waited for it
(LWLockAcquireOrWait, PostgreSQL 9.2) has to look again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.wal.flush import WalFlusher
from engine.wal.shared import FLUSHED_LSN, INSERT_LSN
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="follower-acknowledged-early",
    breaks="WAL-4",
    mirrors="the negation of the second look in XLogFlush",
    sees=("durability: lost",),
    faults=("backend", "all", "place"),
)


def apply() -> None:
    def make(write: Callable[..., None]) -> Callable[..., None]:
        def boasting(self: Any, target: int, *, sync: bool) -> None:
            write(self, target, sync=sync)
            if sync:
                self._words[FLUSHED_LSN] = self._words[INSERT_LSN]

        return boasting

    replace(WalFlusher, "write", make)
