"""The door of one process that has the world to itself, and finds it the same each time.

For what needs no schedule, since there is nobody else: recovery of a crash image in a process of
its own, hundreds of times. Files are real; nothing is synced. Memory is private, a mutex is free
whenever it is asked for, a wait is over at once and has moved the clock by as long as it would
have lasted. Clock and chance begin at the same values in each process, so the same image leads to
the same bytes.

ALONE-1  What a call does or returns depends on the files and on the calls before, and on nothing
         else.
ALONE-2  `changes` tells every file whose content may have changed, and every name that has.

With an I/O log each operation on the files is written to it, as in a world: chaos/disk/ takes both.
"""

from __future__ import annotations

import hashlib
import os
import stat as stat_bits
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, NoReturn

from chaos.disk.log import LogWriter
from chaos.disk.operations import Kind
from chaos.host.call_sites import CallSites
from engine.errors import ProcessExit
from engine.host.api import Buffer, ChildExit, FileStatus, Host, OpenMode, Peer, Ready, Signal
from engine.host.points import Point

CHUNK: Final = 8192
BEGINNING_US: Final = 1_000_000_000_000_000
"""When the clock begins, in microseconds since 2000: some day in 2031."""
PID: Final = 100
PARENT_PID: Final = 1
ROLE: Final = "single-user"
NEVER_WOKEN: Final = "a process that runs alone waits for somebody to wake it"
_ALONE: Final = "a process that runs alone has no other to talk to"


class Deadlock(ProcessExit):
    """Nobody is there who could end this wait."""

    def __init__(self) -> None:
        super().__init__(2)

    def __str__(self) -> str:
        return NEVER_WOKEN


class Changes:
    """What was done to the files: of `chunks` which parts of CHUNK bytes of which file were
    written, of `names` what appeared, went, or changed its size by other than writing."""

    def __init__(self) -> None:
        self.chunks: dict[str, dict[int, None]] = {}
        self.names: dict[str, None] = {}


class _How(NamedTuple):
    """An `OpenMode` as the system has it, without O_CREAT."""

    flags: int
    creates: bool
    truncates: bool


def _how_to_open(mode: OpenMode) -> _How:
    flags = os.O_CLOEXEC | (os.O_RDWR if mode & OpenMode.WRITE else os.O_RDONLY)
    if mode & OpenMode.EXCLUSIVE:
        flags |= os.O_EXCL
    if mode & OpenMode.TRUNCATE:
        flags |= os.O_TRUNC
    if mode & OpenMode.APPEND:
        flags |= os.O_APPEND
    return _How(flags, bool(mode & OpenMode.CREATE), bool(mode & OpenMode.TRUNCATE))


class FreeMutex:
    """Nobody else can have it (`engine.host.api.Mutex`)."""

    __slots__ = ()

    def acquire(self) -> None:
        """At once."""

    def release(self) -> None:
        """Nobody waits."""


