"""A checkpoint removes and reuses the WAL before its redo point as soon as it has that.

Breaks CKPT-5 (engine/recovery/README.md): until it is complete pg_control names the checkpoint
before, and whoever dies on the way leaves one whose WAL is gone.

In real life: PostgreSQL before 11 kept the WAL of two checkpoints, to be able to begin at the one
before the last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.recovery.checkpoint import Checkpoints
from engine.wal.segments import SegmentCounts, keep_from_segment, last_segment_to_recycle_to
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="wal-recycled-early",
    breaks="CKPT-5",
    mirrors="what PostgreSQL before 11 kept the WAL of two checkpoints for",
    sees=("liveness: not back", "durability: lost"),
    faults=("power-loss",),
    settings={"wal_consistency_checking": "all"},
)


def apply() -> None:
    def make(write: Callable[..., None]) -> Callable[..., None]:
        def early(self: Any, checkpoint: Any, *arguments: Any) -> None:
            wal, size = self._wal, self._wal.segment_size
            end, redo = wal.end_lsn(), checkpoint.redo
            keep = keep_from_segment(end // size, redo // size, self.config, size)
            limit = last_segment_to_recycle_to(redo, self._distance_estimate, self.config, size)
            wal.segments.recycle_or_remove(keep, end, limit, SegmentCounts(), self._log.log)
            write(self, checkpoint, *arguments)

        return early

    replace(Checkpoints, "_write", make)
