"""Whether a page goes along whole is decided by a redo point that the process knew before, and not
decided again once the record's place is known.

Breaks WAL-2 (engine/wal/README.md): a checkpoint took its redo point meanwhile, the record lies
behind it without the image, and so do all that follow. If that page is torn nothing repairs it.

In real life: a backend of PostgreSQL has its own copy of RedoRecPtr, and XLogInsertRecord returns
to its caller without having done anything when that turns out to be old.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.wal import insert
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="images-decided-early",
    breaks="WAL-2",
    mirrors="the negation of the second look at RedoRecPtr in XLogInsertRecord",
    sees=("errors: error XX001", "liveness: not back"),
    faults=("power-loss",),
    settings={"checkpoint_timeout": "1s"},
)


def apply() -> None:
    def make(choose: Callable[..., Any]) -> Callable[..., Any]:
        known: int | None = None

        def by_what_it_knew(blocks: Sequence[Any], redo: int, *how: int) -> Any:
            nonlocal known
            if known is None:
                known = redo
            return choose(blocks, known, *how)

        return by_what_it_knew

    replace(insert, "choose_images", make)
