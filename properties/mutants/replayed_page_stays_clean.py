"""Redo changes a page and does not mark its buffer dirty: its eviction forgets the change.

Breaks the rule that what redo changes is marked dirty. In real life: none known: MarkBufferDirty
left out of a redo function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.storage.page import set_page_lsn
from engine.storage.redo_context import RedoContext
from engine.wal.record import WalRecord
from properties.mutants.api import NO_RECOVERY, WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="replayed-page-stays-clean",
    breaks="what redo changes is marked dirty",
    mirrors="none known: MarkBufferDirty left out of a redo function",
    sees=("durability", *WRONG_READS, *NO_RECOVERY),
)


Changed = Callable[[Any, int, WalRecord], None]


def apply() -> None:
    """Stamped and let go, not marked."""

    def clean(_: Changed) -> Changed:
        def changed(self: Any, buffer: int, record: WalRecord) -> None:
            set_page_lsn(self.page(buffer), record.end_lsn)
            self._unlock_release(buffer)

        return changed

    replace(RedoContext, "changed", clean)
