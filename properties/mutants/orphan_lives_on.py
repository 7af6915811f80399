"""The WAL writer does not notice that the postmaster is gone.

Breaks HOST-6. In real life: PostgreSQL before 9.1: children that polled for the postmaster's
death, or forgot to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.processes import child
from engine.shmem.procs import BackendType
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="orphan-lives-on",
    breaks="HOST-6",
    mirrors="PostgreSQL before 9.1: children that polled for the postmaster's death, or forgot to",
    sees=("reaction: orphans", "reaction: two servers"),
)


Run = Callable[..., None]


def apply() -> None:
    """Its waits end for everything but that."""

    def deaf(run: Run) -> Run:
        def begin(host: Any, shared: Any, config: Any, kind: BackendType, main: Any) -> None:
            if kind is BackendType.WAL_WRITER:
                wait = host.wait
                vars(host)["wait"] = lambda *what, **how: wait(*what, **how, postmaster=False)
            run(host, shared, config, kind, main)

        return begin

    replace(child, "run", deaf)
