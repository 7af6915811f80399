"""pg_control in shared memory and on disk: read once by the postmaster, changed under CONTROL_FILE.

The file is written in place, whole, in one write, and synced before the lock is free (CKPT-4): what
counts of its 8192 bytes lies in the first 512-byte sector, which a device writes whole or not at
all.

Source: PostgreSQL 15, `ReadControlFile`, `UpdateControlFile`, xlog.c, `update_controlfile`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.config import Config
from engine.errors import FatalError, PanicError, SqlState
from engine.host.api import Host, OpenMode
from engine.recovery.control_file import (
    CONTROL_FILE_PATH,
    CONTROL_FILE_SIZE,
    ControlFile,
    ControlFileError,
)
from engine.shmem.lwlock import CONTROL_FILE, EXCLUSIVE, SHARED, LWLocks
from engine.types import UNIX_EPOCH_TO_2000_US
from engine.wal.file_error import close_written, file_panic, file_sqlstate


def read_control_file(host: Host) -> ControlFile:
    """The cluster's pg_control from the disk; `FatalError` when there is none that can be used."""
    try:
        fd = host.open(CONTROL_FILE_PATH)
    except OSError as error:
        raise _fatal(error, f'could not open file "{CONTROL_FILE_PATH}"') from error
    try:
        try:
            data = host.pread(fd, CONTROL_FILE_SIZE, 0)
        finally:
            host.close(fd)
    except OSError as error:
        raise _fatal(error, f'could not read file "{CONTROL_FILE_PATH}"') from error
    try:
        return ControlFile.unpack(data)
    except ControlFileError as error:
        raise FatalError(
            SqlState.INTERNAL_ERROR, error.message, detail=error.detail, hint=error.hint
        ) from error


def write_control_file(host: Host, data: bytes, *, sync: bool = True) -> None:
    """Write the packed file in place, durably; any failure is a PANIC."""
    path = CONTROL_FILE_PATH
    try:
        fd = host.open(path, OpenMode.WRITE)
    except OSError as error:
        raise file_panic(error, f'could not open file "{path}"') from error
    try:
        try:
            written = host.pwrite(fd, data, 0)
            if written != len(data):
                raise _short_write(path, written, len(data))
        except OSError as error:
            raise file_panic(error, f'could not write file "{path}"') from error
        try:
            if sync:
                host.fsync(fd)
        except OSError as error:
            raise file_panic(error, f'could not fsync file "{path}"') from error
    finally:
        close_written(host, fd, path)


def seconds_since_1970(host: Host) -> int:
    """Now, as pg_control has its times (`pg_time_t`)."""
    return (host.now_us() + UNIX_EPOCH_TO_2000_US) // 1_000_000


class ControlShared:
    """The packed file in shared memory; `initialize` is the postmaster's."""

    def __init__(self, memory: memoryview, config: Config) -> None:
        self.data = memory[:CONTROL_FILE_SIZE]

    @staticmethod
    def size(config: Config) -> int:
        """Bytes of shared memory."""
        return CONTROL_FILE_SIZE

    def initialize(self, control: ControlFile) -> None:
        """Take over what was read from the disk."""
        self.data[:] = control.pack()


class Control:
    """pg_control as one process reads and changes it."""

    def __init__(self, host: Host, shared: ControlShared, locks: LWLocks, config: Config) -> None:
        self._host = host
        self._shared = shared
        self._locks = locks
        self.config = config

    def read(self) -> ControlFile:
        """A copy of its present content."""
        self._locks.acquire(CONTROL_FILE, SHARED)
        data = bytes(self._shared.data)
        self._locks.release(CONTROL_FILE)
        return ControlFile.unpack_unchecked(data)

    @contextmanager
    def change(self) -> Iterator[ControlFile]:
        """Change it inside the block; at its end it is on disk, or the error is a PANIC."""
        self._locks.acquire(CONTROL_FILE, EXCLUSIVE)
        control = ControlFile.unpack_unchecked(bytes(self._shared.data))
        yield control
        control.time = seconds_since_1970(self._host)
        data = control.pack()
        write_control_file(self._host, data, sync=bool(self.config.fsync))
        self._shared.data[:] = data
        self._locks.release(CONTROL_FILE)


def _fatal(error: OSError, doing: str) -> FatalError:
    return FatalError(file_sqlstate(error), f"{doing}: {error.strerror}")


def _short_write(path: str, written: int, length: int) -> PanicError:
    message = f'could not write file "{path}": wrote {written} of {length}'
    return PanicError(SqlState.DISK_FULL, message)
