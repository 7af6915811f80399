"""Recovery does not move the counter of oids past those that the WAL says may be given out, and a
checkpoint does not count these either: oids are given out a second time.

CREATE TABLE passes over the number of a row or a file, but nobody looks for the oids of row types.
So two tables share one: who drops the one and who drops the other are in each other's way, "tuple
concurrently updated". And a table from before the crash that is dropped gives up a number that the
counter has yet to come to: the next table has it while sessions still know the old one's file.

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
