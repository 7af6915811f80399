"""What the controller asks of something it can run and break.

A target lives in one directory of its own, made by `create` and removed by `destroy`. A user's own
target is any callable `(launcher, settings, wal_segment_mb) -> Target`, named by a
`module:attribute` string.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from chaos.targets.launcher import Launcher
from chaos.targets.log import Replay, ServerLog
from chaos.targets.processes import Role
from chaos.waiting.api import Waiting

NOT_PATCHED: Final = 73
"""Exit status of a postmaster whose patches did not apply: the patch is wrong, not the server."""


class TargetUnusable(Exception):
    """The target cannot be run here, and what to do about it (a program to install, a wrong
    setting).
    """


class Target(Protocol):
    """A server with PostgreSQL's process architecture."""

    name: str
    data_directory: Path
    log: ServerLog

    def version(self) -> str: ...

    def create(self) -> None:
        """Make the directory, the data, the configuration. TargetUnusable if impossible."""

    def launch(self) -> int:
        """Start the postmaster and return its pid at once."""

    def exit_status(self) -> int | None:
        """How the postmaster ended (minus a signal's number); None while it runs."""

    def postmaster(self) -> int:
        """The pid of the postmaster launched last."""

    def processes(self) -> dict[int, Role]:
        """The postmaster's children that have not ended, in order of birth."""

    def waiting(self) -> Waiting:
        """How those who drive and watch this target wait, and their clock; always the same."""

    def send(self, pid: int, number: signal.Signals) -> bool:
        """Signal a process; False if it is gone."""

    def is_running(self, pid: int) -> bool:
        """Whether a process exists and has not ended."""

    def has_stopped(self, pid: int) -> bool:
        """Whether a process stands still: stopped, ended, or gone."""

    def title_of(self, pid: int) -> str:
        """A process's title; empty if it is gone."""

    def remember_shared_memory(self) -> None:
        """Note which named shared memory the running server has, for `leftovers`."""

    def conninfo(self) -> str:
        """For libpq."""

    def stop(self, seconds: float) -> int | None:
        """A fast shutdown: the exit status, None when it does not end in time."""

    def replayed(self, lines: list[str]) -> Replay | None:
        """What the redo that these log lines tell of did."""

    def crash_image(self) -> None:
        """Keep a copy of the data directory as it is now, in place of an earlier one."""

    def crash_image_directory(self) -> Path | None:
        """Where that copy is."""

    def leftovers(self) -> list[str]:
        """What a stopped server has left behind, in words, sorted."""

    def survivors(self) -> list[int]:
        """Processes of the target that still run, wherever they now belong."""

    def destroy(self) -> None:
        """Kill what runs and remove the directory; nobody waits through it any more."""


@runtime_checkable
class HasKnownFiles(Protocol):
    """A target whose data directory can be looked at when it is stopped: `invariants` names what
    does that, as `module:attribute` (chaos/oracle.py: `files_note`).
    """

    invariants: str


TargetFactory = Callable[[Launcher, Mapping[str, str], int], Target]
