"""Writing dirty pages out: WAL first, checksum on a copy, one page or a batch.

    1  pin, content lock SHARED, claim the write (IO_IN_PROGRESS)
    2  under the header mutex: read the page's LSN, clear JUST_DIRTIED
    3  copy the page; give the content lock back
    4  flush WAL up to the highest LSN of the batch (BUF-1)
    5  checksums into the copies (BUF-8); write them, which registers the sync (SYNC-1)
    6  clear DIRTY unless the page was changed since 2 (BUF-7); unpin

In a batch nothing is waited for while other writes are claimed: a page whose lock or write is taken
ends the batch and is begun alone. Otherwise two writers, or a writer and a backend that has a page
locked while it looks for a victim, could wait for each other (BUF-9).

Source: PostgreSQL 15, `FlushBuffer` and `SyncOneBuffer` in `bufmgr.c`, `PageSetChecksumCopy` in
`bufpage.c`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from engine.errors import SqlError
from engine.host.api import Host
from engine.host.points import Point
from engine.shmem.lwlock import BUFFER_CONTENT, SHARED, LWLocks
from engine.storage.buffer.buffer_io import BUSY, STARTED, BufferIo
from engine.storage.buffer.pins import HEADER_MASK, Pins
from engine.storage.buffer.pool import DIRTY, JUST_DIRTIED, BufferPool, PageKey
from engine.storage.checksum import page_checksum, page_checksums
from engine.storage.page import is_new, page_lsn, set_checksum
from engine.storage.paths import relation_path
from engine.storage.smgr import Smgr
from engine.types import BLOCK_SIZE

LARGEST_BATCH: Final = 64


class _Staged(NamedTuple):
    """One page of a batch: copied, its write claimed, its buffer pinned."""

    buffer: int
    key: PageKey
    lsn: int


class PageWriter:
    """Writes pages of the pool for one process."""

    def __init__(
        self,
        host: Host,
        pool: BufferPool,
        locks: LWLocks,
        pins: Pins,
        io: BufferIo,
        smgr: Smgr,
        *,
        flush_wal: Callable[[int], None],
        checksums: bool,
    ) -> None:
        self.flush_wal = flush_wal
        self._host = host
        self._pool = pool
        self._locks = locks
        self._pins = pins
        self._io = io
        self._smgr = smgr
        self._checksums = checksums
        # A batch may pin no more than a fraction of a small pool.
        self._batch_size = max(1, min(LARGEST_BATCH, pool.count // 16))
        self._copies = memoryview(bytearray(self._batch_size * BLOCK_SIZE))

    def write(self, buffer: int) -> bool:
        """Write one page that is pinned and locked by the caller; False when it is clean."""
        if self._io.begin_write(buffer) != STARTED:
            return False
        staged = self._copy(buffer, 0)
        self._finish_batch([staged])
        return True

    def write_all(
        self, buffers: Iterable[int], on_batch: Callable[[int], None] | None = None
    ) -> int:
        """Write those of the buffers that are dirty; how many. The caller need not pin them.

        `on_batch(done)` is told after each batch how many buffers have been looked at.
        """
        written = 0
        done = 0
        batch: list[_Staged] = []
        for buffer in buffers:
            is_staged = self._stage(buffer, batch, wait=not batch)
            if not is_staged or len(batch) == self._batch_size:
                written += self._write_batch(batch)
                if on_batch is not None:
                    on_batch(done)
            if not is_staged:
                self._stage(buffer, batch, wait=True)
            done += 1
        written += self._write_batch(batch)
        if on_batch is not None:
            on_batch(done)
        return written

    def _stage(self, buffer: int, batch: list[_Staged], *, wait: bool) -> bool:
        """Add a dirty page to the batch; False when that needs waiting and may not (BUF-9)."""
        locks, pins = self._locks, self._pins
        if not self._pool.flags[buffer] & DIRTY:
            return True
        pins.lock_header[buffer & HEADER_MASK]()
        pins.pin_locked(buffer)
        lock = BUFFER_CONTENT + buffer
        if wait:
            locks.acquire(lock, SHARED)
        elif not locks.try_acquire(lock, SHARED):
            pins.unpin(buffer)
            return False
        outcome = self._io.begin_write(buffer, wait=wait)
        if outcome == STARTED:
            batch.append(self._copy(buffer, len(batch)))
        locks.release(lock)
        if outcome != STARTED:
            pins.unpin(buffer)
        return outcome != BUSY

    def _copy(self, buffer: int, place: int) -> _Staged:
        """Copy a page whose write is claimed and whose content is locked."""
        pool, pins = self._pool, self._pins
        page = pool.pages[buffer]
        # The mutex: whoever sets hint bits may set the LSN under a shared lock.
        pins.lock_header[buffer & HEADER_MASK]()
        lsn = page_lsn(page)
        pool.flags[buffer] &= ~JUST_DIRTIED
        pins.unlock_header[buffer & HEADER_MASK]()
        self._copies[place * BLOCK_SIZE : (place + 1) * BLOCK_SIZE] = page
        return _Staged(buffer, pool.key(buffer), lsn)

    def _write_batch(self, batch: list[_Staged]) -> int:
        """Write a batch whose pages this writer has pinned, and empty it; how many."""
        if not batch:
            return 0
        self._finish_batch(batch)
        for staged in batch:
            self._pins.unpin(staged.buffer)
        written = len(batch)
        batch.clear()
        return written

    def _finish_batch(self, batch: list[_Staged]) -> None:
        self.flush_wal(max(staged.lsn for staged in batch))  # BUF-1
        self._set_checksums(batch)
        for place, (buffer, key, _) in enumerate(batch):
            copy = self._copies[place * BLOCK_SIZE : (place + 1) * BLOCK_SIZE]
            try:
                self._smgr.write(*key, copy)
            except SqlError as error:
                locator, fork, block = key
                path = relation_path(locator, fork)
                error.context = f"writing block {block} of relation {path}"
                raise
            self._host.point(Point.BUFFER_WRITTEN, key[2])
            self._io.end(buffer, clear_dirty=True)

    def _set_checksums(self, batch: list[_Staged]) -> None:
        """BUF-8."""
        if not self._checksums:
            return
        blocks = [staged.key[2] for staged in batch]
        copies = self._copies[: len(batch) * BLOCK_SIZE]
        if len(batch) == 1:
            checksums = [page_checksum(copies, blocks[0])]
        else:
            checksums = page_checksums(copies, blocks)
        for place, checksum in enumerate(checksums):
            copy = copies[place * BLOCK_SIZE : (place + 1) * BLOCK_SIZE]
            if not is_new(copy):
                set_checksum(copy, checksum)
