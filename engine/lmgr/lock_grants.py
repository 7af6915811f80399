"""Granting and taking back modes in the shared lock table, and waking who can go on.

LOCK_PARTITION is held around every call.

Source: PostgreSQL 15, `storage/lmgr/lock.c` and `proc.c`; functions name their models.
"""

from __future__ import annotations

from typing import Final

from engine.errors import SqlError, SqlState
from engine.host.api import Host
from engine.lmgr.lock_shared import (
    HOLDER_MASK,
    LOCK_GRANT_MASK,
    LOCK_GRANTED,
    LOCK_QUEUE_HEAD,
    LOCK_REQUESTED,
    LOCK_REQUESTS,
    LOCK_WAIT_MASK,
    PROC_QUEUE_NEXT,
    PROC_WAIT_HOLDER,
    PROC_WAIT_LOCK,
    PROC_WAIT_MODE,
    PROC_WAIT_STATUS,
    LockTableShared,
)
from engine.lmgr.lock_tag import LockTag
from engine.lmgr.modes import CONFLICTS

WAIT_OK: Final = 0
WAIT_WAITING: Final = 1
WAIT_ERROR: Final = 2
"""How a process's last wait ended, or that it lasts (PROC_WAIT_STATUS)."""


class LockGrants:
    """The operations of the process in `slot` on the shared entries."""

    def __init__(self, host: Host, shared: LockTableShared, slot: int) -> None:
        self._host = host
        self._shared = shared
        self._words = shared.words
        self._slot = slot

    def request(self, tag: LockTag, mode: int, lock: int, holder: int) -> tuple[int, int]:
        """Find or make the entries (0, 0 when not known) and count the request.

        `SetupLockInTable`. Raises 53200 when the table is full.
        """
        shared, words = self._shared, self._words
        if not holder:
            lock = shared.find_lock(tag)
            is_new = not lock
            if is_new:
                lock = shared.create_lock(tag)
            holder = shared.create_holder(lock, self._slot) if lock else 0
            if not holder:
                if lock and is_new:
                    shared.free_lock(lock)
                raise SqlError(
                    SqlState.OUT_OF_MEMORY,
                    "out of shared memory",
                    hint="You might need to increase max_locks_per_transaction.",
                )
        words[lock + LOCK_REQUESTS] += 1
        words[lock + LOCK_REQUESTED + mode] += 1
        return lock, holder

    def conflicts(self, lock: int, holder: int, mode: int) -> bool:
        """Whether the request must wait: somebody waits for, or another holds, what conflicts.

        LOCK-2: conflicting waiters count, so nobody overtakes them.
        """
        words = self._words
        conflicts = CONFLICTS[mode]
        if conflicts & words[lock + LOCK_WAIT_MASK]:
            return True
        return self.conflicts_with_holders(lock, holder, conflicts)

    def conflicts_with_holders(self, lock: int, holder: int, conflicts: int) -> bool:
        """LOCK-1, one's own holdings left out (`LockCheckConflicts`)."""
        words = self._words
        conflicts &= words[lock + LOCK_GRANT_MASK]
        if not conflicts:
            return False
        own = words[holder + HOLDER_MASK]
        mode = 1
        while conflicts >> mode:
            if conflicts >> mode & 1 and words[lock + LOCK_GRANTED + mode] > (own >> mode & 1):
                return True
            mode += 1
        return False

    def grant(self, lock: int, holder: int, mode: int) -> None:
        """`GrantLock`."""
        words = self._words
        words[lock + LOCK_GRANTED + mode] += 1
        bit = 1 << mode
        words[lock + LOCK_GRANT_MASK] |= bit
        if words[lock + LOCK_GRANTED + mode] == words[lock + LOCK_REQUESTED + mode]:
            words[lock + LOCK_WAIT_MASK] &= ~bit
        words[holder + HOLDER_MASK] |= bit

    def ungrant(self, lock: int, holder: int, mode: int) -> bool:
        """Take a mode away; whether a waiter may be able to go on now (`UnGrantLock`)."""
        words = self._words
        words[lock + LOCK_REQUESTS] -= 1
        words[lock + LOCK_REQUESTED + mode] -= 1
        granted = words[lock + LOCK_GRANTED + mode] - 1
        words[lock + LOCK_GRANTED + mode] = granted
        if not granted:
            words[lock + LOCK_GRANT_MASK] &= ~(1 << mode)
        words[holder + HOLDER_MASK] &= ~(1 << mode)
        return bool(CONFLICTS[mode] & words[lock + LOCK_WAIT_MASK])

    def withdraw(self, lock: int, holder: int, mode: int) -> None:
        """Undo `_request` for a request that is neither granted nor queued."""
        words = self._words
        words[lock + LOCK_REQUESTS] -= 1
        words[lock + LOCK_REQUESTED + mode] -= 1
        self.clean_up(lock, holder, wake=False)

    def clean_up(self, lock: int, holder: int, wake: bool) -> None:
        """Drop entries that are not needed any more; wake who can go on (`CleanUpLock`, LOCK-3)."""
        words, shared = self._words, self._shared
        if not words[holder + HOLDER_MASK]:
            shared.free_holder(holder)
        if not words[lock + LOCK_REQUESTS]:
            shared.free_lock(lock)
        elif wake:
            self.wake_waiters(lock)

    def wake_waiters(self, lock: int) -> None:
        """Grant, from the front of the queue, what neither holders nor those ahead forbid.

        `ProcLockWakeup`.
        """
        words, shared = self._words, self._shared
        ahead = 0
        slot = words[lock + LOCK_QUEUE_HEAD]
        while slot:
            proc = shared.proc(slot)
            following = words[proc + PROC_QUEUE_NEXT]
            mode = words[proc + PROC_WAIT_MODE]
            holder = words[proc + PROC_WAIT_HOLDER]
            conflicts = CONFLICTS[mode]
            if not conflicts & ahead and not self.conflicts_with_holders(lock, holder, conflicts):
                self.grant(lock, holder, mode)
                self._end_wait(slot, WAIT_OK)
                self._host.wake(slot)
            else:
                ahead |= 1 << mode
            slot = following

    def _end_wait(self, slot: int, status: int) -> None:
        """Take a waiter out of its queue."""
        words = self._words
        proc = self._shared.proc(slot)
        self._shared.dequeue(words[proc + PROC_WAIT_LOCK], slot)
        words[proc + PROC_WAIT_LOCK] = 0
        words[proc + PROC_WAIT_HOLDER] = 0
        words[proc + PROC_WAIT_STATUS] = status

    def remove_from_queue(self, slot: int) -> None:
        """Give up a wait that was not granted (`RemoveFromWaitQueue`)."""
        words = self._words
        proc = self._shared.proc(slot)
        lock = words[proc + PROC_WAIT_LOCK]
        holder = words[proc + PROC_WAIT_HOLDER]
        mode = words[proc + PROC_WAIT_MODE]
        self._end_wait(slot, WAIT_ERROR)
        words[lock + LOCK_REQUESTS] -= 1
        words[lock + LOCK_REQUESTED + mode] -= 1
        if words[lock + LOCK_GRANTED + mode] == words[lock + LOCK_REQUESTED + mode]:
            words[lock + LOCK_WAIT_MASK] &= ~(1 << mode)
        self.clean_up(lock, holder, wake=True)
