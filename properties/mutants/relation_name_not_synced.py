"""A new relation's file is synced, and the directory that has its name is not.

Breaks SYNC-7 (engine/storage/README.md): a checkpoint lets go of the WAL that would make the file
again, and the power loss takes the name.

In real life: PostgreSQL to this day leaves the names of new relation files to the file system; ext4
and XFS happen to keep them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.storage.sync_requests import SyncRequests
from engine.storage.sync_tags import KIND_DIRECTORY
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="relation-name-not-synced",
    breaks="SYNC-7",
    mirrors="PostgreSQL 15, on a file system that POSIX would allow",
    sees=("durability: lost", "atomicity: row gone", "errors: wrong answer", "liveness: not back"),
    faults=("power-loss",),
)


def apply() -> None:
    def make(register: Callable[..., None]) -> Callable[..., None]:
        def but_names(self: Any, tag: Any) -> None:
            if tag.kind != KIND_DIRECTORY:
                register(self, tag)

        return but_names

    replace(SyncRequests, "register", make)
