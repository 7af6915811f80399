"""Pruning removes what the newest snapshot does not need, though older ones are still in use.

Breaks MVCC-4. In real life: PostgreSQL 14.0 and 14.1: two horizons in one pass of pruning; fixed
in 14.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.transaction.proc_array import ProcArray
from engine.transaction.xids import LATEST_COMPLETED
from engine.types import Xid, next_xid
from properties.mutants.api import WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="prune-forgets-snapshots",
    breaks="MVCC-4",
    mirrors="PostgreSQL 14.0 and 14.1: two horizons in one pass of pruning; fixed in 14.2",
    sees=WRONG_READS,
)


Horizon = Callable[[Any], Xid]


def apply() -> None:
    """The horizon is where xids have ended, whoever still looks at what lies before."""

    def too_new(_: Horizon) -> Horizon:
        def oldest_nonremovable_xid(self: Any) -> Xid:
            oldest = next_xid(self._words[LATEST_COMPLETED] & 0xFFFFFFFF)
            return Xid(min([oldest, *(xid for xid in self._xids.tolist() if xid)]))

        return oldest_nonremovable_xid

    replace(ProcArray, "oldest_nonremovable_xid", too_new)
