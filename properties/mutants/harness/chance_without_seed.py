"""The random generator of the settings is used before it is seeded."""

from __future__ import annotations

import random

from chaos import plan
from properties.mutants.api import HarnessMutant, replace

MUTANT = HarnessMutant(
    name="chance-without-seed",
    breaks="PLAN-1: the same seed gives the same plan",
    noticed_by=("seed",),
)


def apply() -> None:
    """Streams begin wherever the process's own generator is."""
    replace(plan, "stream", lambda _: lambda seed, *names: random)
