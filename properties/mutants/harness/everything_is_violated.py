"""A checker complains of histories that are right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from chaos.history import Event
from chaos.oracle import Violation
from properties.checkers.durability import Durability
from properties.mutants.api import HarnessMutant, replace

MUTANT = HarnessMutant(
    name="everything-is-violated",
    breaks="none of the checkers fires on a history that is right",
    noticed_by=("clean",),
)


Observe = Callable[[Any, Event], Iterable[Violation]]


def apply() -> None:
    """Whatever is in doubt should be there."""

    def strict(observe: Observe) -> Observe:
        def observed(self: Any, event: Event) -> Iterable[Violation]:
            yield from observe(self, event)
            if event.type == "info":
                yield Violation(self.name, "a transaction in doubt", {}, "doubt")

        return observed

    replace(Durability, "observe", strict)
