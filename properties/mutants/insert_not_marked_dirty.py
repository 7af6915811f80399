"""INSERT changes a page and does not mark its buffer dirty.

Breaks BUF-10 (engine/storage/buffer/README.md): nobody writes the page, and a checkpoint lets the
WAL go that could bring the row back. (An UPDATE that forgot it would not be seen here: the look at
the old version sets hint bits, and these mark the page first.)

In real life: PostgreSQL's access/transam/README has MarkBufferDirty as a step of every change, and
before the record is inserted, because of this.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from engine.access.heap.insert import insert, multi_insert
from engine.storage.buffer.buffers import Buffers
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="insert-not-marked-dirty",
    breaks="BUF-10",
    mirrors="the negation of a step in PostgreSQL's access/transam/README",
    sees=("durability: lost", "reaction: replay differs", "liveness: not back"),
)


def apply() -> None:
    inserters = (insert.__code__, multi_insert.__code__)

    def make(mark: Callable[..., None]) -> Callable[..., None]:
        def forgetful(self: Any, buffer: int) -> None:
            if sys._getframe(1).f_code not in inserters:
                mark(self, buffer)

        return forgetful

    replace(Buffers, "mark_dirty", make)
