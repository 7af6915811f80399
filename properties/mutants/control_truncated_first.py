"""pg_control is emptied and written anew, as one writes any small file.

Breaks CKPT-4 (engine/recovery/README.md), by which it is written over in place, whole, in one
write: who dies in between, or a disk that keeps the one and not the other, leaves an empty file.

In real life: the empty configuration files that KDE and GNOME found after a crash on ext4 in 2009,
which were truncated and written anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.host.api import OpenMode
from engine.recovery import control
from engine.recovery.control_file import CONTROL_FILE_PATH
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="control-truncated-first",
    breaks="CKPT-4",
    mirrors="the zero-length files of ext4's delayed allocation (2009)",
    sees=("liveness: not back",),
    faults=("power-loss",),
)


def apply() -> None:
    def make(write: Callable[..., None]) -> Callable[..., None]:
        def emptied(host: Any, data: bytes, *, sync: bool = True) -> None:
            host.close(host.open(CONTROL_FILE_PATH, OpenMode.WRITE | OpenMode.TRUNCATE))
            write(host, data, sync=sync)

        return emptied

    replace(control, "write_control_file", make)
