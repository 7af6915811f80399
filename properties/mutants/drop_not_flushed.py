"""An asynchronous commit that drops tables does not flush its record, and unlinks their files.

Breaks XACT-5 (engine/transaction/README.md): a crash takes the commit back, the table is there
again, and its rows are gone.

In real life: PostgreSQL commits synchronously whatever the setting says when files are to be
removed (`nrels > 0` in RecordTransactionCommit), because of this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.transaction.outcome import OutcomeRecorder
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="drop-not-flushed",
    breaks="XACT-5",
    mirrors="the negation of a condition in PostgreSQL's RecordTransactionCommit",
    sees=("atomicity: half", "tables: half"),
    settings={"synchronous_commit": "off"},
    workload="tables",
)


class _Lazy:
    """The WAL, for one commit."""

    def __init__(self, wal: Any) -> None:
        self.insert = wal.insert
        self.flush = self.request_async = wal.request_async


def apply() -> None:
    def make(commit: Callable[..., Any]) -> Callable[..., Any]:
        def lazily(self: Any, xid: int, dropped: Sequence[Any], *, is_synchronous: bool) -> Any:
            wal = self._wal
            if not is_synchronous:
                self._wal = _Lazy(wal)
            try:
                return commit(self, xid, dropped, is_synchronous=is_synchronous)
            finally:
                self._wal = wal

        return lazily

    replace(OutcomeRecorder, "commit", make)
