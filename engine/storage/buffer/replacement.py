"""Giving a page a buffer: look it up, or take a victim, write it out if dirty, and rename it.

    find the page under its mapping lock (SHARED)     found: pin it, done
    take a victim from the sweep, pinned              dirty: write it, if its lock is free
    both mapping locks EXCLUSIVE, in lock order
        the page came in meanwhile                    use that one, give the victim back
        victim pinned by others or dirty again        give it back, take another
        otherwise                                     old entry out, new tag, new entry in (BUF-5)

The page's content is not there yet: whoever begins the read fills it (BUF-6).

Source: PostgreSQL 15, `BufferAlloc` in `storage/buffer/bufmgr.c`.
"""

from __future__ import annotations

from engine.host.api import Host
from engine.host.points import Point
from engine.shmem.lwlock import BUFFER_CONTENT, EXCLUSIVE, SHARED, LWLocks
from engine.storage.buffer.clock_sweep import ClockSweep
from engine.storage.buffer.lookup_table import LookupTable
from engine.storage.buffer.page_writer import PageWriter
from engine.storage.buffer.pins import HEADER_MASK, Pins
from engine.storage.buffer.pool import DIRTY, TAG_VALID, VALID, BufferPool, PageKey


class Replacement:
    """Finds or makes the buffer of a page, for one process."""

    def __init__(
        self,
        host: Host,
        pool: BufferPool,
        locks: LWLocks,
        pins: Pins,
        table: LookupTable,
        sweep: ClockSweep,
        writer: PageWriter,
    ) -> None:
        self._host = host
        self._pool = pool
        self._locks = locks
        self._pins = pins
        self._table = table
        self._sweep = sweep
        self._writer = writer

    def claim(self, key: PageKey, victim: int = -1) -> tuple[int, bool]:
        """The page's buffer, pinned, and whether the content is valid.

        `victim` is a buffer from `take_victim`, which is used or given back.
        """
        lock = self._table.partition_lock(key)
        self._locks.acquire(lock, SHARED)
        buffer = self._table.find(key)
        if buffer >= 0:
            flags = self._pins.pin(buffer)
            self._locks.release(lock)
            if victim >= 0:
                self._pins.unpin(victim)
            return buffer, bool(flags & VALID)
        self._locks.release(lock)
        while True:
            if victim < 0:
                victim = self.take_victim()
            buffer, flags = self._rename(key, lock, victim)
            if buffer >= 0:
                return buffer, bool(flags & VALID)
            victim = -1

    def take_victim(self) -> int:
        """A buffer whose page may go, pinned; clean, unless it is changed at once again."""
        locks, pins = self._locks, self._pins
        while True:
            buffer = self._sweep.take()
            self._host.point(Point.BUFFER_VICTIM_CHOSEN, self._pool.blocks[buffer])
            if not self._pool.flags[buffer] & DIRTY:
                return buffer
            lock = BUFFER_CONTENT + buffer
            # Never wait here: the holder may be waiting for a lock that this process has.
            if locks.try_acquire(lock, SHARED):
                self._writer.write(buffer)
                locks.release(lock)
                return buffer
            pins.unpin(buffer)

    def _rename(self, key: PageKey, lock: int, victim: int) -> tuple[int, int]:
        """Make `victim` the page's buffer; (buffer, flags), or (-1, 0) if the victim is no good."""
        pool, pins, locks, table = self._pool, self._pins, self._locks, self._table
        # The victim is pinned, so its tag stays as it is (BUF-2).
        old_key = pool.key(victim) if pool.flags[victim] & TAG_VALID else None
        old_lock = lock if old_key is None else table.partition_lock(old_key)
        held = sorted({lock, old_lock})
        for each in held:
            locks.acquire(each, EXCLUSIVE)
        found = table.find(key)
        if found >= 0:
            flags = pins.pin(found)
            renamed = False
        else:
            pins.lock_header[victim & HEADER_MASK]()
            flags = 0
            renamed = pool.refcounts[victim] == 1 and not pool.flags[victim] & DIRTY
            if renamed:
                pool.set_key(victim, key)
                pool.flags[victim] = TAG_VALID
                pool.usages[victim] = 1
            pins.unlock_header[victim & HEADER_MASK]()
            if renamed:
                if old_key is not None:
                    table.remove(old_key, victim)
                table.insert(key, victim)
                found = victim
        for each in reversed(held):
            locks.release(each)
        if not renamed:
            pins.unpin(victim)
        return found, flags
