"""The planned faults never struck, and the run says that the target held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chaos.run import Run
from chaos.verdict import Verdict
from properties.mutants.api import HarnessMutant, replace

MUTANT = HarnessMutant(
    name="nothing-struck-holds",
    breaks="RUN-1: a run that struck nothing has measured nothing",
    noticed_by=("measured",),
)


Conclude = Callable[[Any], None]


def apply() -> None:
    """Whatever was not measured has held."""

    def hopeful(conclude: Conclude) -> Conclude:
        def concluded(self: Any) -> None:
            conclude(self)
            if self.outcome.verdict is Verdict.NOT_MEASURED:
                self.outcome.verdict = Verdict.HELD

        return concluded

    replace(Run, "_conclude", hopeful)
