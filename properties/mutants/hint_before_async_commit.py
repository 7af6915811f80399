"""A hint bit says that a transaction committed, and reaches the disk before its commit record.

Breaks HEAP-3 (engine/access/heap/README.md): after an asynchronous commit the hint has to wait
until the record is flushed. A crash takes the commit back, and the row stays: it is marked as
committed.

Full-page images would put the page back to what it was, so they are off; that asks for a disk that
tears no page.

In real life: PostgreSQL 8.3 brought asynchronous commit, and with it the look at the commit's LSN
in SetHintBits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.access.heap.visibility import Visibility
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="hint-before-async-commit",
    breaks="HEAP-3",
    mirrors="the negation of SetHintBits' TransactionIdGetCommitLSN, PostgreSQL 8.3",
    sees=("atomicity", "bank_total", "tables", "isolation"),
    faults=("power-loss",),
    settings={
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "wal_writer_delay": "500ms",
        "shared_buffers": "256kB",
        "bgwriter_delay": "10ms",
    },
    profile="atomic-8k",
)


def apply() -> None:
    def make(hint: Callable[..., None]) -> Callable[..., None]:
        def at_once(self: Any, words: Any, base: int, bit: int, committed_xid: int = 0) -> None:
            hint(self, words, base, bit)

        return at_once

    replace(Visibility, "_hint", make)
