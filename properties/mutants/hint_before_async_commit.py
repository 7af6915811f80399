"""A hint bit says that a transaction committed, and reaches the disk before its commit record.

Breaks HEAP-3 (engine/access/heap/README.md): after an asynchronous commit the hint has to wait
until the record is flushed. A crash takes the commit back, and the row stays: it is marked as
committed.

A page may be written at any time, and here one with such a hint is written at once.

Full-page images would put the page back to what it was, so they are off; and then nothing is
promised of a power loss, so processes are killed.

In real life: PostgreSQL 8.3 brought asynchronous commit, and with it the look at the commit's LSN
in SetHintBits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.access.heap.visibility import Visibility
from engine.storage.buffer.buffers import Buffers
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="hint-before-async-commit",
    breaks="HEAP-3",
    mirrors="the negation of SetHintBits' TransactionIdGetCommitLSN, PostgreSQL 8.3",
    sees=("atomicity", "bank_total", "tables", "isolation"),
    faults=("backend", "all", "place"),
    settings={
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "wal_writer_delay": "200ms",
    },
)


def apply() -> None:
    is_early = False

    def at_once(hint: Callable[..., None]) -> Callable[..., None]:
        def heedless(self: Any, words: Any, base: int, bit: int, committed_xid: int = 0) -> None:
            nonlocal is_early
            is_early |= self._clog.commit_lsn(committed_xid) > self._flushed_lsn()
            hint(self, words, base, bit)

        return heedless

    def eagerly(mark: Callable[..., None]) -> Callable[..., None]:
        def written(self: Any, buffer: int) -> None:
            nonlocal is_early
            mark(self, buffer)
            if is_early:
                is_early = False
                self.writer.write(buffer)

        return written

    replace(Visibility, "_hint", at_once)
    replace(Buffers, "mark_dirty_hint", eagerly)
