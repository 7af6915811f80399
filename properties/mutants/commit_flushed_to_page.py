"""A commit waits until the last whole page of WAL before the end of its record is flushed.

So it waits for nothing when it shares a page with what was flushed already, and a crash takes it
back.

Breaks XACT-1 (engine/transaction/README.md). In real life: the negation of the difference between
XLogFlush and XLogBackgroundFlush, which "backs off to the last page boundary" and so must not stand
for a promise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.transaction.outcome import OutcomeRecorder
from engine.types import WAL_BLOCK_SIZE
from properties.mutants.api import TABLE_GONE, Mutant, replace

MUTANT = Mutant(
    name="commit-flushed-to-page",
    breaks="XACT-1",
    mirrors="what PostgreSQL's XLogBackgroundFlush does, where XLogFlush is due",
    sees=("durability: lost", TABLE_GONE),
    workload="bank",
)


class _Rounding:
    """The WAL, for one commit."""

    def __init__(self, wal: Any) -> None:
        self.insert, self.request_async = wal.insert, wal.request_async
        self._flush = wal.flush

    def flush(self, lsn: int) -> None:
        """As far as pages go."""
        self._flush(lsn - lsn % WAL_BLOCK_SIZE)


def apply() -> None:
    def make(commit: Callable[..., Any]) -> Callable[..., Any]:
        def early(self: Any, xid: int, dropped: Sequence[Any], *, is_synchronous: bool) -> Any:
            wal = self._wal
            self._wal = _Rounding(wal)
            try:
                return commit(self, xid, dropped, is_synchronous=is_synchronous)
            finally:
                self._wal = wal

        return early

    replace(OutcomeRecorder, "commit", make)
