"""I/O in progress: one process at a time reads or writes a buffer, the others wait for it (BUF-6).

    state of a buffer           flags                     who may go on
    empty, being read           IO_IN_PROGRESS            the reader
    valid, clean                VALID                     anybody
    valid, dirty                VALID|DIRTY               anybody; a writer may begin
    valid, being written        + IO_IN_PROGRESS          readers and changers; other writers wait
    failed                      IO_ERROR, not VALID       the next reader tries again

A process that ends its transaction with an error gives up its I/O (`abandon_all`); a killed one
leaves the buffer as it is, and only the crash restart frees it.

Source: PostgreSQL 15, `StartBufferIO`, `WaitIO`, `TerminateBufferIO`, `AbortBufferIO` (`bufmgr.c`).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.errors import check
from engine.host.api import Host
from engine.shmem.log import Log
from engine.storage.buffer.pins import HEADER_MASK, Pins
from engine.storage.buffer.pool import (
    CHECKPOINT_NEEDED,
    DIRTY,
    IO_ERROR,
    IO_IN_PROGRESS,
    IO_WAITER,
    JUST_DIRTIED,
    VALID,
    BufferPool,
)
from engine.storage.paths import relation_path

STARTED: Final = 0
"""The I/O is the caller's now."""
DONE: Final = 1
"""Somebody else has done it: the page is there (read) or clean (write)."""
BUSY: Final = 2
"""Somebody else is at it, and the caller did not want to wait."""


class BufferIo:
    """The reads and writes of one process that are in progress."""

    def __init__(self, host: Host, pool: BufferPool, pins: Pins, slot: int, log: Log) -> None:
        self._host = host
        self._pool = pool
        self._pins = pins
        self._slot = slot
        self._log = log
        self._waiting = pool.io_waiting
        self._waiting_array = np.frombuffer(pool.io_waiting, dtype=np.uint32)
        self.in_progress: list[int] = []

    def begin_read(self, buffer: int) -> int:
        """Claim the reading of a pinned buffer: STARTED or DONE."""
        return self._begin(buffer, wanted=0, mask=VALID, wait=True)

    def begin_write(self, buffer: int, *, wait: bool = True) -> int:
        """Claim the writing of a pinned buffer: STARTED, DONE (it is clean), or BUSY."""
        return self._begin(buffer, wanted=DIRTY, mask=DIRTY, wait=wait)

    def _begin(self, buffer: int, *, wanted: int, mask: int, wait: bool) -> int:
        pins, flags_of = self._pins, self._pool.flags
        while True:
            pins.lock_header[buffer & HEADER_MASK]()
            flags = flags_of[buffer]
            if not flags & IO_IN_PROGRESS:
                break
            if not wait:
                pins.unlock_header[buffer & HEADER_MASK]()
                return BUSY
            flags_of[buffer] = flags | IO_WAITER
            self._waiting[self._slot] = buffer + 1
            pins.unlock_header[buffer & HEADER_MASK]()
            self._sleep(buffer)
        if flags & mask != wanted:
            pins.unlock_header[buffer & HEADER_MASK]()
            return DONE
        flags_of[buffer] = flags | IO_IN_PROGRESS
        pins.unlock_header[buffer & HEADER_MASK]()
        self.in_progress.append(buffer)
        return STARTED

    def wait(self, buffer: int) -> bool:
        """Wait until no I/O on the buffer is in progress; False when there was none."""
        pins, flags_of = self._pins, self._pool.flags
        waited = False
        while True:
            pins.lock_header[buffer & HEADER_MASK]()
            flags = flags_of[buffer]
            if not flags & IO_IN_PROGRESS:
                pins.unlock_header[buffer & HEADER_MASK]()
                return waited
            flags_of[buffer] = flags | IO_WAITER
            self._waiting[self._slot] = buffer + 1
            pins.unlock_header[buffer & HEADER_MASK]()
            self._sleep(buffer)
            waited = True

    def _sleep(self, buffer: int) -> None:
        while self._waiting[self._slot] == buffer + 1:
            self._host.wait()
        # The wake-up may have been meant for another wait of this process (LWL-2).
        self._host.wake(self._slot)

    def end(self, buffer: int, *, set_flags: int = 0, clear_dirty: bool = False) -> None:
        """The I/O is over. A page changed while it was written stays dirty (BUF-7)."""
        flags_of = self._pool.flags
        pins = self._pins
        self.in_progress.remove(buffer)
        pins.lock_header[buffer & HEADER_MASK]()
        flags = flags_of[buffer]
        has_waiter = flags & IO_WAITER
        was_in_progress = flags & IO_IN_PROGRESS
        flags &= ~(IO_IN_PROGRESS | IO_ERROR | IO_WAITER)
        if clear_dirty and not flags & JUST_DIRTIED:
            flags &= ~(DIRTY | CHECKPOINT_NEEDED)
        flags_of[buffer] = flags | set_flags
        pins.unlock_header[buffer & HEADER_MASK]()
        check(was_in_progress, "BUF-6", "I/O ended that was not in progress", buffer=buffer)
        if has_waiter:
            self._wake_waiters(buffer)

    def abandon_all(self) -> None:
        """Give up what an error interrupted; the buffers must still be pinned."""
        for buffer in reversed(self.in_progress.copy()):
            flags = self._pool.flags[buffer]
            if flags & DIRTY and flags & IO_ERROR:
                locator, fork, block = self._pool.key(buffer)
                self._log.warning(
                    f"could not write block {block} of {relation_path(locator, fork)}",
                    detail="Multiple failures --- write error might be permanent.",
                )
            self.end(buffer, set_flags=IO_ERROR)

    def _wake_waiters(self, buffer: int) -> None:
        for slot in np.flatnonzero(self._waiting_array == buffer + 1).tolist():
            self._waiting[slot] = 0
            self._host.wake(slot)
