"""Redo of an abort record marks the transaction committed.

Breaks the rule that an outcome is replayed as it was logged. In real life: none known: two record
types that differ in one bit, confused.
"""

from __future__ import annotations

from engine.recovery import redo_transaction
from engine.transaction.clog import COMMITTED
from properties.mutants.api import WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="abort-replayed-as-commit",
    breaks="an outcome is replayed as it was logged",
    mirrors="none known: two record types that differ in one bit, confused",
    sees=("durability: risen", *WRONG_READS),
)


def apply() -> None:
    """What an abort record leads to is the other status."""
    replace(redo_transaction, "ABORTED", lambda _: COMMITTED)
