"""Freezing takes the xid of a rolled back updater out of a row, and leaves the mark that the row
was updated in its page.

No query shows it: the row counts as not updated. But its ctid now leads to whatever is put in the
place of the version that was rolled back, and nothing is left by which to tell that it is not its
successor.

Breaks TUPLE-4 (properties/invariants/README.md). In real life: the negation of what
heap_prepare_freeze_tuple clears, "we also have to clear HEAP_HOT_UPDATED", PostgreSQL 9.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.access.heap import freeze
from engine.access.heap.tuple import HOT_UPDATED, tuple_infomask2
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="frozen-still-hot-updated",
    breaks="TUPLE-4",
    mirrors="the negation of what heap_prepare_freeze_tuple clears, PostgreSQL 9.3",
    sees=("files: TUPLE-4", "files: CHAIN-1", "files: CHAIN-2"),
    settings={"vacuum_freeze_min_age": "0"},
)


def apply() -> None:
    def sloppy(freeze_tuple: Callable[..., Any]) -> Callable[..., Any]:
        def change(context: Any, page: memoryview, at: int, *rest: Any) -> Any:
            frozen, oldest = freeze_tuple(context, page, at, *rest)
            if frozen is not None:
                kept = tuple_infomask2(page, at) & HOT_UPDATED
                frozen = frozen._replace(infomask2=frozen.infomask2 | kept)
            return frozen, oldest

        return change

    replace(freeze, "_freeze_tuple", sloppy)
