"""A checkpoint does not write the dirty pages of the commit log.

Breaks CKPT-1, step 5 (engine/recovery/README.md): the commit records before the redo point are not
replayed, and the marks that they stand for are on no disk.

In real life: each file that is not in the buffer pool has to be entered in PostgreSQL's
CheckPointGuts by hand.
"""

from __future__ import annotations

from engine.storage.slru import Slru
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="clog-forgotten-by-checkpoint",
    breaks="CKPT-1",
    mirrors="the negation of CheckPointCLOG",
    sees=("durability: lost",),
)


def apply() -> None:
    replace(Slru, "checkpoint", lambda checkpoint: lambda self: 0)
