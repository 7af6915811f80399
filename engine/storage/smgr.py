"""The storage manager: relation forks as files of 8 KiB blocks, cut into segments of 1 GiB.

    base/5/16384        first segment of the main fork
    base/5/16384.1      second segment
    base/5/16384_fsm    free space map

Blocks are read and written straight through the host, without buffering. Each write is announced to
`SyncRequests`, which makes the file durable at the next checkpoint (SYNC-1).

Source: PostgreSQL 15, `storage/smgr/md.c`.
"""

from __future__ import annotations

import errno
from typing import Final

from engine.errors import SqlError, SqlState
from engine.host.api import Buffer, Host, OpenMode
from engine.shmem.log import Log
from engine.storage.paths import relation_path
from engine.storage.segment_files import FREE_SPACE_HINT, ForkKey, SegmentFiles
from engine.storage.sync_requests import SyncRequests
from engine.storage.sync_tags import directory_tag, relation_tag
from engine.types import BLOCK_SIZE, BLOCKS_PER_FILE, RelFileLocator, RelFork
from engine.wal.file_error import file_error

_ZERO_PAGE: Final = bytes(BLOCK_SIZE)
_ALL_FORKS: Final = tuple(RelFork)


class Smgr:
    """The relation files as one process sees them.

    In recovery (`in_recovery`) a block that is missing reads as zeroes and gaps before a written
    segment are filled: WAL may speak of blocks that a later record cuts off or drops.
    """

    def __init__(
        self,
        host: Host,
        sync: SyncRequests,
        log: Log,
        *,
        in_recovery: bool = False,
        max_open_files: int = 500,
        segment_blocks: int = BLOCKS_PER_FILE,
    ) -> None:
        self.in_recovery = in_recovery
        self._host = host
        self._sync = sync
        self._log = log
        self._segment_blocks = segment_blocks
        self._files = SegmentFiles(host, segment_blocks, max_open_files, self._on_made)
        self._opened = self._files.opened

    # files ---------------------------------------------------------------------------------------

    def relation_path(self, locator: RelFileLocator, fork: int, segment: int = 0) -> str:
        """Path of a segment, relative to the data directory."""
        return relation_path(locator, fork, segment)

    def exists(self, locator: RelFileLocator, fork: int) -> bool:
        """Whether the fork has a file."""
        path = relation_path(locator, fork)
        try:
            return self._host.stat(path) is not None
        except OSError as error:
            raise file_error(error, f'could not open file "{path}"') from error

    def create(self, locator: RelFileLocator, fork: int, is_redo: bool = False) -> None:
        """Make the fork's first, empty segment; in redo it may be there already."""
        key = (locator, fork)
        if is_redo and self._opened(key) is not None:
            return
        self._files.create(key, may_exist=is_redo)

    def unlink(self, locator: RelFileLocator, fork: int, is_redo: bool = False) -> None:
        """Remove a fork's files; one that is missing is passed over.

        The first segment of the main fork is emptied at once, but its name goes only after the next
        checkpoint (SYNC-5). Failures are warnings: the transaction that dropped it has committed.
        """
        self._files.close((locator, fork))
        path = relation_path(locator, fork)
        if fork == RelFork.MAIN and not is_redo:
            exists = self._empty_file(path)
            self._sync.register_unlink(relation_tag(locator, fork, 0))
        else:
            exists = self._empty_file(path)
            self._sync.register_forget(relation_tag(locator, fork, 0))
            if exists:
                self._remove_file(path)
        segment = 1
        while exists and self._empty_file(path := relation_path(locator, fork, segment)):
            self._sync.register_forget(relation_tag(locator, fork, segment))
            self._remove_file(path)
            segment += 1

    def unlink_relation(self, locator: RelFileLocator, is_redo: bool = False) -> None:
        """Remove all forks; their buffers must be dropped already. Never an ERROR: see `unlink`."""
        for fork in _ALL_FORKS:
            if fork == RelFork.MAIN or self._may_exist(locator, fork):
                self.unlink(locator, fork, is_redo)

    def close(self, locator: RelFileLocator) -> None:
        """Close the descriptors of a relation (its files have changed under another process)."""
        for fork in _ALL_FORKS:
            self._files.close((locator, fork))

    def close_all(self) -> None:
        """Close all descriptors."""
        self._files.close_all()

    # blocks --------------------------------------------------------------------------------------

    def nblocks(self, locator: RelFileLocator, fork: int) -> int:
        """Number of blocks in the fork."""
        files = self._files
        key = (locator, fork)
        fds = self._opened(key) or files.fork(key)
        while True:
            segment = len(fds) - 1
            blocks = files.length(key, segment, fds[segment])
            if blocks < self._segment_blocks:
                return segment * self._segment_blocks + blocks
            if not files.open_next(key, fds):
                return (segment + 1) * self._segment_blocks

    def read_into(self, locator: RelFileLocator, fork: int, block: int, view: memoryview) -> None:
        """Read one block into `view` (8192 bytes)."""
        segment, inside = divmod(block, self._segment_blocks)
        fds = self._segments((locator, fork), segment, block, create=self.in_recovery)
        try:
            length = self._host.pread_into(fds[segment], view, inside * BLOCK_SIZE)
        except OSError as error:
            path = relation_path(locator, fork, segment)
            raise file_error(error, f'could not read block {block} in file "{path}"') from error
        if length == BLOCK_SIZE:
            return
        if self.in_recovery:
            view[:] = _ZERO_PAGE
            return
        path = relation_path(locator, fork, segment)
        raise SqlError(
            SqlState.DATA_CORRUPTED,
            f'could not read block {block} in file "{path}": '
            f"read only {length} of {BLOCK_SIZE} bytes",
        )

    def read_many(self, locator: RelFileLocator, fork: int, block: int, count: int) -> bytes:
        """Whole blocks from `block` on, `count` at most; fewer at the end of a segment."""
        segment, inside = divmod(block, self._segment_blocks)
        count = min(count, self._segment_blocks - inside)
        fds = self._segments((locator, fork), segment, block, create=False)
        try:
            data = self._host.pread(fds[segment], count * BLOCK_SIZE, inside * BLOCK_SIZE)
        except OSError as error:
            path = relation_path(locator, fork, segment)
            raise file_error(error, f'could not read block {block} in file "{path}"') from error
        return data[: len(data) - len(data) % BLOCK_SIZE]

    def write(self, locator: RelFileLocator, fork: int, block: int, data: Buffer) -> None:
        """Write one existing block."""
        segment, inside = divmod(block, self._segment_blocks)
        fds = self._segments((locator, fork), segment, block, create=self.in_recovery)
        try:
            written = self._host.pwrite(fds[segment], data, inside * BLOCK_SIZE)
        except OSError as error:
            path = relation_path(locator, fork, segment)
            raise file_error(error, f'could not write block {block} in file "{path}"') from error
        if written != BLOCK_SIZE:
            path = relation_path(locator, fork, segment)
            raise SqlError(
                SqlState.DISK_FULL,
                f'could not write block {block} in file "{path}": '
                f"wrote only {written} of {BLOCK_SIZE} bytes",
                hint=FREE_SPACE_HINT,
            )
        self._sync.register(relation_tag(locator, fork, segment))  # SYNC-1

    def extend(self, locator: RelFileLocator, fork: int, block: int, data: Buffer) -> None:
        """Write a block behind the end of the fork, which then is `block` + 1 blocks long."""
        segment, inside = divmod(block, self._segment_blocks)
        fds = self._segments((locator, fork), segment, block, create=True)
        path = relation_path(locator, fork, segment)
        try:
            written = self._host.pwrite(fds[segment], data, inside * BLOCK_SIZE)
        except OSError as error:
            message = f'could not extend file "{path}"'
            raise file_error(error, message, FREE_SPACE_HINT) from error
        if written != BLOCK_SIZE:
            raise SqlError(
                SqlState.DISK_FULL,
                f'could not extend file "{path}": '
                f"wrote only {written} of {BLOCK_SIZE} bytes at block {block}",
                hint=FREE_SPACE_HINT,
            )
        self._sync.register(relation_tag(locator, fork, segment))  # SYNC-1

    def truncate(self, locator: RelFileLocator, fork: int, nblocks: int) -> None:
        """Cut the fork to `nblocks` blocks; its buffers from there on must be dropped already.

        Segments that become empty are kept with length 0: another process may have them open.
        """
        current = self.nblocks(locator, fork)
        if nblocks > current and not self.in_recovery:
            path = relation_path(locator, fork)
            raise SqlError(
                SqlState.INTERNAL_ERROR,
                f'could not truncate file "{path}" to {nblocks} blocks: '
                f"it's only {current} blocks now",
            )
        if nblocks >= current:
            return
        key = (locator, fork)
        fds = self._files.fork(key)
        while (first := (len(fds) - 1) * self._segment_blocks) >= nblocks and len(fds) > 1:
            self._cut(key, len(fds) - 1, fds[-1], 0)
            self._files.close_last(key)
        if first + self._segment_blocks > nblocks:
            self._cut(key, len(fds) - 1, fds[-1], nblocks - first)

    # -------------------------------------------------------------------------------------------

    def _segments(self, key: ForkKey, segment: int, block: int, *, create: bool) -> list[int]:
        fds = self._opened(key)
        if fds is not None and segment < len(fds):
            return fds
        return self._files.reach(key, segment, block, create=create)

    def _on_made(self, key: ForkKey, segment: int) -> None:
        """SYNC-7: what was made here, be it while WAL is replayed, is known to the checkpointer."""
        self._sync.register(relation_tag(*key, segment))
        self._sync.register(directory_tag(key[0]))

    def _cut(self, key: ForkKey, segment: int, fd: int, blocks: int) -> None:
        try:
            self._host.truncate(fd, blocks * BLOCK_SIZE)
        except OSError as error:
            path = relation_path(*key, segment)
            raise file_error(
                error, f'could not truncate file "{path}" to {blocks} blocks'
            ) from error
        self._sync.register(relation_tag(*key, segment))  # SYNC-1

    def _may_exist(self, locator: RelFileLocator, fork: int) -> bool:
        """Whether it has to be removed; who cannot find out tries."""
        try:
            return self._host.stat(relation_path(locator, fork)) is not None
        except OSError:
            return True

    def _empty_file(self, path: str) -> bool:
        """Give a file's space back, even if other processes have it open; whether it is there."""
        try:
            fd = self._host.open(path, OpenMode.WRITE)
            try:
                self._host.truncate(fd, 0)
            finally:
                self._host.close(fd)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return False
            self._log.warning(f'could not truncate file "{path}": {error.strerror}')
        return True

    def _remove_file(self, path: str) -> None:
        try:
            self._host.unlink(path)
        except OSError as error:
            if error.errno != errno.ENOENT:
                self._log.warning(f'could not remove file "{path}": {error.strerror}')
