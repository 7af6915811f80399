"""Recovery leaves out every tenth record that it should replay.

Breaks REDO-1 (engine/recovery/README.md): after replay each page has all changes of the WAL.

In real life: a change that no record describes, or whose redo function does nothing, such as all
changes of PostgreSQL's hash indexes before 10.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.recovery.redo import RedoLoop
from properties.mutants.api import NO_RECOVERY, WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="redo-skips-records",
    breaks="REDO-1",
    mirrors="PostgreSQL before 10: hash indexes, whose changes no record described",
    sees=("durability", "tables", "files", *WRONG_READS, *NO_RECOVERY),
)
EVERY: Final = 10


def apply() -> None:
    def make(init: Callable[..., None]) -> Callable[..., None]:
        def forgetful(self: Any, *arguments: Any) -> None:
            init(self, *arguments)
            count = 0

            def sometimes(redo: Callable[..., None]) -> Callable[..., None]:
                def maybe(record: Any, context: Any) -> None:
                    nonlocal count
                    count += 1
                    if count % EVERY:
                        redo(record, context)

                return maybe

            self._redo = [sometimes(redo) for redo in self._redo]

        return forgetful

    replace(RedoLoop, "__init__", make)
