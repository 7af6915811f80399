"""The kinds of child, one row each: what it runs, when it must live, what its end means.

`needed_in`: the postmaster starts it again whenever it is missing in these states. `good_status`:
an exit with one of these is in order, in any state; any other end of it is a crash, and all others
must quit (PM-2). The logger is not here: it touches no shared memory, and its end harms nobody.
Follows `reaper()` and `ServerLoop()` in postmaster.c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.instance import Instance
from engine.processes import background_writer, checkpointer, startup, wal_writer
from engine.processes.postmaster.states import PostmasterState
from engine.shmem.procs import BackendType

_RECOVERING_AND_RUNNING: Final = (PostmasterState.STARTUP, PostmasterState.RUN)


@dataclass(frozen=True)
class ChildKind:
    """One kind of auxiliary process."""

    main: Callable[[Instance], None]
    needed_in: tuple[PostmasterState, ...]
    good_status: tuple[int, ...]


AUXILIARY_CHILDREN: Final = {
    BackendType.STARTUP: ChildKind(startup.main, (), (0,)),
    BackendType.CHECKPOINTER: ChildKind(checkpointer.main, _RECOVERING_AND_RUNNING, ()),
    BackendType.BACKGROUND_WRITER: ChildKind(background_writer.main, _RECOVERING_AND_RUNNING, (0,)),
    BackendType.WAL_WRITER: ChildKind(wal_writer.main, (PostmasterState.RUN,), (0,)),
}

BACKEND_GOOD_STATUS: Final = (0, 1)
"""A backend that ends with FATAL exits with 1, which harms nobody."""
