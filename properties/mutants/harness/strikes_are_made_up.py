"""No fault is ever done, and each is reported as struck."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chaos.faults.doing import Deeds
from chaos.plan import Cycle
from properties.mutants.api import HarnessMutant, replace

MUTANT = HarnessMutant(
    name="strikes-are-made-up",
    breaks="FAULT-1: a fault that found no victim has not struck",
    noticed_by=("canary replay-stops-one-early", "canary commit-before-flush"),
)


Do = Callable[[Any, Cycle], Any]


def apply() -> None:
    """A stop that lasts no time: it is noticed by nobody, and that is right."""

    def pretending(_: Do) -> Do:
        def do(self: Any, cycle: Cycle) -> Any:
            strike = self._striker.begin("stop:logger")
            strike.struck = True
            return strike, None

        return do

    replace(Deeds, "do", pretending)
