"""The digest of a run does not cover its steps: any two runs are the same."""

from __future__ import annotations

from chaos.scheduler.trace import Trace
from properties.mutants.api import HarnessMutant, replace

MUTANT = HarnessMutant(
    name="digest-of-nothing",
    breaks="TRACE-1: the digest covers every step",
    noticed_by=("digest",),
)


def apply() -> None:
    """Blocks are not folded in."""
    replace(Trace, "_fold", lambda _: lambda self, block: None)
