"""A process is killed while it holds a page's content lock, and the postmaster does not make all
others quit: they go on with a page that may be half changed, or wait for its lock for ever.

Breaks PM-2 (engine/processes/README.md): all others quit at once, and memory is made anew.

In real life: PostgreSQL restarts after every crash of a child because of this, from the beginning;
its documentation warns of `kill -9` since that is what follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.processes.postmaster.server import Postmaster
from engine.shmem.lwlock import BUFFER_CONTENT, LWLocks
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="no-restart-after-buffer-lock",
    breaks="PM-2",
    mirrors="the negation of what PostgreSQL does when a child dies with shared memory mapped",
    sees=("reaction: no crash restart", "liveness: stalled"),
)
SPARE: Final = 3
"""The word of a lock that the engine does not use: here, the slot of who took it last."""


def apply() -> None:
    def marking(method: Callable[..., Any]) -> Callable[..., Any]:
        def mark(self: Any, lock: int, *arguments: Any) -> Any:
            taken = method(self, lock, *arguments)
            if lock >= BUFFER_CONTENT and taken is not False:
                self._words[(lock << 2) + SPARE] = self._slot
            return taken

        return mark

    def unmarking(release: Callable[..., None]) -> Callable[..., None]:
        def unmark(self: Any, lock: int) -> None:
            if lock >= BUFFER_CONTENT:
                self._words[(lock << 2) + SPARE] = 0
            release(self, lock)

        return unmark

    def overlooking(on_crash: Callable[..., None]) -> Callable[..., None]:
        def overlook(self: Any, gone: Any, ended: Any) -> None:
            words = self._shared.lock_words.cast("I")
            if gone.slot is None or gone.slot not in list(words[SPARE::4]):
                on_crash(self, gone, ended)

        return overlook

    for name in ("acquire", "try_acquire", "acquire_or_wait"):
        replace(LWLocks, name, marking)
    replace(LWLocks, "release", unmarking)
    replace(Postmaster, "_on_crash", overlooking)
