"""No record carries the image of a page, whatever the setting full_page_writes says.

Breaks WAL-2 (engine/wal/README.md): a page that a power loss tore cannot be made whole.

In real life: `full_page_writes = off` on storage that can tear pages; `innodb_doublewrite = 0`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.wal import insert
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="no-full-page-images",
    breaks="WAL-2",
    mirrors="full_page_writes = off, innodb_doublewrite = 0",
    sees=("errors: error XX001", "liveness: not back"),
    faults=("power-loss",),
)


def apply() -> None:
    def make(choose: Callable[..., Any]) -> Callable[..., Any]:
        return lambda blocks, redo, full_page_writes, info: choose(blocks, redo, 0, info)

    replace(insert, "choose_images", make)
