"""Which buffer to take for a new page: the free list first, then the clock sweep.

The hand goes round the buffers. One that is pinned is passed over; one with a usage count loses one
of it; the first with neither is the victim. Each pin raises the count, up to 5, so a page that is
used often survives several rounds.

Source: PostgreSQL 15, `storage/buffer/freelist.c`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from engine.errors import SqlError, SqlState
from engine.host.api import Host
from engine.shmem.lwlock import BUFFER_STRATEGY_MUTEX, LWLocks
from engine.storage.buffer.pins import HEADER_MASK, Pins
from engine.storage.buffer.pool import (
    ALLOCATIONS,
    COMPLETE_PASSES,
    FIRST_FREE,
    NEXT_VICTIM,
    NOT_IN_FREE_LIST,
    SWEEPER_TO_WAKE,
    BufferPool,
)

_ROUNDS_BEFORE_FAILURE: Final = 200
_PAUSE_MS: Final = 1


class SweepPosition(NamedTuple):
    """Where the hand is, and how many buffers were asked for since the last look."""

    next_victim: int
    complete_passes: int
    allocations: int


class ClockSweep:
    """The hand and the free list, as one process moves them."""

    def __init__(self, host: Host, pool: BufferPool, locks: LWLocks, pins: Pins) -> None:
        self._host = host
        self._pool = pool
        self._pins = pins
        self._mutex = locks.mutex(BUFFER_STRATEGY_MUTEX)

    def take(self) -> int:
        """A buffer that nobody else has pinned, pinned; its old page is still in it.

        53200 when every buffer stays pinned. Pins last longer here than in PostgreSQL, where the
        first full round fails, so the others get some milliseconds to give theirs back.
        """
        strategy = self._pool.strategy
        with_mutex = self._mutex
        with_mutex.acquire()
        strategy[ALLOCATIONS] = (strategy[ALLOCATIONS] + 1) & 0xFFFFFFFF
        sleeper = strategy[SWEEPER_TO_WAKE]
        strategy[SWEEPER_TO_WAKE] = 0
        with_mutex.release()
        if sleeper:
            self._host.wake(sleeper - 1)
        for _ in range(_ROUNDS_BEFORE_FAILURE):
            buffer = self._take_free()
            if buffer < 0:
                buffer = self._sweep()
            if buffer >= 0:
                return buffer
            self._host.sleep(_PAUSE_MS)
        raise SqlError(SqlState.OUT_OF_MEMORY, "no unpinned buffers available")

    def give_back(self, buffer: int) -> None:
        """Put a buffer that has no page into the free list."""
        pool = self._pool
        self._mutex.acquire()
        if pool.free_next[buffer] == NOT_IN_FREE_LIST:
            pool.free_next[buffer] = pool.strategy[FIRST_FREE]
            pool.strategy[FIRST_FREE] = buffer + 1
        self._mutex.release()

    def position(self) -> SweepPosition:
        """For the background writer; starts the count of allocations anew."""
        strategy = self._pool.strategy
        self._mutex.acquire()
        position = SweepPosition(
            strategy[NEXT_VICTIM], strategy[COMPLETE_PASSES], strategy[ALLOCATIONS]
        )
        strategy[ALLOCATIONS] = 0
        self._mutex.release()
        return position

    def wake_at_next_allocation(self, slot: int | None) -> None:
        """Have a sleeping background writer woken when somebody needs a buffer again."""
        self._pool.strategy[SWEEPER_TO_WAKE] = 0 if slot is None else slot + 1

    def _take_free(self) -> int:
        pool, pins = self._pool, self._pins
        strategy = pool.strategy
        while strategy[FIRST_FREE]:
            self._mutex.acquire()
            buffer = strategy[FIRST_FREE] - 1
            if buffer >= 0:
                strategy[FIRST_FREE] = pool.free_next[buffer]
                pool.free_next[buffer] = NOT_IN_FREE_LIST
            self._mutex.release()
            if buffer < 0:
                return -1
            pins.lock_header[buffer & HEADER_MASK]()
            if not pool.refcounts[buffer] and not pool.usages[buffer]:
                pins.pin_locked(buffer)
                return buffer
            # The sweep found it before: it has a page again.
            pins.unlock_header[buffer & HEADER_MASK]()
        return -1

    def _sweep(self) -> int:
        """Move the hand to a victim; -1 after a whole round of nothing but pinned buffers."""
        pool, pins = self._pool, self._pins
        refcounts, usages = pool.refcounts, pool.usages
        left = pool.count
        while left:
            buffer = self._tick()
            if refcounts[buffer]:
                left -= 1
                continue
            pins.lock_header[buffer & HEADER_MASK]()
            if refcounts[buffer]:
                left -= 1
            elif usages[buffer]:
                usages[buffer] -= 1
                left = pool.count
            else:
                pins.pin_locked(buffer)  # BUF-2
                return buffer
            pins.unlock_header[buffer & HEADER_MASK]()
        return -1

    def _tick(self) -> int:
        strategy = self._pool.strategy
        self._mutex.acquire()
        buffer = strategy[NEXT_VICTIM]
        following = buffer + 1
        if following == self._pool.count:
            following = 0
            strategy[COMPLETE_PASSES] = (strategy[COMPLETE_PASSES] + 1) & 0xFFFFFFFF
        strategy[NEXT_VICTIM] = following
        self._mutex.release()
        return buffer
