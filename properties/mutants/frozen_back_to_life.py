"""VACUUM passes over dead row versions, then freezes them: they live again.

It does not ask what became of who deleted them, so they stand beside their successors.

Breaks HEAP-11. In real life: PostgreSQL 9.3 to 10: dead HOT tuples frozen back to life, commit
20b65522.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from engine.access.heap import freeze, vacuum
from engine.access.heap.prune import PrunePlan
from engine.access.heap.tuple import tuple_xmax, tuple_xmin
from properties.mutants.api import WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="frozen-back-to-life",
    breaks="HEAP-11",
    mirrors="PostgreSQL 9.3 to 10: dead HOT tuples frozen back to life, commit 20b65522",
    sees=("files", *WRONG_READS),
    settings={"vacuum_freeze_min_age": "0"},
)


def apply() -> None:
    """Nothing is pruned, and who inserted a row is taken to be all that counts."""

    def hasty(freeze_tuple: Callable[..., Any]) -> Callable[..., Any]:
        def change(context: Any, page: memoryview, at: int, *rest: Any) -> Any:
            xmin, xmax = tuple_xmin(page, at), tuple_xmax(page, at)
            if xmin == xmax:
                return None, rest[-1]
            judge = SimpleNamespace(did_commit=lambda xid: xid == xmin)
            return freeze_tuple(SimpleNamespace(visibility=judge), page, at, *rest)

        return change

    replace(vacuum, "prune_page", lambda _: lambda *_: PrunePlan([], [], [], 0, 0, 0))
    replace(freeze, "_freeze_tuple", hasty)
