"""The checker of atomicity passes over operations whose outcome is unknown.

Those are the ones that a crash makes, so it sees nothing of what it is for. Breaks HIST-1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from chaos.history import Event
from chaos.oracle import Violation
from properties.checkers.atomicity import Atomicity
from properties.mutants.api import HarnessMutant, replace

MUTANT = HarnessMutant(
    name="doubt-is-skipped",
    breaks="HIST-1: no operation is dropped",
    noticed_by=("doubt",),
)


Observe = Callable[[Any, Event], Iterable[Violation]]


def apply() -> None:
    """It does not hear of them."""

    def hard_of_hearing(observe: Observe) -> Observe:
        def maybe(self: Any, event: Event) -> Iterable[Violation]:
            return () if event.type == "info" else observe(self, event)

        return maybe

    replace(Atomicity, "observe", hard_of_hearing)
