"""The judge goes on when a checker raises an exception, and the run holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chaos.history import Event
from chaos.oracle import HarnessBroken, Judge, Violation
from properties.mutants.api import HarnessMutant, replace

MUTANT = HarnessMutant(
    name="exception-is-swallowed",
    breaks="a checker that fails breaks the harness (chaos/oracle.py: Judge)",
    noticed_by=("exception",),
)


Hear = Callable[[Any, Sequence[Event]], list[Violation]]


def apply() -> None:
    """No news is good news."""

    def tolerant(hear: Hear) -> Hear:
        def hear_on(self: Any, events: Sequence[Event]) -> list[Violation]:
            try:
                return hear(self, events)
            except HarnessBroken:
                return []

        return hear_on

    replace(Judge, "hear", tolerant)
