"""A transaction that fails leaves its heavyweight locks behind.

Breaks LOCK-4. In real life: none known: an error path that leaves what the ordinary path gives
back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.transaction.transactions import Transactions
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="failed-command-keeps-its-locks",
    breaks="LOCK-4",
    mirrors="none known: an error path that leaves what the ordinary path gives back",
    sees=("liveness",),
)


Finish = Callable[..., None]


class _Keeps:
    """A lock table that gives nothing back."""

    def release_all(self) -> None:
        return None


def apply() -> None:
    """Only a commit releases."""

    def keeping(finish: Finish) -> Finish:
        def maybe(self: Any, *, is_commit: bool) -> None:
            table = self._lock_table
            if not is_commit:
                self._lock_table = _Keeps()
            try:
                finish(self, is_commit=is_commit)
            finally:
                self._lock_table = table

        return maybe

    replace(Transactions, "_finish", keeping)
