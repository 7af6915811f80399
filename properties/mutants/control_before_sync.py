"""pg_control names a checkpoint before the files that it wrote are synced.

Breaks CKPT-3 (engine/recovery/README.md): if the power goes in between, recovery begins at a redo
point from before which pages are missing on the disk.

In real life: PostgreSQL before 8.0 asked the kernel with sync(2) and a pause, which promises
nothing ("sync(); sleep(2); sync();").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.recovery.checkpoint import Checkpoints
from engine.storage.sync_requests import SyncRequests, SyncStatistics
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="control-before-sync",
    breaks="CKPT-3",
    mirrors="PostgreSQL before 8.0: sync(2), which only begins to write",
    sees=(
        "durability: lost",
        "errors: error XX001",
        "errors: wrong answer",
        "atomicity: row gone",
        "reaction: replay differs",
        "liveness: not back",
    ),
    faults=("power-loss",),
)


def apply() -> None:
    process = SyncRequests.process

    def make(publish: Callable[..., int]) -> Callable[..., int]:
        def early(self: Any, *arguments: Any) -> int:
            redo = publish(self, *arguments)
            process(self._sync)
            return redo

        return early

    replace(SyncRequests, "process", lambda _: lambda self: SyncStatistics(0, 0, 0))
    replace(Checkpoints, "_publish", make)
