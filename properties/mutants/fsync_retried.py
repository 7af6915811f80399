"""An fsync that failed is tried again, succeeds, and the checkpoint completes.

Breaks SYNC-3 (engine/storage/README.md): after the failure the kernel may have dropped the pages,
and the second fsync says that all is well.

In real life: "fsyncgate" (2018), PostgreSQL before 11.2, 10.7 and 9.6.12. Rebello et al. (USENIX
ATC 2020) found the like in SQLite, LevelDB, LMDB and Redis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import PanicError
from engine.storage.sync_requests import SyncRequests
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="fsync-retried",
    breaks="SYNC-3",
    mirrors="fsyncgate: PostgreSQL before 11.2 and 10.7 (2018)",
    sees=("reaction: answered nothing", "durability: lost"),
    faults=("fsync-fails",),
)


def apply() -> None:
    def make(sync: Callable[..., Any]) -> Callable[..., Any]:
        def insist(self: Any, tag: Any, **how: Any) -> Any:
            try:
                return sync(self, tag, **how)
            except PanicError:
                return sync(self, tag, **how)

        return insist

    replace(SyncRequests, "_sync", make)
