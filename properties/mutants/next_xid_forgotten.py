"""Recovery does not move the counter of xids past those that it finds in the WAL: an xid is given
out a second time.

Breaks REDO-4, XID-2 (engine/recovery/README.md, engine/transaction/README.md).

In real life: AdvanceNextFullTransactionIdPastXid, which PostgreSQL calls for each record of WAL and
each entry of its two-phase state, exists because of this.
"""

from __future__ import annotations

from engine.transaction.xids import XidShared
from properties.mutants.api import TABLE_GONE, WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="next-xid-forgotten",
    breaks="REDO-4",
    mirrors="the negation of AdvanceNextFullTransactionIdPastXid",
    sees=("durability", TABLE_GONE, *WRONG_READS),
)


def apply() -> None:
    replace(XidShared, "advance_past", lambda advance_past: lambda self, xid: None)
