"""The buffer pool as one process uses it: read, pin, lock, change, release.

    buffer = buffers.read(locator, RelFork.MAIN, block)      pinned
    buffers.lock(buffer, EXCLUSIVE)
    page = buffers.page(buffer)                              8192 bytes of shared memory
    ... change the page, buffers.mark_dirty(buffer), insert the WAL record, set the page LSN ...
    buffers.unlock_release(buffer)

A buffer is a number; it is good for as long as the process has it pinned. After an error anywhere
in here the process must call `locks.release_all()` and then `release_all()`, as abort does.

Source: PostgreSQL 15, `storage/buffer/bufmgr.c`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from engine.config import Config
from engine.errors import SqlError, SqlState, check
from engine.host.api import Host
from engine.host.points import Point
from engine.shmem.log import Log
from engine.shmem.lwlock import EXCLUSIVE, RELATION_EXTENSION, LWLocks
from engine.shmem.procs import ProcTable
from engine.storage.buffer.background_sweep import BackgroundSweep
from engine.storage.buffer.buffer_io import STARTED, BufferIo
from engine.storage.buffer.checkpoint_writer import CheckpointWriter
from engine.storage.buffer.clock_sweep import ClockSweep
from engine.storage.buffer.content_locks import ContentLocks
from engine.storage.buffer.discard import Discard
from engine.storage.buffer.known_pages import KnownPages
from engine.storage.buffer.lookup_table import LookupTable
from engine.storage.buffer.page_reader import PageReader
from engine.storage.buffer.page_writer import PageWriter
from engine.storage.buffer.pins import HEADER_MASK, Pins
from engine.storage.buffer.pool import CLEANUP_WAITER, DIRTIED, DIRTY, VALID, BufferPool, PageKey
from engine.storage.buffer.replacement import Replacement
from engine.storage.page import is_new, set_page_lsn
from engine.storage.paths import relation_path
from engine.storage.smgr import Smgr
from engine.types import BLOCK_SIZE, RelFileLocator

_ZERO_PAGE: Final = bytes(BLOCK_SIZE)
_DELAY_CHECKPOINT: Final = 1


class ReadMode(IntEnum):
    """What `read` does beside pinning (`ReadBufferMode`)."""

    NORMAL = 0
    ZERO_ON_ERROR = 1
    """An invalid page is zeroed with a warning, for forks that can be rebuilt (FSM, VM)."""
    ZERO_AND_LOCK = 2
    """Do not read the file: a zero page, unless it is in the pool already; locked EXCLUSIVE."""
    ZERO_AND_CLEANUP_LOCK = 3
    """The same, with nobody else having it pinned."""


_NORMAL: Final = ReadMode.NORMAL
_ZERO_AND_LOCK: Final = ReadMode.ZERO_AND_LOCK


class Buffers:
    """One process's way to the pages.

    `flush_wal(lsn)` makes the WAL durable up to an LSN. `log_hint(buffer)` logs a full-page image
    if the page has none since the last redo point, and returns the record's end, 0 for none; it is
    None when neither checksums nor wal_log_hints are on.
    """

    def __init__(
        self,
        host: Host,
        pool: BufferPool,
        locks: LWLocks,
        smgr: Smgr,
        procs: ProcTable,
        slot: int,
        config: Config,
        log: Log,
        *,
        flush_wal: Callable[[int], None],
        log_hint: Callable[[int], int] | None = None,
        checksums: bool = True,
        in_recovery: bool = False,
    ) -> None:
        self.in_recovery = in_recovery
        self.log_hint = log_hint
        self._host = host
        self._pool = pool
        self._locks = locks
        self._smgr = smgr
        self._delay_checkpoint = procs.delay_checkpoint
        self._slot = slot
        pins = self._pins = Pins(host, pool, locks)
        self._io = BufferIo(host, pool, pins, slot, log)
        table = LookupTable(pool)
        sweep = ClockSweep(host, pool, locks, pins)
        self.reader = PageReader(smgr, log, config.value, checksums=checksums)
        self.writer = PageWriter(
            host, pool, locks, pins, self._io, smgr, flush_wal=flush_wal, checksums=checksums
        )
        self._known = KnownPages(pool, pins)
        self._content = ContentLocks(host, pool, locks, pins, slot)
        self._replacement = Replacement(host, pool, locks, pins, table, sweep, self.writer)
        discard = Discard(host, pool, locks, pins, self._io, table, sweep)
        checkpoint_writer = CheckpointWriter(pool, pins, self.writer)

        self.page: Callable[[int], memoryview] = pool.pages.__getitem__
        """`page(buffer)`: its 8192 bytes, good while it is pinned."""
        self.tag: Callable[[int], PageKey] = self._known.key
        """`tag(buffer)`: (locator, fork, block) of a pinned buffer."""
        self.lock = self._content.lock
        self.try_lock = self._content.try_lock
        self.unlock = self._content.unlock
        self.lock_for_cleanup = self._content.lock_for_cleanup
        self.try_lock_for_cleanup = self._content.try_lock_for_cleanup
        self.is_cleanup_locked = self._content.is_cleanup_locked
        self.drop_relation = discard.drop_relation
        self.drop_relations = discard.drop_relations
        self.drop_from = discard.drop_from
        self.flush_all = checkpoint_writer.flush_all
        self.background_sweep = BackgroundSweep(pool, sweep, self.writer, config)

        self._pin_known = self._known.pin
        self._counts = pins.counts
        self._lock_header = pins.lock_header
        self._unlock_header = pins.unlock_header
        self._flags = pool.flags
        self._refcounts = pool.refcounts
        self._modes = self._content.modes

    # pinning -------------------------------------------------------------------------------------

    def read(self, locator: RelFileLocator, fork: int, block: int, mode: ReadMode = _NORMAL) -> int:
        """The buffer that has the block, pinned, and locked if `mode` says so.

        The block must exist in the file, but for the ZERO modes. XX001 for an invalid page.
        """
        key = (locator, fork, block)
        buffer = self._pin_known(key)
        if buffer < 0:
            return self._read_unknown(key, mode)
        if mode >= _ZERO_AND_LOCK:
            self._lock_for(mode, buffer)
        return buffer

    def recent(self, locator: RelFileLocator, fork: int, block: int) -> int:
        """As `read`, but only if this process had the page lately and it is there still; or -1."""
        return self._pin_known((locator, fork, block))

    def extend(self, locator: RelFileLocator, fork: int) -> int:
        """Make the fork one block longer; the new zero page, pinned and locked EXCLUSIVE.

        53100 when the disk is full; the fork is as long as before then.
        """
        # The victim first: writing it out must not make other extenders wait.
        victim = self._replacement.take_victim()
        self._locks.acquire(RELATION_EXTENSION, EXCLUSIVE)
        block = self._smgr.nblocks(locator, fork)
        key = (locator, fork, block)
        buffer, is_valid = self._replacement.claim(key, victim)
        if is_valid or self._io.begin_read(buffer) != STARTED:
            self._take_over_page_behind_end(key, buffer)
        page = self._pool.pages[buffer]
        page[:] = _ZERO_PAGE
        self._smgr.extend(locator, fork, block, page)
        self._host.point(Point.RELATION_EXTENDED, block)
        self.lock(buffer, EXCLUSIVE)
        self._io.end(buffer, set_flags=VALID)
        self._locks.release(RELATION_EXTENSION)
        self._known.remember(key, buffer)
        return buffer

    def release(self, buffer: int) -> None:
        """Unpin."""
        if self._counts.get(buffer) == 1:
            mutex = buffer & HEADER_MASK
            self._lock_header[mutex]()
            if not self._flags[buffer] & CLEANUP_WAITER:
                self._refcounts[buffer] -= 1
                self._unlock_header[mutex]()
                del self._counts[buffer]
                return
            self._unlock_header[mutex]()
        self._pins.unpin(buffer)

    def unlock_release(self, buffer: int) -> None:
        """Unlock and unpin."""
        self.unlock(buffer)
        self.release(buffer)

    def pin_again(self, buffer: int) -> None:
        """One more pin on a buffer that this process has pinned (IncrBufferRefCount)."""
        check(buffer in self._counts, "BUF-2", "the buffer is not pinned", buffer=buffer)
        self._counts[buffer] += 1

    def pinned(self) -> list[int]:
        """The buffers that this process has pinned."""
        return list(self._counts)

    def release_all(self) -> None:
        """Give up all I/O, content locks and pins, after `locks.release_all()`: the error path."""
        self._io.abandon_all()
        self._modes.clear()
        self._pins.unpin_all()

    # changing ------------------------------------------------------------------------------------

    def mark_dirty(self, buffer: int) -> None:
        """Note that the page is being changed; under its EXCLUSIVE lock, before the WAL record."""
        check(self._modes.get(buffer) == EXCLUSIVE, "BUF-10", "changed without lock", buffer=buffer)
        # Only a writer takes these bits away, and it needs the content lock for that.
        if self._flags[buffer] & DIRTIED != DIRTIED:
            mutex = buffer & HEADER_MASK
            self._lock_header[mutex]()
            self._flags[buffer] |= DIRTIED
            self._unlock_header[mutex]()

    def mark_dirty_hint(self, buffer: int) -> None:
        """Note that hint bits were set, under any content lock (MarkBufferDirtyHint).

        The change may get lost. If it is the first of a clean page since the redo point, the page
        is logged whole: a torn write of it would fail the checksum (BUF-12).
        """
        if self._flags[buffer] & DIRTIED == DIRTIED:
            return
        lsn = 0
        delay, slot = self._delay_checkpoint, self._slot
        previous_delay = delay[slot]
        if self.log_hint is not None:
            if self.in_recovery:
                return
            # A checkpoint whose redo point is behind the image must find the page dirty.
            delay[slot] = previous_delay | _DELAY_CHECKPOINT
            lsn = self.log_hint(buffer)
        mutex = buffer & HEADER_MASK
        self._lock_header[mutex]()
        flags = self._flags[buffer]
        if lsn and not flags & DIRTY:
            set_page_lsn(self._pool.pages[buffer], lsn)
        self._flags[buffer] = flags | DIRTIED
        self._unlock_header[mutex]()
        delay[slot] = previous_delay

    def is_dirty(self, buffer: int) -> bool:
        """Whether the page is newer than the file."""
        return bool(self._flags[buffer] & DIRTY)

    # -------------------------------------------------------------------------------------------

    def _read_unknown(self, key: PageKey, mode: ReadMode) -> int:
        buffer, is_valid = self._replacement.claim(key)
        is_locked = False
        if not is_valid and self._io.begin_read(buffer) == STARTED:
            page = self._pool.pages[buffer]
            if mode >= _ZERO_AND_LOCK:
                page[:] = _ZERO_PAGE
                # Before it is valid: nobody may see the page while it is still empty.
                self.lock(buffer, EXCLUSIVE)
                is_locked = True
            else:
                self.reader.read(key, page, zero_on_error=mode == ReadMode.ZERO_ON_ERROR)
            self._io.end(buffer, set_flags=VALID)
        self._known.remember(key, buffer)
        if mode >= _ZERO_AND_LOCK and not is_locked:
            self._lock_for(mode, buffer)
        return buffer

    def _lock_for(self, mode: ReadMode, buffer: int) -> None:
        if mode == _ZERO_AND_LOCK:
            self.lock(buffer, EXCLUSIVE)
        else:
            self.lock_for_cleanup(buffer)

    def _take_over_page_behind_end(self, key: PageKey, buffer: int) -> None:
        """The pool has a page from behind the end of the file: only a zero one may be there."""
        if not is_new(self._pool.pages[buffer]):
            locator, fork, block = key
            raise SqlError(
                SqlState.INTERNAL_ERROR,
                f"unexpected data beyond EOF in block {block} "
                f"of relation {relation_path(locator, fork)}",
                hint="This has been seen to occur with buggy kernels; "
                "consider updating your system.",
            )
        has_begun = False
        while not has_begun:
            mutex = buffer & HEADER_MASK
            self._lock_header[mutex]()
            self._flags[buffer] &= ~VALID
            self._unlock_header[mutex]()
            has_begun = self._io.begin_read(buffer) == STARTED
