"""Heavyweight locks of one process: acquire, wait, release.

A process keeps what it holds in a table of its own, so to take again what it holds already touches
no shared memory. The rest happens under one light-weight lock, LOCK_PARTITION: PostgreSQL has 16
partitions and a fast path, which pay where many cores run at once.

Rules (ids are explained in README.md): LOCK-1 no two holders conflict; LOCK-2 first come, first
served among conflicting requests; LOCK-3 whoever releases also wakes; LOCK-4 what is held is
released at the end of the transaction, waits that end early leave nothing behind; LOCK-5 who waits
looks for a deadlock after deadlock_timeout.

Source: PostgreSQL 15, `storage/lmgr/lock.c` and `proc.c`; functions name their models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from engine.config.definitions import SettingValue
from engine.errors import EngineError, SqlError, SqlState, check
from engine.host.api import Host
from engine.host.points import Point
from engine.lmgr.deadlock import CycleStep, LockPicture, Wait, find_deadlock
from engine.lmgr.lock_grants import WAIT_OK, WAIT_WAITING, LockGrants
from engine.lmgr.lock_shared import (
    HOLDER_LOCK,
    HOLDER_MASK,
    HOLDER_NEXT_ON_PROC,
    HOLDER_SLOT,
    LOCK_QUEUE_HEAD,
    LOCK_QUEUE_TAIL,
    LOCK_WAIT_MASK,
    PROC_WAIT_HOLDER,
    PROC_WAIT_LOCK,
    PROC_WAIT_MODE,
    PROC_WAIT_STATUS,
    LockTableShared,
)
from engine.lmgr.lock_tag import LOCK_TYPE_NAMES, LockTag, LockTagKind
from engine.lmgr.modes import CONFLICTS, MODE_NAMES, LockMode, modes_in
from engine.shmem.interrupts import Interrupts
from engine.shmem.lwlock import EXCLUSIVE, LOCK_PARTITION, LWLocks
from engine.shmem.procs import ProcTable

_SHARE: Final = int(LockMode.SHARE)
_EXCLUSIVE: Final = int(LockMode.EXCLUSIVE)


class Settings(Protocol):
    """Where `deadlock_timeout` and `lock_timeout` (milliseconds) are looked up at each wait."""

    def get(self, name: str) -> SettingValue: ...


class LockStatus(NamedTuple):
    """A row of `pg_locks`."""

    tag: LockTag
    slot: int
    mode: LockMode
    granted: bool


class _Held:
    """What this process holds on one object: how often in each mode, and where the entries are."""

    __slots__ = ("counts", "holder", "lock")

    def __init__(self, lock: int, holder: int) -> None:
        self.lock = lock
        self.holder = holder
        self.counts = [0] * 9


class LockTable:
    """The lock table as the process in `slot` uses it.

    `settings` is the session's. `xid_in_progress`, when set, lets `wait_for_xid` see a transaction
    that took its xid but not yet its lock. `on_wait(True/False)` is told when a wait begins and
    ends.
    """

    def __init__(
        self,
        host: Host,
        shared: LockTableShared,
        locks: LWLocks,
        procs: ProcTable,
        slot: int,
        settings: Settings,
        interrupts: Interrupts,
    ) -> None:
        self._host = host
        self._shared = shared
        self._words = shared.words
        self._grants = LockGrants(host, shared, slot)
        self._locks = locks
        self._procs = procs
        self._slot = slot
        self._proc = shared.proc(slot)
        self._settings = settings
        self._interrupts = interrupts
        self._held: dict[LockTag, _Held] = {}
        self.xid_in_progress: Callable[[int], bool] | None = None
        self.on_wait: Callable[[bool], None] | None = None

    # acquire --------------------------------------------------------------------------------------

    def acquire(self, tag: LockTag, mode: int, *, wait: bool = True) -> bool:
        """Take the lock until the transaction ends. False only if `wait` is off and it would wait.

        Raises 40P01 (deadlock), 55P03 (lock_timeout), 57014 (cancelled), 53200 (table full).
        """
        held = self._held.get(tag)
        if held is not None and held.counts[mode]:
            held.counts[mode] += 1
            return True
        self._locks.acquire(LOCK_PARTITION, EXCLUSIVE)
        try:
            lock, holder = (held.lock, held.holder) if held is not None else (0, 0)
            lock, holder = self._grants.request(tag, mode, lock, holder)
            held = held or _Held(lock, holder)
            if not self._grants.conflicts(lock, holder, mode):
                self._grants.grant(lock, holder, mode)
                held.counts[mode] = 1
                self._held[tag] = held
                return True
            if not wait:
                self._grants.withdraw(lock, holder, mode)
                return False
            granted = self._join_queue(held, mode)
        finally:
            self._locks.release(LOCK_PARTITION)
        if not granted:
            self._sleep(tag, held, mode)
        held.counts[mode] += 1
        self._held[tag] = held
        return True

    def holds(self, tag: LockTag, mode: int) -> bool:
        """Whether this process holds the lock in exactly that mode."""
        held = self._held.get(tag)
        return held is not None and held.counts[mode] > 0

    def lock_own_xid(self, xid: int) -> None:
        """Take the lock that others wait on for this transaction to end (`XactLockTableInsert`)."""
        self.acquire(LockTag(6, xid), _EXCLUSIVE)

    def wait_for_xid(self, xid: int, context: str | None = None) -> None:
        """Wait until the transaction has ended (`XactLockTableWait`).

        `context` ("while updating tuple (0,1) in relation ...") goes into an error of the wait.
        """
        tag = LockTag(6, xid)
        first = True
        while True:
            try:
                self.acquire(tag, _SHARE)
            except EngineError as error:
                if error.context is None:
                    error.context = context
                raise
            self.release(tag, _SHARE)
            if self.xid_in_progress is None or not self.xid_in_progress(xid):
                return
            if not first:
                self._host.sleep(1)
                self._interrupts.check()
            first = False

    # release --------------------------------------------------------------------------------------

    def release(self, tag: LockTag, mode: int) -> None:
        """Undo one `acquire` before the transaction ends."""
        held = self._held.get(tag)
        check(held is not None and held.counts[mode], "LOCK-4", "released but not held", tag=tag)
        if held is None:
            return
        held.counts[mode] -= 1
        if held.counts[mode]:
            return
        self._locks.acquire(LOCK_PARTITION, EXCLUSIVE)
        try:
            wake = self._grants.ungrant(held.lock, held.holder, mode)
            if not self._words[held.holder + HOLDER_MASK]:
                del self._held[tag]
            self._grants.clean_up(held.lock, held.holder, wake)
        finally:
            self._locks.release(LOCK_PARTITION)

    def release_all(self) -> None:
        """Release everything that the transaction holds (LOCK-4)."""
        if not self._held:
            return
        words = self._words
        self._locks.acquire(LOCK_PARTITION, EXCLUSIVE)
        try:
            holder = words[self._proc]
            while holder:
                following = words[holder + HOLDER_NEXT_ON_PROC]
                lock = words[holder + HOLDER_LOCK]
                wake = False
                mask = words[holder + HOLDER_MASK]
                mode = 1
                while mask >> mode:
                    if mask >> mode & 1 and self._grants.ungrant(lock, holder, mode):
                        wake = True
                    mode += 1
                self._grants.clean_up(lock, holder, wake)
                holder = following
            self._held.clear()
        finally:
            self._locks.release(LOCK_PARTITION)

    # reports --------------------------------------------------------------------------------------

    def status(self) -> list[LockStatus]:
        """Everything that is held or awaited, by every process."""
        shared, words = self._shared, self._words
        rows: list[LockStatus] = []
        self._locks.acquire(LOCK_PARTITION, EXCLUSIVE)
        try:
            for lock in shared.locks():
                tag = shared.tag_of(lock)
                for holder in shared.holders(lock):
                    slot = words[holder + HOLDER_SLOT]
                    held = modes_in(words[holder + HOLDER_MASK])
                    rows.extend(LockStatus(tag, slot, mode, True) for mode in held)
                    proc = shared.proc(slot)
                    if words[proc + PROC_WAIT_LOCK] == lock:
                        mode = LockMode(words[proc + PROC_WAIT_MODE])
                        rows.append(LockStatus(tag, slot, mode, False))
        finally:
            self._locks.release(LOCK_PARTITION)
        return rows

    # waiting --------------------------------------------------------------------------------------

    def _join_queue(self, held: _Held, mode: int) -> bool:
        """Queue up, or find that the place in the queue allows the grant at once (`ProcSleep`).

        Who holds some mode already goes in front of the first waiter that this blocks: behind it
        both would wait for each other. If that waiter's own holdings block the request as well,
        it is a deadlock, known without waiting.
        """
        words, shared = self._words, self._shared
        lock, holder = held.lock, held.holder
        own = words[holder + HOLDER_MASK]
        conflicts = CONFLICTS[mode]
        before = 0
        if own:
            ahead = 0
            for slot in shared.queue(lock):
                proc = shared.proc(slot)
                their_mode = words[proc + PROC_WAIT_MODE]
                if CONFLICTS[their_mode] & own:
                    if conflicts & words[words[proc + PROC_WAIT_HOLDER] + HOLDER_MASK]:
                        cycle = [
                            CycleStep(self._slot, lock, mode),
                            CycleStep(slot, lock, their_mode),
                        ]
                        error = self._deadlock_error(cycle)
                        self._grants.withdraw(lock, holder, mode)
                        raise error
                    if not conflicts & ahead and not self._grants.conflicts_with_holders(
                        lock, holder, conflicts
                    ):
                        self._grants.grant(lock, holder, mode)
                        return True
                    before = slot
                    break
                ahead |= 1 << their_mode
        shared.enqueue(lock, self._slot, before)
        words[lock + LOCK_WAIT_MASK] |= 1 << mode
        words[self._proc + PROC_WAIT_LOCK] = lock
        words[self._proc + PROC_WAIT_HOLDER] = holder
        words[self._proc + PROC_WAIT_MODE] = mode
        words[self._proc + PROC_WAIT_STATUS] = WAIT_WAITING
        return False

    def _sleep(self, tag: LockTag, held: _Held, mode: int) -> None:
        """Wait for the grant; on any error leave neither a request nor an unknown lock behind."""
        self._host.point(Point.LOCK_WAIT_QUEUED)
        previous_wait = self._procs.wait_event(self._slot)
        self._procs.set_wait_event(self._slot, "Lock", LOCK_TYPE_NAMES[LockTagKind(tag.kind)])
        if self.on_wait is not None:
            self.on_wait(True)
        try:
            self._wait_until_granted()
        except Exception:
            self._give_up_wait(tag, held, mode)
            raise
        finally:
            self._procs.set_wait_event(self._slot, *previous_wait)
            if self.on_wait is not None:
                self.on_wait(False)

    def _wait_until_granted(self) -> None:
        words, proc, host = self._words, self._proc, self._host
        now = host.monotonic_us()
        deadlock_at = now + int(self._settings.get("deadlock_timeout")) * 1000
        lock_timeout_ms = int(self._settings.get("lock_timeout"))
        timeout_at = now + lock_timeout_ms * 1000 if lock_timeout_ms else None
        checked = False
        while words[proc + PROC_WAIT_STATUS] == WAIT_WAITING:
            until = timeout_at if checked else deadlock_at
            if timeout_at is not None and until is not None:
                until = min(until, timeout_at)
            left = None if until is None else max(0.0, (until - host.monotonic_us()) / 1000)
            host.wait(self._interrupts.remaining_ms(left))
            if words[proc + PROC_WAIT_STATUS] != WAIT_WAITING:
                break
            self._interrupts.check()
            now = host.monotonic_us()
            if not checked and now >= deadlock_at:
                checked = True
                self._check_deadlock()
            if timeout_at is not None and now >= timeout_at:
                raise SqlError(
                    SqlState.LOCK_NOT_AVAILABLE, "canceling statement due to lock timeout"
                )

    def _give_up_wait(self, tag: LockTag, held: _Held, mode: int) -> None:
        """After an error in a wait: out of the queue, or, if the grant came first, know the lock.

        `LockErrorCleanup`, LOCK-4.
        """
        words = self._words
        self._locks.acquire(LOCK_PARTITION, EXCLUSIVE)
        try:
            if words[self._proc + PROC_WAIT_LOCK]:
                self._grants.remove_from_queue(self._slot)
            elif words[self._proc + PROC_WAIT_STATUS] == WAIT_OK:
                held.counts[mode] += 1
                self._held[tag] = held
        finally:
            self._locks.release(LOCK_PARTITION)

    def _check_deadlock(self) -> None:
        """LOCK-5: look for a cycle; reorder queues or raise 40P01 (`CheckDeadLock`)."""
        self._locks.acquire(LOCK_PARTITION, EXCLUSIVE)
        try:
            if not self._words[self._proc + PROC_WAIT_LOCK]:
                return
            result = find_deadlock(self._picture(), self._slot)
            if result.cycle:
                error = self._deadlock_error(result.cycle)
                self._grants.remove_from_queue(self._slot)
                raise error
            for lock, order in result.new_orders.items():
                self._reorder(lock, order)
                self._grants.wake_waiters(lock)
        finally:
            self._locks.release(LOCK_PARTITION)

    def _picture(self) -> LockPicture:
        shared, words = self._shared, self._words
        waits: dict[int, Wait] = {}
        holders: dict[int, list[tuple[int, int]]] = {}
        queues: dict[int, list[int]] = {}
        for slot in range(1, shared.slots):
            proc = shared.proc(slot)
            lock = words[proc + PROC_WAIT_LOCK]
            if not lock:
                continue
            waits[slot] = Wait(lock, words[proc + PROC_WAIT_MODE])
            if lock not in queues:
                queues[lock] = shared.queue(lock)
                holders[lock] = [
                    (words[holder + HOLDER_SLOT], words[holder + HOLDER_MASK])
                    for holder in shared.holders(lock)
                ]
        return LockPicture(waits, holders, queues)

    def _reorder(self, lock: int, order: list[int]) -> None:
        words = self._words
        words[lock + LOCK_QUEUE_HEAD] = 0
        words[lock + LOCK_QUEUE_TAIL] = 0
        for slot in order:
            self._shared.enqueue(lock, slot)

    def _deadlock_error(self, cycle: list[CycleStep]) -> SqlError:
        """`DeadLockReport`."""
        pids = [self._procs.pid[step.process] for step in cycle]
        lines = [
            f"Process {pids[position]} waits for {MODE_NAMES[step.mode]} on "
            f"{self._shared.tag_of(step.lock).describe()}; "
            f"blocked by process {pids[(position + 1) % len(cycle)]}."
            for position, step in enumerate(cycle)
        ]
        return SqlError(
            SqlState.DEADLOCK_DETECTED,
            "deadlock detected",
            detail="\n".join(lines),
            hint="See server log for query details.",
        )
