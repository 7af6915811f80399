"""Files that the current transaction makes go away: by its commit (DROP) or by its abort (CREATE).

They are named in the commit or abort record, so recovery removes them too, and are unlinked only
after that record has its effect (XACT-5).

Source: PostgreSQL 15, `catalog/storage.c` (smgrDoPendingDeletes).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from engine.types import RelFileLocator


class DropsBuffers(Protocol):
    """What it needs of the buffer pool."""

    def drop_relations(self, locators: Iterable[RelFileLocator]) -> None: ...


class UnlinksFiles(Protocol):
    """What it needs of the storage manager."""

    def unlink_relation(self, locator: RelFileLocator) -> None: ...


class PendingDeletes:
    """The list of one transaction."""

    def __init__(self, buffers: DropsBuffers, smgr: UnlinksFiles) -> None:
        self._buffers = buffers
        self._smgr = smgr
        self._at_commit: list[RelFileLocator] = []
        self._at_abort: list[RelFileLocator] = []

    def schedule(self, locator: RelFileLocator, *, at_commit: bool) -> None:
        """Have the relation's files go away when the transaction ends that way."""
        (self._at_commit if at_commit else self._at_abort).append(locator)

    def of_outcome(self, *, is_commit: bool) -> list[RelFileLocator]:
        """The relations that the outcome's record names."""
        return self._at_commit if is_commit else self._at_abort

    def execute(self, *, is_commit: bool) -> None:
        """Remove what the outcome removes, and forget the rest."""
        gone = self.of_outcome(is_commit=is_commit)
        self._at_commit, self._at_abort = [], []
        if not gone:
            return
        # Before the files: a dirty page written later would bring the file back.
        self._buffers.drop_relations(gone)
        for locator in gone:
            self._smgr.unlink_relation(locator)
