"""Redo applies a record to a page that has just that record as its last change.

Off by one: the equals sign is on the wrong side of the comparison. A full-page image would put the
page back to what it was, so there are none; and then nothing is promised of a power loss.

Breaks REDO-1. In real life: none known, but it is the first mistake that everybody makes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.storage.page import page_lsn
from engine.storage.redo_context import DONE, NEEDS_REDO, RedoContext
from engine.wal.record import WalRecord
from properties.mutants.api import NO_RECOVERY, Mutant, replace

MUTANT = Mutant(
    name="redo-repeats-the-last",
    breaks="REDO-1",
    mirrors="none known, but it is the first mistake that everybody makes",
    sees=NO_RECOVERY,
    faults=("backend", "checkpointer", "postmaster", "all", "place"),
    settings={"full_page_writes": "off"},
)


Read = Callable[[Any, WalRecord, int], tuple[int, int]]


def apply() -> None:
    """A page that is as new as the record is taken for older."""

    def repeating(read_for_redo: Read) -> Read:
        def read(self: Any, record: WalRecord, block_id: int) -> tuple[int, int]:
            action, buffer = read_for_redo(self, record, block_id)
            if action == DONE and page_lsn(self.page(buffer)) == record.end_lsn:
                action = NEEDS_REDO
            return action, buffer

        return read

    replace(RedoContext, "read_for_redo", repeating)
