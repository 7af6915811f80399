"""A DELETE that waited for another one to delete the same row says that it has deleted it.

The row is gone, as it should be, and two clients believe that they have taken it out.

Breaks HEAP-5 (engine/access/heap/README.md). In real life: none known; it is what a queue in a
table, emptied by DELETE ... RETURNING, relies on, and what gives one job to two workers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.access.heap.heap import Heap
from engine.access.heap.outcome import ChangeOutcome
from engine.access.heap.visibility import TupleUpdate
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="deleted-twice",
    breaks="HEAP-5",
    mirrors="none known: a queue in a table that gives one job to two workers",
    sees=("lost_update: one version, two makers",),
    workload="sets",
)


def apply() -> None:
    def generous(delete: Callable[..., ChangeOutcome]) -> Callable[..., ChangeOutcome]:
        def remove(self: Any, *what: Any, **how: Any) -> ChangeOutcome:
            outcome = delete(self, *what, **how)
            if outcome.result is TupleUpdate.DELETED:
                return ChangeOutcome(TupleUpdate.OK)
            return outcome

        return remove

    replace(Heap, "delete", generous)
