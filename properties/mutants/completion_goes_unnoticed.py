"""A statement reuses the snapshot of the one before it although a transaction has ended since.

Only what the session itself has done makes its snapshot anew, and what two others have ended; so
it reads what was so a moment ago, after it was told that this is no longer so. Each snapshot for
itself is right, and a session never goes back.

Breaks MVCC-1, for READ COMMITTED. In real life: the negation of the xactCompletionCount that
GetSnapshotDataReuse compares, PostgreSQL 14.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.transaction.proc_array import ProcArray
from engine.transaction.snapshot import Snapshot
from engine.transaction.transactions import READ_COMMITTED, Transactions
from engine.transaction.xids import COMPLETION_COUNT
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="completion-goes-unnoticed",
    breaks="MVCC-1",
    mirrors="the negation of xactCompletionCount in GetSnapshotDataReuse, PostgreSQL 14",
    sees=("list_prefix: missing",),
    workload="append",
)


def apply() -> None:
    is_statement = False

    def of_statement(snapshot: Callable[[Any], Snapshot]) -> Callable[[Any], Snapshot]:
        def next_snapshot(self: Any) -> Snapshot:
            nonlocal is_statement
            is_statement = self.isolation == READ_COMMITTED
            try:
                return snapshot(self)
            finally:
                is_statement = False

        return next_snapshot

    def slow(take: Callable[..., Snapshot]) -> Callable[..., Snapshot]:
        def take_snapshot(self: Any, command_id: int) -> Snapshot:
            if is_statement and self._words[COMPLETION_COUNT] == self._cached_count + 1:
                self._cached_count += 1
            return take(self, command_id)

        return take_snapshot

    def own(end: Callable[..., None]) -> Callable[..., None]:
        def end_transaction(self: Any, xid: int) -> None:
            end(self, xid)
            if xid:
                self._cached_count = -2

        return end_transaction

    replace(Transactions, "snapshot", of_statement)
    replace(ProcArray, "take_snapshot", slow)
    replace(ProcArray, "end_transaction", own)
