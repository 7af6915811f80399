"""Pins: what keeps a page in its buffer while somebody looks at it.

In shared memory each process counts once for a buffer (`refcounts`), however often it has pinned
it; how often it did is the process's own affair (`counts`). The shared count is changed, and the
decision to take a buffer away from its page is made, under the header mutex, so a pinned buffer
keeps its page (BUF-2).

Source: PostgreSQL 15, `PinBuffer`, `UnpinBuffer` in `storage/buffer/bufmgr.c`.
"""

from __future__ import annotations

from engine.errors import check
from engine.host.api import Host
from engine.shmem.lwlock import BUFFER_HEADER_MUTEX, BUFFER_HEADER_MUTEXES, LWLocks
from engine.storage.buffer.pool import CLEANUP_WAITER, USAGE_LIMIT, BufferPool

HEADER_MASK = BUFFER_HEADER_MUTEXES - 1


class Pins:
    """The pins of one process."""

    def __init__(self, host: Host, pool: BufferPool, locks: LWLocks) -> None:
        self._host = host
        self._pool = pool
        self.counts: dict[int, int] = {}
        """How often this process has pinned each buffer; none is 0."""
        mutexes = [locks.mutex(BUFFER_HEADER_MUTEX + n) for n in range(BUFFER_HEADER_MUTEXES)]
        self.lock_header = [mutex.acquire for mutex in mutexes]
        """`lock_header[buffer & HEADER_MASK]()` takes the buffer's header mutex."""
        self.unlock_header = [mutex.release for mutex in mutexes]

    def pin(self, buffer: int) -> int:
        """Pin a buffer; its flags. The caller knows that it keeps its page until then."""
        counts = self.counts
        pool = self._pool
        count = counts.get(buffer)
        if count:
            counts[buffer] = count + 1
            return pool.flags[buffer]
        self.lock_header[buffer & HEADER_MASK]()
        pool.refcounts[buffer] += 1
        usage = pool.usages[buffer]
        if usage < USAGE_LIMIT:
            pool.usages[buffer] = usage + 1
        flags = pool.flags[buffer]
        self.unlock_header[buffer & HEADER_MASK]()
        counts[buffer] = 1
        return flags

    def pin_locked(self, buffer: int) -> None:
        """Pin under the header mutex, which is given back; the usage count stays as it is."""
        counts = self.counts
        count = counts.get(buffer, 0)
        if not count:
            self._pool.refcounts[buffer] += 1
        self.unlock_header[buffer & HEADER_MASK]()
        counts[buffer] = count + 1

    def unpin(self, buffer: int) -> None:
        """Give one pin back."""
        counts = self.counts
        count = counts.get(buffer, 0)
        if count > 1:
            counts[buffer] = count - 1
            return
        check(count, "BUF-2", "a buffer is unpinned that is not pinned", buffer=buffer)
        del counts[buffer]
        refcounts = self._pool.refcounts
        self.lock_header[buffer & HEADER_MASK]()
        left = refcounts[buffer] - 1
        refcounts[buffer] = left
        if left == 1 and self._pool.flags[buffer] & CLEANUP_WAITER:
            self._pool.flags[buffer] &= ~CLEANUP_WAITER
            waiter = self._pool.cleanup_waiters[buffer]
            self.unlock_header[buffer & HEADER_MASK]()
            self._host.wake(waiter)
            return
        self.unlock_header[buffer & HEADER_MASK]()

    def unpin_all(self) -> None:
        """Give back all pins: the error path."""
        for buffer in list(self.counts):
            self.counts[buffer] = 1
            self.unpin(buffer)
