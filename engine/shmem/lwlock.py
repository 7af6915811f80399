"""Light-weight locks: shared or exclusive, between processes, for a few microseconds to one disk
write.

They rest on two host primitives, the mutex and the latch, and nothing else: a lock's few words are
read and changed under its mutex; who must wait queues up in the words and sleeps on its own latch.

Lock word layout (4 x u32 per lock): state (0 free, EXCLUSIVE_HELD, or the number of shared
holders), head and tail of the wait queue (process slots, 0 is none), spare.

The rules LWL-1 to LWL-3 are in the README.

Follows `storage/lmgr/lwlock.c`: waiters are woken, not handed the lock, and try again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.errors import check
from engine.host.api import Host, Mutex
from engine.shmem.procs import ProcTable

SHARED: Final = 0
EXCLUSIVE: Final = 1
_UNTIL_FREE: Final = 2
"""Of a waiter that will not take the lock, and so must not keep others from being woken."""

EXCLUSIVE_HELD: Final = 0x80000000

# Lock numbers: single locks, then the arrays.
WAL_INSERT: Final = 0
WAL_WRITE: Final = 1
PROC_ARRAY: Final = 2
XID_GEN: Final = 3
OID_GEN: Final = 4
CONTROL_FILE: Final = 5
CHECKPOINT: Final = 6
SYNC_QUEUE: Final = 7
CLOG: Final = 8
SINVAL: Final = 9
RELATION_EXTENSION: Final = 10
BUFFER_STRATEGY: Final = 11
CLOG_TRUNCATION: Final = 12
LOCK_PARTITION: Final = 16
LOCK_PARTITIONS: Final = 1
CLOG_BUFFER: Final = 32
CLOG_BUFFERS: Final = 32
BUFFER_MAPPING: Final = 64
BUFFER_MAPPING_PARTITIONS: Final = 16
BUFFER_CONTENT: Final = 80

# Mutex numbers. Light-weight lock n uses mutex n % LOCK_MUTEXES.
LOCK_MUTEXES: Final = 64
BUFFER_HEADER_MUTEX: Final = 64
BUFFER_HEADER_MUTEXES: Final = 32
WAL_INFO_MUTEX: Final = 96
CHECKPOINTER_MUTEX: Final = 97
STATUS_MUTEX: Final = 98
BUFFER_STRATEGY_MUTEX: Final = 99
MUTEX_COUNT: Final = 104

_NAMES: Final = {
    WAL_INSERT: "WALInsert",
    WAL_WRITE: "WALWrite",
    PROC_ARRAY: "ProcArray",
    XID_GEN: "XidGen",
    OID_GEN: "OidGen",
    CONTROL_FILE: "ControlFile",
    CHECKPOINT: "Checkpoint",
    SYNC_QUEUE: "CheckpointerComm",
    CLOG: "XactSLRU",
    SINVAL: "SInvalWrite",
    RELATION_EXTENSION: "RelationExtension",
    BUFFER_STRATEGY: "BufferStrategy",
    CLOG_TRUNCATION: "XactTruncation",
}


def lock_name(lock: int) -> str:
    """The lock's name as `pg_stat_activity.wait_event` shows it."""
    if lock >= BUFFER_CONTENT:
        return "BufferContent"
    if lock >= BUFFER_MAPPING:
        return "BufferMapping"
    if lock >= CLOG_BUFFER:
        return "XactBuffer"
    if lock >= LOCK_PARTITION:
        return "LockManager"
    return _NAMES.get(lock, f"LWLock{lock}")


