"""Files of the real host: plain system calls, no buffering."""

from __future__ import annotations

import fcntl
import os
import stat as stat_bits

from engine.host.api import Buffer, FileStatus, OpenMode


class RealFiles:
    """The file calls of `Host`, relative to one directory."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)

    def _path(self, path: str) -> str:
        return path if path.startswith("/") else f"{self.root}/{path}"

    def open(self, path: str, mode: OpenMode = OpenMode.READ) -> int:
        flags = os.O_CLOEXEC | (os.O_RDWR if mode & OpenMode.WRITE else os.O_RDONLY)
        if mode & OpenMode.CREATE:
            flags |= os.O_CREAT
        if mode & OpenMode.EXCLUSIVE:
            flags |= os.O_EXCL
        if mode & OpenMode.TRUNCATE:
            flags |= os.O_TRUNC
        if mode & OpenMode.APPEND:
            flags |= os.O_APPEND
        return os.open(self._path(path), flags, 0o600)

    def close(self, fd: int) -> None:
        os.close(fd)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        return os.pread(fd, length, offset)

    def pread_into(self, fd: int, view: memoryview, offset: int) -> int:
        return os.preadv(fd, [view], offset)

    def pwrite(self, fd: int, data: Buffer, offset: int) -> int:
        return os.pwrite(fd, data, offset)

    def fsync(self, fd: int) -> None:
        os.fsync(fd)

    def fsync_directory(self, path: str) -> None:
        fd = os.open(self._path(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def file_size(self, fd: int) -> int:
        return os.fstat(fd).st_size

    def rename(self, old: str, new: str) -> None:
        os.rename(self._path(old), self._path(new))

    def unlink(self, path: str) -> None:
        os.unlink(self._path(path))

    def make_directory(self, path: str) -> None:
        os.mkdir(self._path(path), 0o700)

    def list_directory(self, path: str) -> list[str]:
        return sorted(os.listdir(self._path(path)))

    def stat(self, path: str) -> FileStatus | None:
        try:
            status = os.stat(self._path(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return FileStatus(status.st_size, stat_bits.S_ISDIR(status.st_mode), status.st_mode)

    def lock_file(self, path: str) -> int | None:
        # flock belongs to the open file description, which forked children share.
        fd = os.open(self._path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return fd
