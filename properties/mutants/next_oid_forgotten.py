"""Recovery does not move the counter of oids past those that the WAL says may be given out, and a
checkpoint does not count these either: oids are given out a second time.

The number of a table is safe: CREATE TABLE passes over one that a row or a file has. Those of its
row type are not, so two tables share one: who drops the one and who drops the other are in each
other's way, "tuple concurrently updated".

Breaks XID-3 (engine/transaction/README.md). In real life: the record XLOG_NEXTOID, and what
CreateCheckPoint adds to the counter (`oidCount`), exist because of this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.transaction.xids import XidGenerator, XidShared
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="next-oid-forgotten",
    breaks="XID-3",
    mirrors="the negation of XLOG_NEXTOID, and of CreateCheckPoint's look at oidCount",
    sees=("errors: error XX000", "tables"),
    workload="tables",
)


def apply() -> None:
    def short(ask: Callable[..., int]) -> Callable[..., int]:
        def next_oid(self: Any, *, is_shutdown: bool) -> int:
            return ask(self, is_shutdown=True)

        return next_oid

    replace(XidShared, "replay_next_oid", lambda replay: lambda self, next_oid: None)
    replace(XidGenerator, "next_oid_for_checkpoint", short)
