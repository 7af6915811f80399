"""From the ring to the disk: writing pages, syncing segments, and who does it for whom.

`flush(lsn)` returns when everything below `lsn` is on disk. Whoever gets WAL_WRITE writes and syncs
all that is complete at that moment, not only its own; the others wait, find their work done and
leave (group commit). Pages are written whole; the last one is written again when it has grown.

    ring:     ... written, synced | written | complete | being copied ...
                           FLUSHED_LSN  WRITTEN_LSN  INSERT_LSN

Whatever fails here is a PANIC (WAL-5): what was promised can no longer be kept, and after a failed
fsync nobody knows what the disk has.

Source: PostgreSQL 15, `XLogFlush`, `XLogWrite`, `XLogBackgroundFlush`, xlog.c.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.config import Config
from engine.errors import SqlError, SqlState
from engine.host.api import Host
from engine.host.points import Point
from engine.shmem.lwlock import EXCLUSIVE, WAL_INFO_MUTEX, WAL_WRITE, LWLocks
from engine.shmem.procs import BackendType
from engine.types import WAL_BLOCK_SIZE, format_lsn
from engine.wal.file_error import as_panic, close_written, file_panic
from engine.wal.segments import Segments, checkpoint_segments, write_fully
from engine.wal.shared import (
    ASYNC_COMMIT_LSN,
    CHECKPOINT_REDO_LSN,
    FLUSHED_LSN,
    INSERT_LSN,
    WAL_WRITER_SLEEPS,
    WRITTEN_LSN,
    WalShared,
)

_PAGE_MASK: Final = WAL_BLOCK_SIZE - 1


class WalFlusher:
    """Writing the WAL, as one process does it.

    `request_checkpoint` is called when so much was written since the last redo point that a
    checkpoint is due.
    """

    def __init__(
        self,
        host: Host,
        shared: WalShared,
        locks: LWLocks,
        segments: Segments,
        config: Config,
        request_checkpoint: Callable[[], None],
    ) -> None:
        self._host = host
        self._words = shared.words
        self._ring = shared.ring
        self._pages = shared.page_count
        self._locks = locks
        self._segments = segments
        self._segment_size = segments.segment_size
        self.config = config
        self.request_checkpoint = request_checkpoint
        self._fd = -1
        self._fd_segment = -1
        self._last_background_sync_us = 0

    def flush(self, lsn: int) -> None:
        """Return when the WAL is on disk up to `lsn`. Not for use in recovery."""
        words = self._words
        while words[FLUSHED_LSN] < lsn:
            if lsn > words[INSERT_LSN]:
                raise SqlError(
                    SqlState.INTERNAL_ERROR,
                    f"xlog flush request {format_lsn(lsn)} is not satisfied "
                    f"--- flushed only to {format_lsn(words[FLUSHED_LSN])}",
                )
            # WAL-4: who had to wait looks again before it does anything itself.
            if not self._locks.acquire_or_wait(WAL_WRITE, EXCLUSIVE):
                continue
            if words[FLUSHED_LSN] < lsn:
                self.write(words[INSERT_LSN], sync=True)
            self._locks.release(WAL_WRITE)

    def write_out(self, lsn: int) -> None:
        """Get the pages below `lsn`, a page boundary, out of the ring, without a sync. The caller
        holds WAL_INSERT and knows that they are complete."""
        self._locks.acquire(WAL_WRITE, EXCLUSIVE)
        if self._words[WRITTEN_LSN] < lsn:
            self.write(lsn, sync=False)
        self._locks.release(WAL_WRITE)

    def background_flush(self) -> bool:
        """One round of the WAL writer: write full pages, and what asynchronous commits need; sync
        now and then. Whether there was anything to do."""
        words = self._words
        target = words[INSERT_LSN] & ~_PAGE_MASK
        if target <= words[FLUSHED_LSN]:
            target = words[ASYNC_COMMIT_LSN]
        if target <= words[FLUSHED_LSN]:
            self._close_finished_segment()
            return False
        sync = self._is_background_sync_due(target)
        self._locks.acquire(WAL_WRITE, EXCLUSIVE)
        if words[WRITTEN_LSN] < target or (sync and words[FLUSHED_LSN] < target):
            self.write(target, sync=sync)
        self._locks.release(WAL_WRITE)
        return True

    def request_async_flush(self, lsn: int) -> None:
        """A commit record ends at `lsn` and nobody waits for it: the WAL writer is to flush it
        (`XLogSetAsyncXactLSN`)."""
        words = self._words
        mutex = self._locks.mutex(WAL_INFO_MUTEX)
        mutex.acquire()
        words[ASYNC_COMMIT_LSN] = max(words[ASYNC_COMMIT_LSN], lsn)
        mutex.release()
        # A WAL writer that is awake comes by soon; a whole page is worth waking it at once.
        if words[WAL_WRITER_SLEEPS] or lsn & ~_PAGE_MASK > words[FLUSHED_LSN]:
            self._host.wake(BackendType.WAL_WRITER)

    def write(self, target: int, *, sync: bool) -> None:
        """Write up to `target`, and sync if asked. The caller holds WAL_WRITE."""
        words = self._words
        try:
            if words[WRITTEN_LSN] < target:
                self._write_pages(target)
            if sync and words[FLUSHED_LSN] < words[WRITTEN_LSN]:
                self._host.point(Point.WAL_WRITTEN_NOT_SYNCED, words[WRITTEN_LSN])
                self._open((words[WRITTEN_LSN] - 1) // self._segment_size)
                self._sync()
                words[FLUSHED_LSN] = words[WRITTEN_LSN]
        except SqlError as error:
            raise as_panic(error) from error

    def close(self) -> None:
        """Close the segment that is open."""
        fd, segment = self._fd, self._fd_segment
        self._fd = self._fd_segment = -1
        if fd >= 0:
            close_written(self._host, fd, self._segments.file_name(segment))

    def _write_pages(self, target: int) -> None:
        words, ring, size = self._words, self._ring, self._segment_size
        address = words[WRITTEN_LSN] & ~_PAGE_MASK
        end = (target + _PAGE_MASK) & ~_PAGE_MASK
        while address < end:
            place = (address >> 13) % self._pages
            offset = address % size
            length = min(end - address, self._pages - place << 13, size - offset)
            segment = address // size
            self._open(segment)
            place <<= 13
            try:
                write_fully(self._host, self._fd, ring[place : place + length], offset)
            except OSError as error:
                raise file_panic(
                    error,
                    f"could not write to log file {self._segments.file_name(segment)} "
                    f"at offset {offset}, length {length}",
                ) from error
            address += length
            if address <= target and not address % size:
                self._finish_segment(segment, address)
        words[WRITTEN_LSN] = target

    def _finish_segment(self, segment: int, end: int) -> None:
        """A full segment is synced at once: later syncs look at the segment they end in only."""
        self._sync()
        words = self._words
        words[WRITTEN_LSN] = end
        words[FLUSHED_LSN] = end
        allowed = checkpoint_segments(self.config, self._segment_size) - 1
        if segment >= words[CHECKPOINT_REDO_LSN] // self._segment_size + allowed:
            self.request_checkpoint()

    def _open(self, segment: int) -> None:
        if self._fd_segment == segment:
            return
        self.close()
        self._fd, _ = self._segments.open_or_create(segment)
        self._fd_segment = segment

    def _sync(self) -> None:
        if not self.config.fsync:
            return
        try:
            self._host.fsync(self._fd)
        except OSError as error:
            name = self._segments.file_name(self._fd_segment)
            raise file_panic(error, f'could not fsync file "{name}"') from error

    def _is_background_sync_due(self, target: int) -> bool:
        now = self._host.monotonic_us()
        pages = (target >> 13) - (self._words[FLUSHED_LSN] >> 13)
        due = (
            target & _PAGE_MASK != 0
            or not self.config.wal_writer_flush_after
            or pages >= self.config.wal_writer_flush_after
            or now - self._last_background_sync_us >= self.config.wal_writer_delay * 1000
        )
        if due:
            self._last_background_sync_us = now
        return due

    def _close_finished_segment(self) -> None:
        # An idle WAL writer must not hold on to a segment that was recycled.
        if self._fd >= 0 and self._fd_segment != self._words[WRITTEN_LSN] // self._segment_size:
            self.close()