class LWLocks:
    """All light-weight locks as one process sees them: the shared words and what this process
    holds.

    `memory` is `LWLocks.size(count)` bytes, shared; `slot` is this process's.
    """

    def __init__(
        self,
        host: Host,
        memory: memoryview,
        mutexes: Sequence[Mutex],
        procs: ProcTable,
        slot: int,
    ) -> None:
        self._host = host
        self._words = memory.cast("I")
        self._mutexes = mutexes
        self._lock_mutexes = tuple(mutexes[:LOCK_MUTEXES])
        self._procs = procs
        self._slot = slot
        self._held: list[tuple[int, int]] = []

    @staticmethod
    def size(buffers: int) -> int:
        """Bytes of shared memory for the locks of a pool of `buffers` buffers."""
        return 16 * (BUFFER_CONTENT + buffers)

    def mutex(self, number: int) -> Mutex:
        """The host mutex of that number, for sections too short for a lock."""
        return self._mutexes[number]

    def acquire(self, lock: int, mode: int = EXCLUSIVE) -> None:
        """Take the lock, waiting as long as it takes."""
        words = self._words
        base = lock << 2
        mutex = self._lock_mutexes[lock % LOCK_MUTEXES]
        mutex.acquire()
        state = words[base]
        if mode == EXCLUSIVE:
            if state == 0:
                words[base] = EXCLUSIVE_HELD
                mutex.release()
                self._held.append((lock, mode))
                return
        elif state < EXCLUSIVE_HELD:
            words[base] = state + 1
            mutex.release()
            self._held.append((lock, mode))
            return
        self._wait(lock, mode, mutex)

    def try_acquire(self, lock: int, mode: int = EXCLUSIVE) -> bool:
        """Take the lock if that needs no waiting; whether it was taken."""
        mutex = self._lock_mutexes[lock % LOCK_MUTEXES]
        mutex.acquire()
        taken = self._take(lock << 2, mode)
        mutex.release()
        if taken:
            self._held.append((lock, mode))
        return taken

    def acquire_or_wait(self, lock: int, mode: int = EXCLUSIVE) -> bool:
        """Take the lock if it is free; otherwise wait until it is free once, and do not take it.

        For group commit: whoever held the lock has probably done the waiter's work
        (`LWLockAcquireOrWait`). Whether it was taken.
        """
        mutex = self._lock_mutexes[lock % LOCK_MUTEXES]
        mutex.acquire()
        if self._take(lock << 2, mode):
            mutex.release()
            self._held.append((lock, mode))
            return True
        self._sleep_in_queue(lock, _UNTIL_FREE, mutex)
        return False

    def release(self, lock: int) -> None:
        """Give the lock back and wake who may take it now."""
        held = self._held
        if held and held[-1][0] == lock:
            mode = held.pop()[1]
        else:
            mode = self._forget(lock)
        words = self._words
        base = lock << 2
        mutex = self._lock_mutexes[lock % LOCK_MUTEXES]
        mutex.acquire()
        state = 0 if mode == EXCLUSIVE else words[base] - 1
        words[base] = state
        if state == 0 and words[base + 1]:
            wakened = self._dequeue(base)
            mutex.release()
            for slot in wakened:
                self._host.wake(slot)
        else:
            mutex.release()

    def holds(self, lock: int, mode: int | None = None) -> bool:
        """Whether this process holds the lock (in that mode)."""
        return any(lock == number and mode in (None, how) for number, how in self._held)

    def release_all(self) -> None:
        """Give back everything that this process holds, at its end or after an error (LWL-1)."""
        while self._held:
            self.release(self._held[-1][0])

    def _take(self, base: int, mode: int) -> bool:
        words = self._words
        state = words[base]
        if mode == EXCLUSIVE:
            if state != 0:
                return False
            words[base] = EXCLUSIVE_HELD
        else:
            if state >= EXCLUSIVE_HELD:
                return False
            words[base] = state + 1
        return True

    def _wait(self, lock: int, mode: int, mutex: Mutex) -> None:
        base = lock << 2
        while True:
            self._sleep_in_queue(lock, mode, mutex)
            mutex.acquire()
            if self._take(base, mode):
                mutex.release()
                self._held.append((lock, mode))
                return

    def _sleep_in_queue(self, lock: int, mode: int, mutex: Mutex) -> None:
        """Join the queue (the mutex is held on entry), sleep until taken out of it."""
        words, procs, slot = self._words, self._procs, self._slot
        base = lock << 2
        procs.lw_waiting[slot] = 1
        procs.lw_mode[slot] = mode
        procs.lw_next[slot] = 0
        tail = words[base + 2]
        if tail:
            procs.lw_next[tail] = slot
        else:
            words[base + 1] = slot
        words[base + 2] = slot
        mutex.release()
        previous_wait = procs.wait_event(slot)
        procs.set_wait_event(slot, "LWLock", lock_name(lock))
        while procs.lw_waiting[slot]:
            self._host.wait()
        procs.set_wait_event(slot, *previous_wait)
        self._host.wake(slot)  # LWL-2

    def _dequeue(self, base: int) -> list[int]:
        """Take out of the queue who may try now: all who only wait for the lock to be free, and
        either the first who wants it exclusively or the sharers (`LWLockWakeup`)."""
        words, procs = self._words, self._procs
        wakened: list[int] = []
        previous = 0
        is_taken = False
        slot = words[base + 1]
        while slot:
            following = procs.lw_next[slot]
            mode = procs.lw_mode[slot]
            if is_taken and mode == EXCLUSIVE:
                previous = slot
            else:
                if previous:
                    procs.lw_next[previous] = following
                else:
                    words[base + 1] = following
                if not following:
                    words[base + 2] = previous
                procs.lw_next[slot] = 0
                procs.lw_waiting[slot] = 0  # LWL-3
                wakened.append(slot)
                is_taken = is_taken or mode != _UNTIL_FREE
                if mode == EXCLUSIVE:
                    break
            slot = following
        return wakened

    def _forget(self, lock: int) -> int:
        held = self._held
        for position in range(len(held) - 1, -1, -1):
            if held[position][0] == lock:
                return held.pop(position)[1]
        check(False, "LWL-1", "a lock is released that is not held", lock=lock_name(lock))
        return EXCLUSIVE
