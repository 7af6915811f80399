"""An update that waited for another one goes on with the values that it read before.

READ COMMITTED takes the newest version of the row after the wait and computes anew from that; here
the newest version is replaced, but by what was computed from the old one.

Breaks HEAP-5. In real life: the negation of EvalPlanQual; the lost update of Berenson et al.,
1995.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.access.heap.heap import Heap
from engine.access.heap.outcome import ChangeOutcome
from engine.access.heap.visibility import TupleUpdate
from engine.types import Tid
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="update-is-not-rechecked",
    breaks="HEAP-5",
    mirrors="the negation of EvalPlanQual; the lost update of Berenson et al., 1995",
    sees=("lost_update", "atomicity", "bank_total: total", "isolation", "counters", "sets"),
)


Update = Callable[..., ChangeOutcome]


def apply() -> None:
    """The values stay, whatever version they end up behind."""

    def blind(update: Update) -> Update:
        def change(self: Any, relation: Any, tid: Tid, values: Sequence[Any], **how: Any) -> Any:
            while True:
                outcome = update(self, relation, tid, values, **how)
                if outcome.result is not TupleUpdate.UPDATED:
                    return outcome
                if self.context.transactions.uses_transaction_snapshot:
                    return outcome
                latest = self.latest_version(relation, outcome)
                if latest is None:
                    return outcome
                tid = latest.tid

        return change

    replace(Heap, "update", blind)
