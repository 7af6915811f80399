"""Under REPEATABLE READ an update takes a row that was changed since its snapshot.

It goes on with the newest version, as under READ COMMITTED, instead of failing with 40001.

Breaks MVCC-3. In real life: none known: the check that makes REPEATABLE READ snapshot isolation,
left out of ExecUpdate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.sql.executor import modification
from engine.transaction.transactions import READ_COMMITTED
from properties.mutants.api import WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="first-updater-does-not-win",
    breaks="MVCC-3",
    mirrors=(
        "none known: the check that makes REPEATABLE READ snapshot isolation, left out of "
        "ExecUpdate"
    ),
    sees=WRONG_READS,
)


Next = Callable[..., Any]


def apply() -> None:
    """When the next version is looked for, all are READ COMMITTED."""

    def lenient(next_version: Next) -> Next:
        def found(plan: Any, outcome: Any, recheck: Any, context: Any) -> Any:
            transactions = context.services.transactions
            isolation, transactions.isolation = transactions.isolation, READ_COMMITTED
            try:
                return next_version(plan, outcome, recheck, context)
            finally:
                transactions.isolation = isolation

        return found

    replace(modification, "_next_version", lenient)
