"""A checkpoint takes its redo point after it has written the buffers.

Breaks CKPT-1, step 2 (engine/recovery/README.md): what was changed while it wrote is on no disk,
and its records are before the redo point.

In real life: the reason why a checkpoint's redo point is not where its record is ("fuzzy"
checkpoints, ARIES); taken late it is a bug that only concurrent writes show.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.recovery.checkpoint import Checkpoints
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="redo-point-after-buffers",
    breaks="CKPT-1",
    mirrors="the negation of ARIES' fuzzy checkpoint",
    sees=("durability: lost",),
)


def apply() -> None:
    def make(write: Callable[..., None]) -> Callable[..., None]:
        def late(self: Any, checkpoint: Any, flags: Any, statistics: Any) -> None:
            write(self, checkpoint, flags, statistics)
            checkpoint.redo = self._wal.take_redo_point()

        return late

    replace(Checkpoints, "_write", make)
