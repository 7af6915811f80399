"""The judge hears what the checkers say, and forgets it."""

from __future__ import annotations

from chaos.oracle import Judge
from properties.mutants.api import HarnessMutant, replace

MUTANT = HarnessMutant(
    name="violations-are-dropped",
    breaks="a violation ends a run as violated (chaos/oracle.py: Judge)",
    noticed_by=("lost", "doubt", "canary replay-stops-one-early"),
)


def apply() -> None:
    """Nothing is added."""
    replace(Judge, "_add", lambda _: lambda self, found: None)
