"""A checkpoint does not wait for commits that are half done: its redo point falls between a commit
record and the mark in the commit log.

Breaks CKPT-2 (engine/recovery/README.md): the record is before the redo point, so nobody replays
it; the mark comes after the commit log was written. After a crash the transaction never was.

In real life: PostgreSQL holds the checkpoint off with `delayChkpt` (until 8.3 with a lock,
CheckpointStartLock). TRUNCATE did not, and lost its effect in the same way before 14.3.
"""

from __future__ import annotations

from engine.recovery.checkpoint import Checkpoints
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="checkpoint-overtakes-commit",
    breaks="CKPT-2",
    mirrors="PostgreSQL before 14.3: TRUNCATE in the midst of a checkpoint",
    sees=("durability: lost",),
    settings={"checkpoint_timeout": "1s"},
)


def apply() -> None:
    replace(Checkpoints, "_wait_for_commits", lambda wait: lambda self: None)
