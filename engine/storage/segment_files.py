"""The open segment files of relation forks: which descriptors this process has, found fast.

A fork is a list of descriptors, segment 0 first. All but the last segment with content are full;
segments behind a not full one may exist with length 0 (a truncated fork) and are not looked at.

Source: PostgreSQL 15, `_mdfd_getseg` in `storage/smgr/md.c`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final

from engine.errors import SqlError, SqlState
from engine.host.api import Host, OpenMode
from engine.storage.paths import relation_path
from engine.types import BLOCK_SIZE, RelFileLocator
from engine.wal.file_error import close_written, file_error

FREE_SPACE_HINT: Final = "Check free disk space."
_ZERO_PAGE: Final = bytes(BLOCK_SIZE)

ForkKey = tuple[RelFileLocator, int]


class SegmentFiles:
    """Descriptors by fork and segment, at most about `max_open_files` of them.

    `on_made(key, segment)` is told of every segment that is created or filled here, so that its
    content and its name become durable (SYNC-1, SYNC-7).
    """

    def __init__(
        self,
        host: Host,
        segment_blocks: int,
        max_open_files: int,
        on_made: Callable[[ForkKey, int], None],
    ) -> None:
        self._host = host
        self._on_made = on_made
        self._segment_blocks = segment_blocks
        self._max_open_files = max_open_files
        self._open_files = 0
        self._forks: dict[ForkKey, list[int]] = {}
        self.opened = self._forks.get
        """`opened(key)`: the descriptors of a fork that is open, or None."""

    def create(self, key: ForkKey, *, may_exist: bool) -> None:
        """Make the first segment of a fork and keep it open."""
        self.close(key)
        path = relation_path(*key)
        mode = OpenMode.WRITE | OpenMode.CREATE
        if not may_exist:
            mode |= OpenMode.EXCLUSIVE
        try:
            fd = self._host.open(path, mode)
        except OSError as error:
            raise file_error(error, f'could not create file "{path}"') from error
        self._adopt(key, [], fd)
        self._on_made(key, 0)

    def fork(self, key: ForkKey) -> list[int]:
        """The descriptors of a fork, opened if need be; 58P01 when there is no such file."""
        fds = self._forks.get(key)
        if fds is not None:
            return fds
        path = relation_path(*key)
        try:
            fd = self._host.open(path, OpenMode.WRITE)
        except OSError as error:
            raise file_error(error, f'could not open file "{path}"') from error
        fds = []
        self._adopt(key, fds, fd)
        return fds

    def open_next(self, key: ForkKey, fds: list[int], *, create: bool = False) -> bool:
        """Open the segment behind the last open one; whether it is there."""
        path = relation_path(*key, len(fds))
        mode = OpenMode.WRITE | OpenMode.CREATE if create else OpenMode.WRITE
        try:
            fd = self._host.open(path, mode)
        except OSError as error:
            if error.errno == errno.ENOENT and not create:
                return False
            raise file_error(error, f'could not open file "{path}"') from error
        self._adopt(key, fds, fd)
        if create:
            self._on_made(key, len(fds) - 1)
        return True

    def length(self, key: ForkKey, segment: int, fd: int) -> int:
        """Whole blocks in an open segment."""
        try:
            return self._host.file_size(fd) // BLOCK_SIZE
        except OSError as error:
            path = relation_path(*key, segment)
            raise file_error(error, f'could not seek to end of file "{path}"') from error

    def reach(self, key: ForkKey, segment: int, block: int, *, create: bool) -> list[int]:
        """The descriptors of a fork, up to `segment` at least.

        With `create`, segments before it are filled and it is made; otherwise a segment that is
        missing, or lies behind one that is not full, is an error.
        """
        fds = self.fork(key)
        while len(fds) <= segment:
            last = len(fds) - 1
            length = self.length(key, last, fds[last])
            if length < self._segment_blocks:
                if not create:
                    raise self._out_of_reach(key, segment, block, length)
                self._fill(key, last, fds[last])
            if not self.open_next(key, fds, create=create):
                path = relation_path(*key, last + 1)
                raise SqlError(
                    SqlState.UNDEFINED_FILE,
                    f'could not open file "{path}" (target block {block}): '
                    "No such file or directory",
                )
        return fds

    def close_last(self, key: ForkKey) -> None:
        """Close the last open segment of a fork."""
        fds = self._forks[key]
        fd = fds.pop()
        self._open_files -= 1
        close_written(self._host, fd, relation_path(*key, len(fds)))

    def close(self, key: ForkKey) -> None:
        """Close all segments of a fork; nothing is synced by that."""
        for segment, fd in enumerate(self._forks.pop(key, ())):
            self._open_files -= 1
            close_written(self._host, fd, relation_path(*key, segment))

    def close_all(self) -> None:
        """Close everything."""
        for key in list(self._forks):
            self.close(key)

    def _adopt(self, key: ForkKey, fds: list[int], fd: int) -> None:
        fds.append(fd)
        self._forks[key] = fds
        self._open_files += 1
        while self._open_files > self._max_open_files and len(self._forks) > 1:
            oldest = next(iter(self._forks))
            if oldest == key:
                self._forks[key] = self._forks.pop(key)
            else:
                self.close(oldest)

    def _fill(self, key: ForkKey, segment: int, fd: int) -> None:
        """Make a segment full by writing its last block."""
        path = relation_path(*key, segment)
        try:
            offset = (self._segment_blocks - 1) * BLOCK_SIZE
            written = self._host.pwrite(fd, _ZERO_PAGE, offset)
        except OSError as error:
            raise file_error(error, f'could not extend file "{path}"', FREE_SPACE_HINT) from error
        if written != BLOCK_SIZE:
            raise SqlError(
                SqlState.DISK_FULL,
                f'could not extend file "{path}": wrote only {written} of {BLOCK_SIZE} bytes '
                f"at block {self._segment_blocks - 1}",
                hint=FREE_SPACE_HINT,
            )
        self._on_made(key, segment)

    def _out_of_reach(self, key: ForkKey, segment: int, block: int, length: int) -> SqlError:
        path = relation_path(*key, segment)
        return SqlError(
            SqlState.UNDEFINED_FILE,
            f'could not open file "{path}" (target block {block}): '
            f"previous segment is only {length} blocks",
        )
