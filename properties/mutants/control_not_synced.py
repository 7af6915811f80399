"""pg_control is written and not synced, and the checkpoint goes on to throw away WAL.

Breaks CKPT-4 (engine/recovery/README.md): the power loss brings the old pg_control back, whose
checkpoint's WAL may be gone.

In real life: PostgreSQL's update_controlfile, as its tools call it, did not sync before 12.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.recovery import control
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="control-not-synced",
    breaks="CKPT-4",
    mirrors="PostgreSQL before 12: update_controlfile of the tools did not sync",
    sees=("liveness: not back", "durability: lost"),
    faults=("power-loss",),
)


def apply() -> None:
    def make(write: Callable[..., None]) -> Callable[..., None]:
        return lambda host, data, *, sync=True: write(host, data, sync=False)

    replace(control, "write_control_file", make)
