"""The contract of the door: what an implementation of the host must do.

Every effect that the engine has on the world, and every way in which one of its processes can wait
for another, is one of these calls. `engine/host/real/` makes the engine an ordinary Linux server;
another implementation may schedule, record or break each call. `tests/host_contract/` runs on
every one.

The rules HOST-1 to HOST-8, which hold for all implementations, are in the README; each is cited at
the calls that keep it. HOST-9 is the engine's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum, IntFlag
from typing import NamedTuple, NoReturn, Protocol

from engine.host.points import Point

Buffer = bytes | bytearray | memoryview


class OpenMode(IntFlag):
    """How `open` treats the file. Without a flag: read only, must exist."""

    READ = 0
    WRITE = 1
    CREATE = 2
    EXCLUSIVE = 4
    TRUNCATE = 8
    APPEND = 16


class Signal(IntEnum):
    """What one process of the engine may tell another. Values are Linux's signal numbers."""

    HUP = 1
    INT = 2
    QUIT = 3
    KILL = 9
    USR1 = 10
    USR2 = 12
    TERM = 15
    CHLD = 17


class Ready(IntFlag):
    """Why `wait` returned. 0 is a time-out."""

    TIMEOUT = 0
    LATCH = 1
    READ = 2
    WRITE = 4


class FileStatus(NamedTuple):
    """What `stat` tells of a file."""

    size: int
    is_directory: bool
    mode: int


class Peer(NamedTuple):
    """Who connected: `address` is None on a Unix socket."""

    address: str | None
    port: int


class ChildExit(NamedTuple):
    """How a child ended: by `exit(status)`, or by a signal (then `status` is None)."""

    pid: int
    status: int | None
    signal: int | None


class Mutex(Protocol):
    """A short mutual exclusion between processes (HOST-4)."""

    def acquire(self) -> None: ...

    def release(self) -> None: ...


class Host(Protocol):
    """The door. One object per process; a forked child goes on with its copy.

    A call that fails raises `OSError` and has done nothing (HOST-2).
    """

    # files ---------------------------------------------------------------------------------------
    def open(self, path: str, mode: OpenMode = OpenMode.READ) -> int:
        """A descriptor of the file; a relative path is taken from the data directory (HOST-1)."""

    def close(self, fd: int) -> None: ...

    def pread(self, fd: int, length: int, offset: int) -> bytes: ...

    def pread_into(self, fd: int, view: memoryview, offset: int) -> int: ...

    def pwrite(self, fd: int, data: Buffer, offset: int) -> int:
        """Write at an offset; how many bytes were written, which may be fewer (HOST-2)."""

    def fsync(self, fd: int) -> None:
        """Make the file's content durable; closing it does not (HOST-3)."""

    def fsync_directory(self, path: str) -> None:
        """Make the names in a directory durable (HOST-3)."""

    def truncate(self, fd: int, size: int) -> None: ...

    def file_size(self, fd: int) -> int: ...

    def rename(self, old: str, new: str) -> None: ...

    def unlink(self, path: str) -> None: ...

    def make_directory(self, path: str) -> None:
        """Create a directory with mode 0700."""

    def list_directory(self, path: str) -> list[str]: ...

    def stat(self, path: str) -> FileStatus | None:
        """The file's status, None when there is no such file."""

    def lock_file(self, path: str) -> int | None:
        """Take an exclusive lock on a file, created if needed; None when some process has it.

        The lock belongs to the caller and to every child it forks from then on, and is free again
        when the last of them is gone.
        """

    # sockets (all non-blocking: BlockingIOError when it would wait)
    # ---------------------------------
    def listen_unix(self, path: str) -> int:
        """Listen at a path, relative to the data directory as files are (HOST-1)."""

    def listen_tcp(self, address: str, port: int) -> int: ...

    def accept(self, listener: int) -> tuple[int, Peer]: ...

    def receive(self, fd: int, length: int) -> bytes: ...

    def send(self, fd: int, data: Buffer) -> int: ...

    def pipe(self) -> tuple[int, int]:
        """A pipe (read end, write end); `receive` and `send` work on it."""

    def redirect_output(self, fd: int) -> None:
        """Make what the process writes to stdout and stderr, interpreter messages included, go to
        `fd`.
        """

    def write_log(self, data: Buffer) -> None:
        """Write all of `data` to the process's stderr; when nobody reads there, it is lost."""

    # clock and chance -----------------------------------------------------------------------------
    def now_us(self) -> int:
        """Wall clock, microseconds since 2000-01-01 00:00 UTC (a TimestampTz)."""

    def monotonic_us(self) -> int:
        """A clock that never goes back, microseconds."""

    def sleep(self, milliseconds: float) -> None:
        """Wait that nothing but time, and the death of the postmaster, ends."""

    def random_bytes(self, length: int) -> bytes: ...

    # processes ------------------------------------------------------------------------------------
    def fork(self, role: str, latch: int, main: Callable[[], None]) -> int:
        """Start a child whose own latch is number `latch`; its pid. `main` runs in the child, which
        leaves through `exit` whatever `main` does (HOST-8).

        `role` says what kind of process it is, for traces and for plans of faults: `startup`,
        `checkpointer`, `bgwriter`, `walwriter`, `logger`, `backend`, or `dead-end` for a backend
        that only refuses its client.
        """

    def detach(self) -> None:
        """Lead a new session: the caller's terminal and its signals do not reach this process."""

    def exit(self, status: int) -> NoReturn: ...

    def last_words(self, speak: Callable[[], None] | None) -> None:
        """What this process does when `Signal.QUIT` ends it, before it exits with status 2."""

    def pid(self) -> int: ...

    def parent_pid(self) -> int: ...

    def catch_signals(self) -> None:
        """Take signals as flags from now on (HOST-7); a forked child does so by itself."""

    def signal(self, pid: int, signal: Signal) -> bool:
        """Send a signal; False when there is no such process."""

    def take_signals(self) -> Sequence[Signal]:
        """The signals that came since the last call, in ascending order, each once."""

    def reap(self) -> list[ChildExit]:
        """The children that ended since the last call; never waits."""

    def process_exists(self, pid: int) -> bool: ...

    def set_title(self, title: str) -> None:
        """What `ps` shows for this process."""

    # shared memory, mutexes, latches
    # -----------------------------------------------------------------
    def map_shared(self, size: int) -> memoryview:
        """Zeroed memory shared with all children forked from now on."""

    def create_mutexes(self, count: int) -> Sequence[Mutex]:
        """New free mutexes, shared with all children forked from now on."""

    def create_latches(self, count: int) -> None:
        """New unset latches 0..count-1, in place of the earlier ones; the caller's own is number
        0.
        """

    def wake(self, latch: int) -> None:
        """Set a latch: its owner's next wait returns at once (HOST-5)."""

    def wait(
        self,
        timeout_ms: float | None = None,
        *,
        read: Sequence[int] = (),
        write: Sequence[int] = (),
        latch: bool = True,
        postmaster: bool = True,
    ) -> Ready:
        """Wait until the own latch is set (and unset it), a descriptor is ready, or time is out.

        With `postmaster` off, the postmaster's death does not end the wait (HOST-6): for the
        logger, which stays until all who write to it are gone.
        """

    def ready_descriptors(self) -> Sequence[int]:
        """The descriptors that the last `wait` found ready to read, in the order asked."""

    # faults ---------------------------------------------------------------------------------------
    def point(self, point: Point, value: int = 0) -> None:
        """A named place where a fault may strike; `value` is what `point.about` says (an LSN, a
        block number, a pid). Does nothing in an ordinary server."""
