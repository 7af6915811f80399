"""Throwing pages away unwritten: their relation is dropped, or cut off before them.

The caller sees to it that nobody uses these pages any more (an AccessExclusiveLock, or recovery);
only a writer may still have one pinned, and is waited for.

Source: PostgreSQL 15, `DropRelFileNodeBuffers`, `InvalidateBuffer` in `storage/buffer/bufmgr.c`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import check
from engine.host.api import Host
from engine.shmem.lwlock import EXCLUSIVE, LWLocks
from engine.storage.buffer.buffer_io import BufferIo
from engine.storage.buffer.clock_sweep import ClockSweep
from engine.storage.buffer.lookup_table import LookupTable
from engine.storage.buffer.pins import HEADER_MASK, Pins
from engine.storage.buffer.pool import TAG_VALID, BufferPool, PageKey
from engine.types import RelFileLocator

_PAUSE_MS: Final = 0.2


class Discard:
    """Drops buffers for one process."""

    def __init__(
        self,
        host: Host,
        pool: BufferPool,
        locks: LWLocks,
        pins: Pins,
        io: BufferIo,
        table: LookupTable,
        sweep: ClockSweep,
    ) -> None:
        self._host = host
        self._pool = pool
        self._locks = locks
        self._pins = pins
        self._io = io
        self._table = table
        self._sweep = sweep
        self._flags: NDArray[np.uint32] = np.frombuffer(pool.flags, dtype=np.uint32)
        self._relations: NDArray[np.uint32] = np.frombuffer(pool.relations, dtype=np.uint32)

    def drop_relation(self, locator: RelFileLocator) -> None:
        """Drop all pages of all forks."""
        for buffer in self._buffers_of(locator.relation):
            key = self._pool.key(buffer)
            if key[0] == locator:
                self._drop(buffer, key)

    def drop_relations(self, locators: Iterable[RelFileLocator]) -> None:
        """Drop all pages of several relations."""
        for locator in locators:
            self.drop_relation(locator)

    def drop_from(self, locator: RelFileLocator, fork: int, first_block: int) -> None:
        """Drop the pages of one fork from `first_block` on."""
        for buffer in self._buffers_of(locator.relation):
            key = self._pool.key(buffer)
            if key[0] == locator and key[1] == fork and key[2] >= first_block:
                self._drop(buffer, key)

    def _buffers_of(self, relation: int) -> list[int]:
        """Buffers that have, or lately had, pages of the relation; looked at without a lock.

        That suffices: nobody brings in pages of a relation that is being dropped.
        """
        candidates = (self._relations == relation) & (self._flags & TAG_VALID != 0)
        found: list[int] = np.flatnonzero(candidates).tolist()
        return found

    def _drop(self, buffer: int, key: PageKey) -> None:
        """Take the page out of its buffer, unless it has left it already."""
        pool, pins, locks = self._pool, self._pins, self._locks
        check(buffer not in pins.counts, "BUF-2", "a dropped page is pinned", buffer=buffer)
        lock = self._table.partition_lock(key)
        while True:
            locks.acquire(lock, EXCLUSIVE)
            pins.lock_header[buffer & HEADER_MASK]()
            if not pool.flags[buffer] & TAG_VALID or not pool.has_key(buffer, key):
                pins.unlock_header[buffer & HEADER_MASK]()
                locks.release(lock)
                return
            if not pool.refcounts[buffer]:
                break
            pins.unlock_header[buffer & HEADER_MASK]()
            locks.release(lock)
            if not self._io.wait(buffer):
                # Its writer has it pinned, but not begun or just ended.
                self._host.sleep(_PAUSE_MS)
        pool.clear_key(buffer)
        pool.flags[buffer] = 0
        pool.usages[buffer] = 0
        pins.unlock_header[buffer & HEADER_MASK]()
        self._table.remove(key, buffer)
        locks.release(lock)
        self._sweep.give_back(buffer)
