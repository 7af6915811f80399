"""A file that is closed counts as synced. No file system promises that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chaos.disk.operations import Kind
from chaos.host.files import BatonFiles
from properties.mutants.api import HarnessMutant, replace

MUTANT = HarnessMutant(
    name="close-syncs",
    breaks="OUTAGE-1: what a disk keeps depends on what was not durable",
    noticed_by=("disk",),
)


Close = Callable[[Any, int], None]


def apply() -> None:
    """The log says that it was synced."""

    def syncing(close: Close) -> Close:
        def close_synced(self: Any, fd: int) -> None:
            self._note(Kind.FSYNC, fd)
            close(self, fd)

        return close_synced

    replace(BatonFiles, "close", syncing)
