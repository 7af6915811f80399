"""A real host whose file calls can be watched and made to fail."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from engine.host.api import Buffer, FileStatus, OpenMode
from engine.host.real import RealHost


class FaultyHost(RealHost):
    """Calls `before(call, path)` ahead of each file call; what that raises, the call raises."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.paths: dict[int, str] = {}
        self.calls: list[tuple[str, str]] = []
        self.before: Callable[[str, str], None] = lambda call, path: None
        self.before_write: Callable[[str, bytes], None] = lambda path, data: None
        self.short_writes = 0

    def _note(self, call: str, path: str) -> None:
        self.calls.append((call, path))
        self.before(call, path)

    def count(self, call: str, path: str) -> int:
        """How often the call was made on the path."""
        return self.calls.count((call, path))

    def open(self, path: str, mode: OpenMode = OpenMode.READ) -> int:
        self._note("open", path)
        fd = super().open(path, mode)
        self.paths[fd] = path
        return fd

    def pread_into(self, fd: int, view: memoryview, offset: int) -> int:
        self._note("read", self.paths.get(fd, ""))
        return super().pread_into(fd, view, offset)

    def pwrite(self, fd: int, data: Buffer, offset: int) -> int:
        path = self.paths.get(fd, "")
        self._note("write", path)
        self.before_write(path, bytes(data))
        if self.short_writes:
            self.short_writes -= 1
            data = bytes(data)[:4096]
        return super().pwrite(fd, data, offset)

    def close(self, fd: int) -> None:
        self._note("close", self.paths.get(fd, ""))
        super().close(fd)

    def fsync(self, fd: int) -> None:
        self._note("fsync", self.paths.get(fd, ""))
        super().fsync(fd)

    def fsync_directory(self, path: str) -> None:
        self._note("fsync", path)
        super().fsync_directory(path)

    def unlink(self, path: str) -> None:
        self._note("unlink", path)
        super().unlink(path)

    def rename(self, old: str, new: str) -> None:
        self._note("rename", old)
        super().rename(old, new)

    def stat(self, path: str) -> FileStatus | None:
        self._note("stat", path)
        return super().stat(path)

    def list_directory(self, path: str) -> list[str]:
        self._note("list", path)
        return super().list_directory(path)


def failing(call: str, number: int, *, times: int = 1) -> Callable[[str, str], None]:
    """A `before` that fails the first calls of a kind with an errno."""
    left = times

    def before(made: str, path: str) -> None:
        nonlocal left
        if made == call and left:
            left -= 1
            raise OSError(number, os.strerror(number))

    return before


def disk_full() -> Callable[[str, str], None]:
    """Every write finds the disk full."""
    return failing("write", errno.ENOSPC, times=1_000_000)
