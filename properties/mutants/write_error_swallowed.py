"""A page that could not be written is taken for written.

Breaks SYNC-1's other half (engine/storage/README.md): a page becomes clean only when its file has
it. The client is told nothing, the page leaves its buffer, and what it said is gone.

In real life: Bairavasundaram et al. and Gunawi et al. ("EIO: error handling is occasionally
correct", FAST 2008) found a tenth of all write errors dropped on the way in Linux file systems.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.errors import SqlError
from engine.storage.smgr import Smgr
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="write-error-swallowed",
    breaks="BUF-7",
    mirrors="EIO: error handling is occasionally correct (Gunawi et al., FAST 2008)",
    sees=("reaction: answered nothing", "durability: lost"),
    faults=("io-error", "disk-full"),
)
DISK_ERRORS: Final = ("58030", "53100")


def apply() -> None:
    def make(write: Callable[..., None]) -> Callable[..., None]:
        def carelessly(self: Any, *arguments: Any) -> None:
            try:
                write(self, *arguments)
            except SqlError as error:
                if error.sqlstate not in DISK_ERRORS:
                    raise

        return carelessly

    replace(Smgr, "write", make)
