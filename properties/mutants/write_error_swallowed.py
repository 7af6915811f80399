"""A page that could not be written is taken for written.

Breaks what `PageWriter` rests on (engine/storage/buffer/page_writer.py): a page is clean only when
its file has it. Nobody is told, the page leaves its buffer, and what it said is gone.

In real life: Gunawi et al. (FAST 2008) followed errors of the disk through Linux's file systems,
and found more than one in ten calls that drop them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.errors import SqlError
from engine.storage.smgr import Smgr
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="write-error-swallowed",
    breaks="a page is clean only when its file has it",
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
