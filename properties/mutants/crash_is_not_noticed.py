"""The postmaster takes the death of a backend by a signal for an ordinary end.

What the dead had half changed in shared memory stays, with the locks that it held.

Breaks PM-2. In real life: none known: the negation of HandleChildCrash.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.host.api import ChildExit
from engine.processes.postmaster.children import Child
from engine.processes.postmaster.server import Postmaster
from engine.shmem.procs import BackendType
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="crash-is-not-noticed",
    breaks="PM-2",
    mirrors="none known: the negation of HandleChildCrash",
    sees=("reaction", "liveness: stalled", "liveness: slow operation"),
)


OnCrash = Callable[[Any, Child, ChildExit], None]


def apply() -> None:
    """Only other children than backends are missed."""

    def calm(on_crash: OnCrash) -> OnCrash:
        def maybe(self: Any, gone: Child, ended: ChildExit) -> None:
            if gone.kind is not BackendType.CLIENT_BACKEND:
                on_crash(self, gone, ended)

        return maybe

    replace(Postmaster, "_on_crash", calm)
