"""The client is told that its transaction is committed before the commit record is on disk.

Breaks XACT-1 (engine/transaction/README.md): the flush stands between the record and the commit
log, and before the answer. Here every commit is done as an asynchronous one.

In real life: MongoDB before 1.8 acknowledged writes that were in no journal; Redis with
`appendfsync everysec`, and PostgreSQL with `synchronous_commit = off`, do so when they are told to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.transaction.outcome import OutcomeRecorder
from properties.mutants.api import TABLE_GONE, Mutant, replace

MUTANT = Mutant(
    name="commit-before-flush",
    breaks="XACT-1",
    mirrors="MongoDB before 1.8: acknowledged writes were in no journal",
    sees=("durability: lost", TABLE_GONE),
)


def apply() -> None:
    def make(commit: Callable[..., Any]) -> Callable[..., Any]:
        def early(self: Any, xid: int, dropped: Sequence[Any], *, is_synchronous: bool) -> Any:
            return commit(self, xid, dropped, is_synchronous=False)

        return early

    replace(OutcomeRecorder, "commit", make)
