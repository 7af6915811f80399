"""The interlock of a data directory, and postmaster.pid.

PM-1  A new postmaster refuses to start while any process of an old one lives.

The lock that keeps PM-1 lies on `PG_VERSION`, the one file that is never replaced. It is inherited
by all children (HOST: `lock_file`), so it is free only when the last of them is gone; no pid is
trusted for it. postmaster.pid tells people and programs who runs here, in PostgreSQL's eight lines
(`miscinit.c`); one that a killed postmaster left is stale, and is replaced. PostgreSQL keeps this
interlock with the attachment count of a shared memory segment; an anonymous mapping has none.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from engine.datadir import LOCKED_FILE, PID_FILE
from engine.errors import FatalError, SqlState
from engine.host.api import Host, OpenMode
from engine.types import UNIX_EPOCH_TO_2000_US
from engine.wal.segments import write_fully

STARTING: Final = "starting"
READY: Final = "ready   "
STOPPING: Final = "stopping"


def lock_data_directory(host: Host, shown_path: str) -> int:
    """Take the interlock (PM-1); FATAL when processes of another server live here. A descriptor."""
    version = host.stat(LOCKED_FILE)
    if version is None:
        raise FatalError(
            SqlState.OBJECT_NOT_IN_PREREQUISITE_STATE,
            f'"{shown_path}" is not a valid data directory',
            detail='File "PG_VERSION" is missing.',
            hint=f'Create a cluster there first: engine initdb -D "{shown_path}".',
        )
    lock = host.lock_file(LOCKED_FILE)
    if lock is not None:
        return lock
    pid = read_pid(host)
    if pid is not None and host.process_exists(abs(pid)):
        who = f"postmaster (PID {pid})" if pid > 0 else f"postgres (PID {-pid})"
        raise FatalError(
            SqlState.LOCK_FILE_EXISTS,
            f'lock file "{PID_FILE}" already exists',
            hint=f'Is another {who} running in data directory "{shown_path}"?',
        )
    raise FatalError(
        SqlState.LOCK_FILE_EXISTS,
        "processes of an earlier postmaster are still running",
        hint=f'Terminate any old server processes associated with data directory "{shown_path}".',
    )


def read_pid(host: Host) -> int | None:
    """The pid in postmaster.pid, None when there is no such file or no number in it.

    That of a process that runs alone is there, and returned, with a minus sign.
    """
    lines = read_lines(host)
    try:
        return int(lines[0]) if lines else None
    except ValueError:
        return None


def read_lines(host: Host) -> list[str]:
    """The lines of postmaster.pid; none when there is no such file."""
    try:
        fd = host.open(PID_FILE)
    except FileNotFoundError:
        return []
    try:
        return host.pread(fd, 4096, 0).decode(errors="replace").splitlines()
    finally:
        host.close(fd)


class PidFile:
    """postmaster.pid of this postmaster, from creation to removal; or of a process that runs alone,
    which is told by the minus sign of its pid."""

    def __init__(
        self, host: Host, data_directory: str, port: int, *, is_alone: bool = False
    ) -> None:
        self._host = host
        started_s = (host.now_us() + UNIX_EPOCH_TO_2000_US) // 1_000_000
        pid = -host.pid() if is_alone else host.pid()
        self._lines = [
            str(pid), data_directory, str(started_s), str(port), "", "", "", STARTING,
        ]  # fmt: skip
        try:
            self._write()
        except OSError:
            self.remove()
            raise

    def set_listening(self, socket_directory: str, address: str) -> None:
        """Where clients find the server: lines 5 and 6."""
        self._lines[4], self._lines[5] = socket_directory, address
        self._write()

    def set_status(self, status: str) -> None:
        """STARTING, READY or STOPPING: line 8, which `engine start -w` waits for.

        An `OSError` leaves the file as it was: the caller goes on without it.
        """
        self._lines[7] = status
        self._write()

    def remove(self) -> None:
        """The postmaster ends in order. A file that stays is stale, and the next start knows it."""
        with suppress(OSError):
            self._host.unlink(PID_FILE)

    def _write(self) -> None:
        # Cut after the write, not before: a full disk, or a crash, must not leave an empty file.
        data = ("\n".join(self._lines) + "\n").encode()
        fd = self._host.open(PID_FILE, OpenMode.WRITE | OpenMode.CREATE)
        try:
            write_fully(self._host, fd, data, 0)
            self._host.truncate(fd, len(data))
            self._host.fsync(fd)
        finally:
            self._host.close(fd)
