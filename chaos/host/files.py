"""Files under the baton: the same system calls, each after its step.

Nothing is synced: a kill leaves the page cache as it is, so `fsync` is a step and no more. What a
power loss would leave is worked out from the I/O log (chaos/disk/), which has each effect on the
data directory once it has been had.

IOLOG-4  What is renamed out of the data directory is unlinked there, what is renamed into it is
         created and written.
QUOTA-1  While space is limited the files of the data directory grow by no more than is left. A
         write that does not fit is short, and fails with ENOSPC when no byte of it fits.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat as stat_bits
from collections.abc import Callable
from typing import Concatenate, Final, ParamSpec, TypeVar
from zlib import crc32

from chaos.disk.operations import Kind
from chaos.faults.places import LOSE, MISDIRECT, SHORT
from chaos.host.io_log import IoLog
from chaos.scheduler.baton import Baton
from chaos.scheduler.calls import Call
from chaos.scheduler.layout import DISK_LEFT, NEVER
from chaos.scheduler.names import Names
from engine.host.api import Buffer, FileStatus, OpenMode

WORLD: Final = "/world"
"""Where the engine sees the run's directory, wherever it really is (BATON-2)."""
BLOCK_BYTES: Final = 8192
"""How far a misdirected write goes astray."""


_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
_Call = Callable[Concatenate["BatonFiles", _Given], _Result]


def _named(call: _Call[_Given, _Result]) -> _Call[_Given, _Result]:
    """A call that takes a path; what it raises tells the path as the engine knows it (BATON-2)."""

    def with_virtual_names(
        self: BatonFiles, /, *args: _Given.args, **kwargs: _Given.kwargs
    ) -> _Result:
        try:
            return call(self, *args, **kwargs)
        except OSError as error:
            for name in ("filename", "filename2"):
                path = getattr(error, name)
                if isinstance(path, str):
                    setattr(error, name, self.virtual_path(path))
            raise

    return with_virtual_names


