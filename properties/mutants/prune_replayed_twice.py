"""Redo of one kind of record, pruning, does not ask whether the page has the change already.

Line pointers that were freed, and given to new rows since, are freed once more. A full-page image
would put the page back to what it was, so there are none; and nothing is promised of a power loss.

Breaks REDO-1. In real life: none known: redo that is not idempotent for one record type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.access.heap import redo
from engine.storage.redo_context import DONE, NEEDS_REDO, RedoContext
from engine.wal.record import WalRecord
from properties.mutants.api import NO_RECOVERY, WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="prune-replayed-twice",
    breaks="REDO-1",
    mirrors="none known: redo that is not idempotent for one record type",
    sees=("durability", *WRONG_READS, *NO_RECOVERY),
    faults=("backend", "checkpointer", "postmaster", "all", "place"),
    settings={"full_page_writes": "off"},
)


Redo = Callable[[WalRecord, RedoContext], None]


class _Blind:
    """A context by which every page is older than the record."""

    def __init__(self, context: RedoContext) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def read_for_redo(self, record: WalRecord, block_id: int) -> tuple[int, int]:
        action, buffer = self._context.read_for_redo(record, block_id)
        return NEEDS_REDO if action == DONE else action, buffer


def apply() -> None:
    """Always done, also where it was done."""

    def repeating(redo_prune: Callable[[WalRecord, Any], None]) -> Redo:
        return lambda record, context: redo_prune(record, _Blind(context))

    replace(redo, "_redo_prune", repeating)
