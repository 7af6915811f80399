"""A transaction that was under way at the crash comes back as committed.

After recovery its xid is neither running nor has it an outcome; that must mean aborted.

Breaks the rule that what has no commit record never was. In real life: none known: the negation of
what a missing commit record means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.access.heap.visibility import Visibility
from engine.transaction.clog import ABORTED
from engine.types import FIRST_NORMAL_XID
from properties.mutants.api import WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="crashed-counts-as-committed",
    breaks="what has no commit record never was",
    mirrors="none known: the negation of what a missing commit record means",
    sees=("durability: risen", "files: STATUS-5", "files: STATUS-7", *WRONG_READS),
)


Judge = Callable[[Any, int], bool]


def apply() -> None:
    """All that is not known to be aborted has committed."""

    def hopeful(_: Judge) -> Judge:
        def judge(self: Any, xid: int) -> bool:
            if xid < FIRST_NORMAL_XID:
                return xid != 0
            return bool(self._clog.status(xid) != ABORTED)

        return judge

    replace(Visibility, "did_commit", hopeful)