class BatonFiles:
    """The file calls of `Host`. A step names a file by the number of its path."""

    _baton: Baton
    _forget_channel: Callable[[int], None]

    def __init__(self, directory: str, root: str, io_log: str | None) -> None:
        self._directory = directory
        self._root = root
        self._names = Names(self._baton.layout)
        self._files: dict[int, int] = {}
        self._data_directory = os.path.normpath(self.real_path(root))
        self._relative_paths: dict[str, str | None] = {}
        self._inside: dict[int, str] = {}
        self._appending: set[int] = set()
        self._log = IoLog(io_log, self._baton) if io_log is not None else None

    def real_path(self, path: str) -> str:
        """The path on this machine."""
        if not path.startswith("/"):
            path = f"{self._root}/{path}"
        inside = path == WORLD or path.startswith(f"{WORLD}/")
        return self._directory + path[len(WORLD) :] if inside else path

    def virtual_path(self, path: str) -> str:
        """The path as the engine has it: what `real_path` makes of it is this one."""
        inside = path == self._directory or path.startswith(f"{self._directory}/")
        return WORLD + path[len(self._directory) :] if inside else path

    def _number(self, path: str) -> int:
        return self._names.number(path)

    def _relative(self, path: str) -> str | None:
        """The path from the data directory (whose own is empty); None if it is not in there."""
        if path not in self._relative_paths:
            real, root = os.path.normpath(self.real_path(path)), self._data_directory
            if real == root:
                self._relative_paths[path] = ""
            else:
                is_inside = real.startswith(f"{root}/")
                self._relative_paths[path] = real[len(root) + 1 :] if is_inside else None
        return self._relative_paths[path]

    # calls ---------------------------------------------------------------------------------------

    @_named
    def open(self, path: str, mode: OpenMode = OpenMode.READ) -> int:
        number = self._number(path)
        self._baton.step(Call.OPEN, number, int(mode))
        flags = os.O_CLOEXEC | (os.O_RDWR if mode & OpenMode.WRITE else os.O_RDONLY)
        if mode & OpenMode.CREATE:
            flags |= os.O_CREAT
        if mode & OpenMode.EXCLUSIVE:
            flags |= os.O_EXCL
        if mode & OpenMode.TRUNCATE:
            flags |= os.O_TRUNC
        if mode & OpenMode.APPEND:
            flags |= os.O_APPEND
        fd = self._open(path, flags)
        self._files[fd] = number
        if mode & OpenMode.APPEND:
            self._appending.add(fd)
        return fd

    def _open(self, path: str, flags: int) -> int:
        """Open it, and note what that does to the data directory."""
        real, relative = self.real_path(path), self._relative(path)
        if relative is None:
            return os.open(real, flags, 0o600)
        before = _status(real) if flags & (os.O_CREAT | os.O_TRUNC) else None
        fd = os.open(real, flags, 0o600)
        self._inside[fd] = relative
        if flags & os.O_CREAT and before is None:
            self._note(Kind.CREATE, fd)
        elif flags & os.O_TRUNC and before is not None and before.st_size:
            self._give_back(before.st_size)
            self._note(Kind.TRUNCATE, fd)
        return fd

    def close(self, fd: int) -> None:
        self._baton.step(Call.CLOSE, self._files.get(fd, 0))
        self._files.pop(fd, None)
        self._inside.pop(fd, None)
        self._appending.discard(fd)
        self._forget_channel(fd)
        os.close(fd)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        struck = self._baton.step(Call.PREAD, self._files.get(fd, 0), offset, length)
        if struck is not None and struck.kind == SHORT:
            length //= 2
        return os.pread(fd, length, offset)

    def pread_into(self, fd: int, view: memoryview, offset: int) -> int:
        struck = self._baton.step(Call.PREAD_INTO, self._files.get(fd, 0), offset, view.nbytes)
        if struck is not None and struck.kind == SHORT:
            view = view[: view.nbytes // 2]
        return os.preadv(fd, [view], offset)

    def pwrite(self, fd: int, data: Buffer, offset: int) -> int:
        struck = self._baton.step(Call.PWRITE, self._files.get(fd, 0), offset, crc32(data))
        if struck is not None:
            if struck.kind == SHORT:
                data = memoryview(data)[: max(1, len(data) // 2)]
            elif struck.kind == MISDIRECT:
                offset = _astray(offset, len(data), os.fstat(fd).st_size)
            elif struck.kind == LOSE:
                os.pwrite(fd, b"", offset)  # EBADF when it is closed, or not open for writing
                return len(data)
        if fd not in self._inside:
            return os.pwrite(fd, data, offset)
        return self._write_inside(fd, data, offset)

    def _write_inside(self, fd: int, data: Buffer, offset: int) -> int:
        if fd in self._appending:
            offset = os.fstat(fd).st_size
        if self._baton.words[DISK_LEFT] != NEVER:
            data = self._what_fits(fd, data, offset)
        written = os.pwrite(fd, data, offset)
        if self._log is not None and written:
            self._note(Kind.WRITE, fd, offset, memoryview(data)[:written])
        return written

    def fsync(self, fd: int) -> None:
        try:
            struck = self._baton.step(Call.FSYNC, self._files.get(fd, 0))
        except OSError:
            self._note(Kind.FSYNC_FAILED, fd)
            raise
        os.fstat(fd)  # EBADF when it is closed (HOST-2)
        if struck is None or struck.kind != LOSE:
            self._note(Kind.FSYNC, fd)

    @_named
    def fsync_directory(self, path: str) -> None:
        kind = Kind.FSYNC_DIRECTORY
        try:
            struck = self._baton.step(Call.FSYNC_DIRECTORY, self._number(path))
        except OSError:
            self._note_path(Kind.FSYNC_FAILED, path)
            raise
        os.close(os.open(self.real_path(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        if struck is None or struck.kind != LOSE:
            self._note_path(kind, path)

    def truncate(self, fd: int, size: int) -> None:
        self._baton.step(Call.TRUNCATE, self._files.get(fd, 0), size)
        if self._baton.words[DISK_LEFT] != NEVER and fd in self._inside:
            before = os.fstat(fd)
            if before.st_nlink and not self._take(size - before.st_size):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.ftruncate(fd, size)
        self._note(Kind.TRUNCATE, fd, size)

    def file_size(self, fd: int) -> int:
        self._baton.step(Call.FILE_SIZE, self._files.get(fd, 0))
        return os.fstat(fd).st_size

    @_named
    def rename(self, old: str, new: str) -> None:
        self._baton.step(Call.RENAME, self._number(old), self._number(new))
        source, target = self._relative(old), self._relative(new)
        moved, replaced = _status(self.real_path(old)), _status(self.real_path(new))
        os.rename(self.real_path(old), self.real_path(new))
        if target is not None and replaced is not None:
            self._give_back_last(replaced)
        if source is not None and target is not None:
            self._note_path(Kind.RENAME, new, source)
        elif source is not None and moved is not None:
            self._give_back_last(moved)
            self._note_status(Kind.UNLINK, moved, source)
        elif target is not None and moved is not None:
            self._has_come_in(target, moved, replaced)

    def _has_come_in(
        self, path: str, status: os.stat_result, replaced: os.stat_result | None
    ) -> None:
        """A file of somewhere else has become one of the data directory's (IOLOG-4)."""
        words = self._baton.words
        self._take(min(status.st_size, words[DISK_LEFT]))
        if replaced is not None:
            self._note_status(Kind.UNLINK, replaced, path)
        self._note_status(Kind.CREATE, status, path)
        if self._log is not None:
            with open(f"{self._data_directory}/{path}", "rb") as file:
                self._log.note(Kind.WRITE, status.st_ino, path, data=file.read())

    @_named
    def unlink(self, path: str) -> None:
        self._baton.step(Call.UNLINK, self._number(path))
        relative = self._relative(path)
        removed = _status(self.real_path(path)) if relative is not None else None
        os.unlink(self.real_path(path))
        if relative is not None and removed is not None:
            self._give_back_last(removed)
            self._note_status(Kind.UNLINK, removed, relative)

    @_named
    def make_directory(self, path: str) -> None:
        self._baton.step(Call.MAKE_DIRECTORY, self._number(path))
        os.mkdir(self.real_path(path), 0o700)
        self._note_path(Kind.MAKE_DIRECTORY, path)

    @_named
    def list_directory(self, path: str) -> list[str]:
        self._baton.step(Call.LIST_DIRECTORY, self._number(path))
        return sorted(os.listdir(self.real_path(path)))

    @_named
    def stat(self, path: str) -> FileStatus | None:
        self._baton.step(Call.STAT, self._number(path))
        try:
            status = os.stat(self.real_path(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return FileStatus(status.st_size, stat_bits.S_ISDIR(status.st_mode), status.st_mode)

    @_named
    def lock_file(self, path: str) -> int | None:
        self._baton.step(Call.LOCK_FILE, self._number(path))
        fd = self._open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._inside.pop(fd, None)
            os.close(fd)
            return None
        return fd

    # the I/O log ---------------------------------------------------------------------------------

    def _note(self, kind: Kind, fd: int, offset: int = 0, data: Buffer = b"") -> None:
        """What was done to an open file, if it is one of the data directory's."""
        if self._log is not None:
            path = self._inside.get(fd)
            if path is not None:
                status = os.fstat(fd)
                if kind == Kind.FSYNC and stat_bits.S_ISDIR(status.st_mode):
                    kind = Kind.FSYNC_DIRECTORY
                self._log.note(kind, status.st_ino, path, offset=offset, data=data)

    def _note_path(self, kind: Kind, path: str, old: str | None = None) -> None:
        """What was done to the file of that name; `old` is the one it had before."""
        if self._log is not None:
            relative = self._relative(path)
            status = _status(self.real_path(path)) if relative is not None else None
            if relative is not None and status is not None:
                first, second = (relative, "") if old is None else (old, relative)
                self._log.note(kind, status.st_ino, first, other=second)

    def _note_status(self, kind: Kind, status: os.stat_result, path: str) -> None:
        """What was done to a file of which this was the status, by its path from the root."""
        if self._log is not None:
            self._log.note(kind, status.st_ino, path)

    # limited space -------------------------------------------------------------------------------

    def _what_fits(self, fd: int, data: Buffer, offset: int) -> Buffer:
        """QUOTA-1; the space is taken."""
        status = os.fstat(fd)
        if not status.st_nlink or not len(data):
            return data  # its space was given back with its name
        room = max(0, status.st_size - offset) + max(
            0, self._baton.words[DISK_LEFT] - max(0, offset - status.st_size)
        )
        if room < len(data):
            data = memoryview(data)[:room]
        if not len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._take(max(0, offset + len(data) - status.st_size))
        return data

    def _take(self, size: int) -> bool:
        """Take so many bytes (give them back, if fewer than none), if that many are left."""
        words = self._baton.words
        if words[DISK_LEFT] != NEVER:
            if size > words[DISK_LEFT]:
                return False
            words[DISK_LEFT] -= size
        return True

    def _give_back(self, size: int) -> None:
        self._take(-size)

    def _give_back_last(self, status: os.stat_result) -> None:
        """The file has lost a name: with the last one its space is free."""
        if status.st_nlink == 1 and stat_bits.S_ISREG(status.st_mode):
            self._give_back(status.st_size)


def _status(path: str) -> os.stat_result | None:
    """The file or directory of that name; None when there is none, or it is none of the two."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    is_kept = stat_bits.S_ISREG(status.st_mode) or stat_bits.S_ISDIR(status.st_mode)
    return status if is_kept else None


def _astray(offset: int, length: int, size: int) -> int:
    """Where a misdirected write goes: a block beside its own that is in the file, if there is one.

    With offset ^ 8192 pairs of blocks change places; the last of an odd number has its neighbour
    before it.
    """
    if offset & BLOCK_BYTES:
        return offset - BLOCK_BYTES
    if offset + BLOCK_BYTES + length <= size:
        return offset + BLOCK_BYTES
    return max(offset - BLOCK_BYTES, offset % BLOCK_BYTES)
