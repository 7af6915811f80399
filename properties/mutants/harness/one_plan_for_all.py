"""The seed is lost on the way: each run is that of seed 0."""

from __future__ import annotations

from collections.abc import Callable

from chaos import plan, seeds
from properties.mutants.api import HarnessMutant, replace

MUTANT = HarnessMutant(
    name="one-plan-for-all",
    breaks="PLAN-1: the seed decides",
    noticed_by=("seed",),
)


def apply() -> None:
    """All streams are those of one seed."""

    def stuck(child_seed: Callable[..., int]) -> Callable[..., int]:
        return lambda seed, *names: child_seed(0, *names)

    replace(seeds, "child_seed", stuck)
    replace(plan, "child_seed", stuck)
