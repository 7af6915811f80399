"""Content locks: who may read (SHARED) or change (EXCLUSIVE) the page of a pinned buffer.

A *cleanup lock* is an EXCLUSIVE lock taken while nobody else has the buffer pinned: only then may
items be moved on the page, since whoever has a pin may have kept pointers into it (BUF-11).

Source: PostgreSQL 15, `LockBuffer`, `LockBufferForCleanup` in `storage/buffer/bufmgr.c`.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import SqlError, SqlState
from engine.host.api import Host
from engine.shmem.lwlock import BUFFER_CONTENT, EXCLUSIVE, LWLocks
from engine.storage.buffer.pins import HEADER_MASK, Pins
from engine.storage.buffer.pool import CLEANUP_WAITER, BufferPool


class ContentLocks:
    """The content locks of one process; `modes` has those that it holds."""

    def __init__(self, host: Host, pool: BufferPool, locks: LWLocks, pins: Pins, slot: int) -> None:
        self.modes: dict[int, int] = {}
        self._host = host
        self._pool = pool
        self._acquire = locks.acquire
        self._try_acquire = locks.try_acquire
        self._release = locks.release
        self._pins = pins
        self._slot = slot

    def lock(self, buffer: int, mode: int = EXCLUSIVE) -> None:
        """Lock the content of a pinned buffer."""
        self._acquire(BUFFER_CONTENT + buffer, mode)
        self.modes[buffer] = mode

    def try_lock(self, buffer: int, mode: int = EXCLUSIVE) -> bool:
        """Lock if that needs no waiting; whether it did."""
        taken = self._try_acquire(BUFFER_CONTENT + buffer, mode)
        if taken:
            self.modes[buffer] = mode
        return taken

    def unlock(self, buffer: int) -> None:
        """Give the content lock back; the pin stays."""
        del self.modes[buffer]
        self._release(BUFFER_CONTENT + buffer)

    def lock_for_cleanup(
        self, buffer: int, check_interrupts: Callable[[], None] | None = None
    ) -> None:
        """Lock EXCLUSIVE at a moment when nobody else has the buffer pinned.

        Only one process at a time may wait for a buffer in this way. `check_interrupts` is called
        in the wait and may raise.
        """
        count = self._pins.counts.get(buffer, 0)
        if count != 1:
            raise SqlError(SqlState.INTERNAL_ERROR, f"incorrect local pin count: {count}")
        while True:
            self.lock(buffer, EXCLUSIVE)
            if self._is_alone_or_waits(buffer):
                return
            self.unlock(buffer)
            try:
                while self._is_waiting(buffer):
                    self._host.wait()
                    if check_interrupts is not None:
                        check_interrupts()
            finally:
                self._stop_waiting(buffer)
                self._host.wake(self._slot)  # LWL-2

    def try_lock_for_cleanup(self, buffer: int) -> bool:
        """As `lock_for_cleanup`, if that needs no waiting; whether it did."""
        if self._pins.counts.get(buffer) != 1 or self._pool.refcounts[buffer] != 1:
            return False
        if not self.try_lock(buffer, EXCLUSIVE):
            return False
        if self.is_cleanup_locked(buffer):
            return True
        self.unlock(buffer)
        return False

    def is_cleanup_locked(self, buffer: int) -> bool:
        """Whether the EXCLUSIVE lock that this process has would do as a cleanup lock."""
        if self._pins.counts.get(buffer) != 1 or self.modes.get(buffer) != EXCLUSIVE:
            return False
        self._pins.lock_header[buffer & HEADER_MASK]()
        is_alone: bool = self._pool.refcounts[buffer] == 1
        self._pins.unlock_header[buffer & HEADER_MASK]()
        return is_alone

    def _is_alone_or_waits(self, buffer: int) -> bool:
        """Whether this process is alone with the buffer; if not, it is the waiter from here on."""
        flags = self._pool.flags
        self._pins.lock_header[buffer & HEADER_MASK]()
        is_alone: bool = self._pool.refcounts[buffer] == 1
        is_waited_for = flags[buffer] & CLEANUP_WAITER
        if not is_alone and not is_waited_for:
            self._pool.cleanup_waiters[buffer] = self._slot
            flags[buffer] |= CLEANUP_WAITER
        self._pins.unlock_header[buffer & HEADER_MASK]()
        if not is_alone and is_waited_for:
            raise SqlError(
                SqlState.INTERNAL_ERROR, "multiple backends attempting to wait for pincount 1"
            )
        return is_alone

    def _is_waiting(self, buffer: int) -> bool:
        pool = self._pool
        waits = pool.flags[buffer] & CLEANUP_WAITER
        return bool(waits) and pool.cleanup_waiters[buffer] == self._slot

    def _stop_waiting(self, buffer: int) -> None:
        self._pins.lock_header[buffer & HEADER_MASK]()
        if self._is_waiting(buffer):
            self._pool.flags[buffer] &= ~CLEANUP_WAITER
        self._pins.unlock_header[buffer & HEADER_MASK]()
