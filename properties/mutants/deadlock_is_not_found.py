"""The deadlock detector finds nothing: those who wait for each other wait for ever.

Breaks LOCK-5. In real life: none known: the negation of DeadLockCheck.
"""

from __future__ import annotations

from engine.lmgr import lock_table
from engine.lmgr.deadlock import DeadlockResult
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="deadlock-is-not-found",
    breaks="LOCK-5",
    mirrors="none known: the negation of DeadLockCheck",
    sees=("liveness",),
)


def apply() -> None:
    """No cycle, nothing to reorder."""
    replace(lock_table, "find_deadlock", lambda _: lambda picture, start: DeadlockResult())
