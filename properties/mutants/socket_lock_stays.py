"""The postmaster ends in order and leaves the lock file of its socket behind.

Nothing is wrong with the data, and the next server of this engine takes the file over, since it
asks for a lock and not for the file. Who asks for the file, as PostgreSQL does, finds the number of
a process in it, which by then may be that of another one, and refuses to start.

Breaks the rule that an orderly shutdown takes its lock files along. In real life: PostgreSQL's
.s.PGSQL.5432.lock, where /tmp survives a reboot: "lock file already exists".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.processes.postmaster.listeners import Listeners
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="socket-lock-stays",
    breaks="an orderly shutdown takes its lock files along",
    mirrors="PostgreSQL: a stale .s.PGSQL.5432.lock whose number another process has by now",
    sees=("leftovers: left behind",),
)


def apply() -> None:
    def forgetful(close: Callable[[Any], None]) -> Callable[[Any], None]:
        def close_sockets(self: Any) -> None:
            self._files = [path for path in self._files if not path.endswith(".lock")]
            close(self)

        return close_sockets

    replace(Listeners, "close", forgetful)
