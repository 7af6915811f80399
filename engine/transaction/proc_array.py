"""The proc array: which transactions run now, and so what a snapshot sees and what may be removed.

Every process shows in its slot the xid that it runs (`xid`) and the oldest xid whose effects it may
still have to tell apart (`xmin`); 0 is none. Taking a snapshot reads all slots under PROC_ARRAY
shared; ending a transaction that has an xid empties its slot under PROC_ARRAY exclusive.

Source: PostgreSQL 15, `storage/ipc/procarray.c`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.errors import check
from engine.shmem.lwlock import EXCLUSIVE, PROC_ARRAY, SHARED, XID_GEN, LWLocks
from engine.shmem.procs import ProcTable
from engine.transaction.snapshot import Snapshot
from engine.transaction.xids import (
    COMPLETION_COUNT,
    LATEST_COMPLETED,
    NEXT_FULL_XID,
    OLDEST_XID,
    XidShared,
)
from engine.types import Xid, next_xid, xid_precedes


@dataclass(frozen=True)
class RunningTransactions:
    """What a RUNNING_XACTS record says."""

    next_xid: Xid
    oldest_running_xid: Xid
    latest_completed_xid: Xid
    xids: tuple[int, ...]


class ProcArray:
    """The proc array as one process uses it. `slot` is that process's."""

    def __init__(self, shared: XidShared, procs: ProcTable, slot: int, locks: LWLocks) -> None:
        self.slot = slot
        self._words = shared.words
        self._procs = procs
        self._xids = procs.xid
        self._xmins = procs.xmin
        self._locks = locks
        self._horizon = 0
        self._horizon_count = -1
        self._cached_count = -1
        self._cached: tuple[int, int, frozenset[int]] = (0, 0, frozenset())

    # snapshots ------------------------------------------------------------------------------------

    def take_snapshot(self, command_id: int) -> Snapshot:
        """A snapshot of now; sets this process's xmin if it has none (`GetSnapshotData`)."""
        locks = self._locks
        locks.acquire(PROC_ARRAY, SHARED)
        # MVCC-1: one look at all slots while none can leave. Without the lock a transaction could
        # be seen as ended although an earlier one, on whose rows it relies, is seen as running.
        count = self._words[COMPLETION_COUNT]
        if count != self._cached_count:
            self._cached = self._look_at_slots()
            self._cached_count = count
        xmin, xmax, running = self._cached
        if not self._xmins[self.slot]:
            self._xmins[self.slot] = xmin
        locks.release(PROC_ARRAY)
        # A new object each time: how long it is held says how long its rows are needed.
        return Snapshot(xmin, xmax, running, command_id)

    def _look_at_slots(self) -> tuple[int, int, frozenset[int]]:
        slot = self.slot
        xmax = next_xid(self._words[LATEST_COMPLETED] & 0xFFFFFFFF)
        xmin: int = xmax
        running = []
        for other, xid in enumerate(self._xids.tolist()):
            if xid and (xid - xmax) & 0xFFFFFFFF >= 0x80000000:
                if (xid - xmin) & 0xFFFFFFFF >= 0x80000000:
                    xmin = xid
                if other != slot:
                    running.append(xid)
        return xmin, xmax, frozenset(running)

    def set_own_xmin(self, xmin: int) -> None:
        """Give up the protection of rows that no held snapshot sees: 0, or a later xid than before
        (`SnapshotResetXmin`)."""
        self._xmins[self.slot] = xmin

    @property
    def own_xmin(self) -> int:
        return int(self._xmins[self.slot])

    # the end of a transaction ---------------------------------------------------------------------

    def end_transaction(self, xid: int) -> None:
        """Leave the proc array: from here on others see the transaction as ended
        (`ProcArrayEndTransaction`). `xid` is 0 for one that had none."""
        slot = self.slot
        if not xid:
            check(not self._xids[slot], "XACT-2", "a transaction forgot its xid")
            # No lock: it was in nobody's snapshot. The xmin only ever moved on.
            self._xmins[slot] = 0
            return
        check(self._xids[slot] == xid, "XACT-2", "a transaction leaves with an xid not its own")
        words = self._words
        self._locks.acquire(PROC_ARRAY, EXCLUSIVE)
        self._xids[slot] = 0
        self._xmins[slot] = 0
        latest = words[LATEST_COMPLETED]
        ahead = (xid - latest) & 0xFFFFFFFF
        if ahead < 0x80000000:
            words[LATEST_COMPLETED] = latest + ahead
        words[COMPLETION_COUNT] += 1
        self._locks.release(PROC_ARRAY)

    # questions ------------------------------------------------------------------------------------

    def is_in_progress(self, xid: int) -> bool:
        """Whether some process runs that transaction now (`TransactionIdIsInProgress`).

        Ask this before the commit log (MVCC-2). It needs no lock: an xid is in its one slot from
        before any row has it until its outcome is in the commit log, and a slot is one aligned
        word.
        """
        return xid in self._xids.tolist()

    def oldest_nonremovable_xid(self) -> Xid:
        """What ended before this xid is seen as ended by everybody: a row version that such a
        transaction deleted is nobody's (`GetOldestNonRemovableTransactionId`)."""
        self._locks.acquire(PROC_ARRAY, SHARED)
        oldest = int(next_xid(self._words[LATEST_COMPLETED] & 0xFFFFFFFF))
        for column in (self._xids, self._xmins):
            for xid in column.tolist():
                if xid and (xid - oldest) & 0xFFFFFFFF >= 0x80000000:
                    oldest = xid
        self._locks.release(PROC_ARRAY)
        return Xid(oldest)

    def horizon_for(self, xid: int) -> int:
        """A horizon for the question whether `xid` lies before it: one computed earlier if that
        says yes, or if no transaction has ended since (`GlobalVisTestIsRemovableXid`)."""
        horizon = self._horizon
        if (xid - horizon) & 0xFFFFFFFF >= 0x80000000 and horizon:
            return horizon
        count = self._words[COMPLETION_COUNT]
        if count != self._horizon_count:
            horizon = self._horizon = self.oldest_nonremovable_xid()
            self._horizon_count = count
        return horizon

    def oldest_active_xid(self) -> Xid:
        """The oldest xid that runs now, or the next one (`GetOldestActiveTransactionId`)."""
        self._locks.acquire(XID_GEN, SHARED)
        oldest = self._words[NEXT_FULL_XID] & 0xFFFFFFFF
        self._locks.release(XID_GEN)
        for xid in self._xids.tolist():
            if xid and xid_precedes(xid, oldest):
                oldest = xid
        return Xid(oldest)

    def oldest_xid(self) -> Xid:
        """No table has an xid older than this."""
        return Xid(self._words[OLDEST_XID])

    @contextmanager
    def running_transactions(self) -> Iterator[RunningTransactions]:
        """What runs now, for a RUNNING_XACTS record that is to be logged inside the block: no xid
        is given out before its end (`GetRunningTransactionData`)."""
        locks, words = self._locks, self._words
        locks.acquire(PROC_ARRAY, SHARED)
        locks.acquire(XID_GEN, SHARED)
        following = words[NEXT_FULL_XID] & 0xFFFFFFFF
        xids = tuple(xid for xid in self._xids.tolist() if xid)
        latest = words[LATEST_COMPLETED] & 0xFFFFFFFF
        locks.release(PROC_ARRAY)
        oldest = following
        for xid in xids:
            if xid_precedes(xid, oldest):
                oldest = xid
        try:
            yield RunningTransactions(Xid(following), Xid(oldest), Xid(latest), xids)
        finally:
            locks.release(XID_GEN)
