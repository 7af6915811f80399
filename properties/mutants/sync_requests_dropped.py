"""A sync request that finds the queue full is dropped.

Breaks SYNC-2 (engine/storage/README.md): the requester has to sync the file itself, or the next
checkpoint lets go of WAL whose changes are not on the disk. The queue is made small as well, and
nobody wakes the checkpointer for it, since the real one seldom fills up.

In real life: PostgreSQL's ForwardSyncRequest returns false when its queue is full, and the backend
has to see to its file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.shmem.lwlock import EXCLUSIVE, SYNC_QUEUE
from engine.storage.sync_queue import SYNC, SyncShared
from engine.storage.sync_requests import SyncRequests
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="sync-requests-dropped",
    breaks="SYNC-2",
    mirrors="the negation of ForwardSyncRequest's return value",
    sees=(
        "durability: lost",
        "errors: error XX001",
        "liveness: not back",
        "reaction: not calm",
    ),
    faults=("power-loss",),
    settings={"shared_buffers": "256kB", "checkpoint_timeout": "1s", "bgwriter_delay": "10ms"},
)
CAPACITY: Final = 2


def apply() -> None:
    def into_the_void(register: Callable[..., None]) -> Callable[..., None]:
        def carelessly(self: Any, tag: Any) -> None:
            fsync, self.fsync = self.fsync, False
            register(self, tag)
            self.fsync = fsync

        return carelessly

    def without_a_nudge(forward: Callable[..., bool]) -> Callable[..., bool]:
        def quietly(self: Any, what: int, tag: Any) -> bool:
            if what != SYNC:
                return forward(self, what, tag)
            self._locks.acquire(SYNC_QUEUE, EXCLUSIVE)
            is_taken = self._shared.owner is not None and self._shared.add(what, tag)
            self._locks.release(SYNC_QUEUE)
            return is_taken

        return quietly

    replace(SyncShared, "_capacity", lambda capacity: lambda config: CAPACITY)
    replace(SyncRequests, "register", into_the_void)
    replace(SyncRequests, "_forward", without_a_nudge)
