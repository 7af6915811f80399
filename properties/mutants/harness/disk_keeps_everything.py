"""A power loss takes nothing: all that was written is there again."""

from __future__ import annotations

from chaos.disk.model import Disk
from properties.mutants.api import HarnessMutant, replace

MUTANT = HarnessMutant(
    name="disk-keeps-everything",
    breaks="OUTAGE-1: what was not durable may be lost",
    noticed_by=("disk",),
)


def apply() -> None:
    """What is cached is durable."""
    replace(Disk, "crash", lambda _: lambda self, choice: self.cached())
