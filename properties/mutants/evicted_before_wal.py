"""A page is written to its file before the WAL is flushed up to its LSN.

Breaks BUF-1 (engine/storage/buffer/README.md), write-ahead logging itself: a crash leaves a change
on the page that no WAL knows.

In real life: the rule that write-ahead logging has its name from; here no path keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.storage.buffer.page_writer import PageWriter
from properties.mutants.api import WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="evicted-before-wal",
    breaks="BUF-1",
    mirrors="the negation of write-ahead logging",
    sees=("errors: error XX001", "reaction: replay differs", "files", *WRONG_READS),
    faults=("power-loss",),
)


def apply() -> None:
    def make(init: Callable[..., None]) -> Callable[..., None]:
        def careless(self: Any, *arguments: Any, flush_wal: Any, checksums: bool) -> None:
            init(self, *arguments, flush_wal=lambda lsn: None, checksums=checksums)

        return careless

    replace(PageWriter, "__init__", make)
