"""Whoever looks up an xid that was rolled back takes it for committed.

Breaks the rule that what was rolled back is never seen. In real life: none known: the negation of
TransactionIdDidCommit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.access.heap.visibility import Visibility
from engine.transaction.clog import ABORTED
from properties.mutants.api import WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="aborted-counts-as-committed",
    breaks="what was rolled back is never seen",
    mirrors="none known: the negation of TransactionIdDidCommit",
    sees=("durability: risen", *WRONG_READS),
)


Judge = Callable[[Any, int], bool]


def apply() -> None:
    """Aborted is as good as committed."""

    def lenient(did_commit: Judge) -> Judge:
        def judge(self: Any, xid: int) -> bool:
            return did_commit(self, xid) or (xid > 2 and self._clog.status(xid) == ABORTED)

        return judge

    replace(Visibility, "did_commit", lenient)
