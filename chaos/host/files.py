"""Files under the baton: the same system calls, each after its step.

Nothing is synced: a kill leaves the page cache as it is, so `fsync` is a step and no more.
"""

from __future__ import annotations

import fcntl
import os
import stat as stat_bits
from collections.abc import Callable
from typing import Concatenate, Final, ParamSpec, TypeVar
from zlib import crc32

from chaos.faults.places import SHORT
from chaos.scheduler.baton import Baton
from chaos.scheduler.calls import Call
from chaos.scheduler.names import Names
from engine.host.api import Buffer, FileStatus, OpenMode

WORLD: Final = "/world"
"""Where the engine sees the run's directory, wherever it really is (BATON-2)."""


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

    def __init__(self, directory: str, root: str) -> None:
        self._directory = directory
        self._root = root
        self._names = Names(self._baton.layout)
        self._files: dict[int, int] = {}

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
        fd = os.open(self.real_path(path), flags, 0o600)
        self._files[fd] = number
        return fd

    def close(self, fd: int) -> None:
        self._baton.step(Call.CLOSE, self._files.pop(fd, 0))
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
        if struck is not None and struck.kind == SHORT:
            data = memoryview(data)[: max(1, len(data) // 2)]
        return os.pwrite(fd, data, offset)

    def fsync(self, fd: int) -> None:
        self._baton.step(Call.FSYNC, self._files.get(fd, 0))
        os.fstat(fd)  # EBADF when it is closed (HOST-2)

    @_named
    def fsync_directory(self, path: str) -> None:
        self._baton.step(Call.FSYNC_DIRECTORY, self._number(path))
        os.close(os.open(self.real_path(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def truncate(self, fd: int, size: int) -> None:
        self._baton.step(Call.TRUNCATE, self._files.get(fd, 0), size)
        os.ftruncate(fd, size)

    def file_size(self, fd: int) -> int:
        self._baton.step(Call.FILE_SIZE, self._files.get(fd, 0))
        return os.fstat(fd).st_size

    @_named
    def rename(self, old: str, new: str) -> None:
        self._baton.step(Call.RENAME, self._number(old), self._number(new))
        os.rename(self.real_path(old), self.real_path(new))

    @_named
    def unlink(self, path: str) -> None:
        self._baton.step(Call.UNLINK, self._number(path))
        os.unlink(self.real_path(path))

    @_named
    def make_directory(self, path: str) -> None:
        self._baton.step(Call.MAKE_DIRECTORY, self._number(path))
        os.mkdir(self.real_path(path), 0o700)

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
        fd = os.open(self.real_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return fd