class AloneHost(Host):
    """`engine.host.api.Host` for the data directory at `root`, which the process knows as
    `shown`."""

    def __init__(self, root: str, shown: str, io_log: LogWriter | None = None) -> None:
        self.changes = Changes()
        self.said: list[bytes] = []
        self.logged = 0
        self._root = root
        self._shown = shown
        self._log = io_log
        self._sites = CallSites()
        self._how: dict[OpenMode, _How] = {}
        self._files: dict[int, str] = {}
        self._now_us = 0
        self._draws = 0
        self._speak: Callable[[], None] | None = None

    # files ---------------------------------------------------------------------------------------

    def _real(self, path: str) -> str:
        if not path.startswith("/"):
            return f"{self._root}/{path}"
        return self._root + path[len(self._shown) :] if self._is_inside(path) else path

    def _inner(self, path: str) -> str:
        """The path relative to the data directory, which may be '' or '.' itself."""
        if self._is_inside(path):
            path = path[len(self._shown) + 1 :]
        return "" if path == "." else path

    def _is_inside(self, path: str) -> bool:
        return path == self._shown or path.startswith(f"{self._shown}/")

    def open(self, path: str, mode: OpenMode = OpenMode.READ) -> int:
        how = self._how.get(mode)
        if how is None:
            how = self._how[mode] = _how_to_open(mode)
        real, inner = self._real(path), self._inner(path)
        if how.creates:
            fd = self._open_or_create(real, inner, how.flags)
        else:
            fd = os.open(real, how.flags)
        self._files[fd] = inner
        if how.truncates:
            self.changes.names[inner] = None
            self._note(Kind.TRUNCATE, fd, inner)
        return fd

    def _open_or_create(self, real: str, inner: str, flags: int) -> int:
        if not flags & os.O_EXCL:
            try:
                return os.open(real, flags)
            except FileNotFoundError:
                flags &= ~os.O_TRUNC
        fd = os.open(real, flags | os.O_CREAT, 0o600)
        self.changes.names[inner] = None
        self._note(Kind.CREATE, fd, inner)
        return fd

    def close(self, fd: int) -> None:
        self._files.pop(fd, None)
        os.close(fd)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        return os.pread(fd, length, offset)

    def pread_into(self, fd: int, view: memoryview, offset: int) -> int:
        return os.preadv(fd, [view], offset)

    def pwrite(self, fd: int, data: Buffer, offset: int) -> int:
        written = os.pwrite(fd, data, offset)
        path = self._files[fd]
        chunks = self.changes.chunks.setdefault(path, {})
        for number in range(offset // CHUNK, (offset + written - 1) // CHUNK + 1):
            chunks[number] = None
        if self._log is not None:
            self._note(Kind.WRITE, fd, path, offset, data=memoryview(data).cast("B")[:written])
        return written

    def fsync(self, fd: int) -> None:
        inode = os.fstat(fd).st_ino  # EBADF when it is closed (HOST-2)
        if self._log is not None:
            self._write_note(Kind.FSYNC, inode, self._files[fd])

    def fsync_directory(self, path: str) -> None:
        inode = os.stat(self._real(path)).st_ino
        if self._log is not None:
            self._write_note(Kind.FSYNC_DIRECTORY, inode, self._inner(path))

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)
        path = self._files[fd]
        self.changes.names[path] = None
        self._note(Kind.TRUNCATE, fd, path, size)

    def file_size(self, fd: int) -> int:
        return os.fstat(fd).st_size

    def rename(self, old: str, new: str) -> None:
        real = self._real(new)
        os.rename(self._real(old), real)
        before, after = self._inner(old), self._inner(new)
        self.changes.names[before] = self.changes.names[after] = None
        if self._log is not None:
            self._write_note(Kind.RENAME, os.stat(real).st_ino, before, after)

    def unlink(self, path: str) -> None:
        real, inner = self._real(path), self._inner(path)
        inode = os.stat(real).st_ino
        os.unlink(real)
        self.changes.names[inner] = None
        if self._log is not None:
            self._write_note(Kind.UNLINK, inode, inner)

    def make_directory(self, path: str) -> None:
        real, inner = self._real(path), self._inner(path)
        os.mkdir(real, 0o700)
        self.changes.names[inner] = None
        if self._log is not None:
            self._write_note(Kind.MAKE_DIRECTORY, os.stat(real).st_ino, inner)

    def list_directory(self, path: str) -> list[str]:
        return sorted(os.listdir(self._real(path)))

    def stat(self, path: str) -> FileStatus | None:
        try:
            status = os.stat(self._real(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return FileStatus(status.st_size, stat_bits.S_ISDIR(status.st_mode), status.st_mode)

    def lock_file(self, path: str) -> int | None:
        return self.open(path, OpenMode.WRITE | OpenMode.CREATE)

    def _note(self, kind: Kind, fd: int, path: str, offset: int = 0, data: Buffer = b"") -> None:
        if self._log is not None:
            self._write_note(kind, os.fstat(fd).st_ino, path, "", offset, data)

    def _write_note(
        self,
        kind: Kind,
        inode: int,
        path: str,
        other: str = "",
        offset: int = 0,
        data: Buffer = b"",
    ) -> None:
        if self._log is not None:
            site = self._sites.innermost()
            self._log.append(kind, self.logged, inode, offset, path, other, data, site, ROLE)
            self.logged += 1

    # sockets: there is nobody ---------------------------------------------------------------------

    def listen_unix(self, path: str) -> int:
        raise OSError(_ALONE)

    def listen_tcp(self, address: str, port: int) -> int:
        raise OSError(_ALONE)

    def accept(self, listener: int) -> tuple[int, Peer]:
        raise OSError(_ALONE)

    def receive(self, fd: int, length: int) -> bytes:
        raise OSError(_ALONE)

    def send(self, fd: int, data: Buffer) -> int:
        raise OSError(_ALONE)

    def pipe(self) -> tuple[int, int]:
        raise OSError(_ALONE)

    def redirect_output(self, fd: int) -> None:
        raise OSError(_ALONE)

    def write_log(self, data: Buffer) -> None:
        self.said.append(bytes(data))

    # clock and chance -----------------------------------------------------------------------------

    def now_us(self) -> int:
        self._now_us += 1
        return BEGINNING_US + self._now_us

    def monotonic_us(self) -> int:
        self._now_us += 1
        return self._now_us

    def sleep(self, milliseconds: float) -> None:
        self._now_us += int(milliseconds * 1000)

    def random_bytes(self, length: int) -> bytes:
        self._draws += 1
        return hashlib.shake_128(f"alone/{self._draws}".encode()).digest(length)

    # processes ------------------------------------------------------------------------------------

    def fork(self, role: str, latch: int, main: Callable[[], None]) -> int:
        raise OSError(_ALONE)

    def detach(self) -> None:
        """There is no terminal."""

    def exit(self, status: int) -> NoReturn:
        raise ProcessExit(status)

    def last_words(self, speak: Callable[[], None] | None) -> None:
        self._speak = speak

    def pid(self) -> int:
        return PID

    def parent_pid(self) -> int:
        return PARENT_PID

    def catch_signals(self) -> None:
        """Nobody sends any."""

    def signal(self, pid: int, signal: Signal) -> bool:
        return False

    def take_signals(self) -> Sequence[Signal]:
        return ()

    def reap(self) -> list[ChildExit]:
        return []

    def process_exists(self, pid: int) -> bool:
        return pid == PID

    def set_title(self, title: str) -> None:
        """Nobody looks."""

    # shared memory, mutexes, latches --------------------------------------------------------------

    def map_shared(self, size: int) -> memoryview:
        return memoryview(bytearray(size))

    def create_mutexes(self, count: int) -> Sequence[FreeMutex]:
        return [FreeMutex()] * count

    def create_latches(self, count: int) -> None:
        """Nobody sets one."""

    def wake(self, latch: int) -> None:
        """Nobody sleeps."""

    def wait(
        self,
        timeout_ms: float | None = None,
        *,
        read: Sequence[int] = (),
        write: Sequence[int] = (),
        latch: bool = True,
        postmaster: bool = True,
    ) -> Ready:
        if timeout_ms is None:
            raise Deadlock
        self.sleep(timeout_ms)
        return Ready.TIMEOUT

    def ready_descriptors(self) -> Sequence[int]:
        return ()

    # faults ---------------------------------------------------------------------------------------

    def point(self, point: Point, value: int = 0) -> None:
        """Nothing strikes here: the crash has been."""
