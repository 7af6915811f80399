"""Redo takes a page for new enough when its last change ends where the record begins.

Off by one: the change right behind the page's last one is never made again.

Breaks REDO-1. In real life: none known: the record's start compared with the page's LSN, where its
end belongs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.storage.page import page_lsn
from engine.storage.redo_context import DONE, NEEDS_REDO, RedoContext
from engine.wal.record import WalRecord
from properties.mutants.api import NO_RECOVERY, WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="redo-skips-the-next",
    breaks="REDO-1",
    mirrors="none known: the record's start compared with the page's LSN, where its end belongs",
    sees=("durability", *WRONG_READS, *NO_RECOVERY),
)


Read = Callable[[Any, WalRecord, int], tuple[int, int]]


def apply() -> None:
    """The record right behind the page's last change is passed over."""

    def skipping(read_for_redo: Read) -> Read:
        def read(self: Any, record: WalRecord, block_id: int) -> tuple[int, int]:
            action, buffer = read_for_redo(self, record, block_id)
            if action == NEEDS_REDO and page_lsn(self.page(buffer)) >= record.lsn:
                action = DONE
            return action, buffer

        return read

    replace(RedoContext, "read_for_redo", skipping)
