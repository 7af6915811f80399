"""Giving out transaction ids and object ids: the counters in shared memory, and their WAL.

Source: PostgreSQL 15, `access/transam/varsup.c`.
"""

from __future__ import annotations

import struct
from typing import Final, Protocol

from engine.errors import check
from engine.shmem.lwlock import EXCLUSIVE, OID_GEN, SHARED, XID_GEN, LWLocks
from engine.shmem.procs import ProcTable
from engine.types import FIRST_NORMAL_OID, FIRST_NORMAL_XID, FullXid, Lsn, Oid, Xid

NEXT_FULL_XID: Final = 0
"""The next xid to give out, with its epoch. Written under XID_GEN."""
LATEST_COMPLETED: Final = 1
"""The newest full xid that has ended. Written under PROC_ARRAY."""
COMPLETION_COUNT: Final = 2
"""How many transactions with an xid have ended: a snapshot is good while it stands still."""
NEXT_OID: Final = 3
"""The next oid to try. Written under OID_GEN."""
OID_COUNT: Final = 4
"""How many oids may be given out before the next NEXTOID record."""
OLDEST_XID: Final = 5
"""No xid older than this is in any table."""
OLDEST_XID_DATABASE: Final = 6

_WORDS: Final = 8

OIDS_PER_RECORD: Final = 8192
"""How many oids one NEXTOID record allows for (VAR_OID_PREFETCH)."""

_XLOG_RMGR: Final = 0
_NEXTOID_INFO: Final = 0x30
_U32: Final = struct.Struct("<I")


class XidShared:
    """The counters as every process sees them. The startup process fills them in."""

    def __init__(self, memory: memoryview, config: object = None) -> None:
        self.words = memory[: 8 * _WORDS].cast("Q")

    @staticmethod
    def size(config: object = None) -> int:
        """Bytes of shared memory."""
        return 8 * _WORDS

    @property
    def next_full_xid(self) -> FullXid:
        return FullXid(self.words[NEXT_FULL_XID])

    @property
    def next_oid(self) -> Oid:
        return Oid(self.words[NEXT_OID])

    @property
    def oldest_xid(self) -> Xid:
        return Xid(self.words[OLDEST_XID])

    @property
    def oldest_xid_database(self) -> Oid:
        return Oid(self.words[OLDEST_XID_DATABASE])

    def initialize(
        self, next_full_xid: int, next_oid: int, oldest_xid: int, oldest_xid_database: int = 1
    ) -> None:
        """Take over the values of a checkpoint. Called by the startup process, before redo."""
        words = self.words
        words[NEXT_FULL_XID] = next_full_xid
        words[NEXT_OID] = next_oid
        words[OID_COUNT] = 0
        words[OLDEST_XID] = oldest_xid
        words[OLDEST_XID_DATABASE] = oldest_xid_database
        self.finish_recovery()

    def advance_past(self, xid: int) -> None:
        """A replayed record carries this xid: never give it out again (XID-2).

        `AdvanceNextFullTransactionIdPastXid`; only the startup process writes then, so no lock.
        """
        if xid < FIRST_NORMAL_XID:
            return
        next_full = self.words[NEXT_FULL_XID]
        distance = (xid - next_full) & 0xFFFFFFFF
        if distance < 0x80000000:
            self.words[NEXT_FULL_XID] = _after(next_full + distance)

    def replay_next_oid(self, next_oid: int) -> None:
        """A replayed NEXTOID record: the oids below it may be in use."""
        self.words[NEXT_OID] = next_oid
        self.words[OID_COUNT] = 0

    def finish_recovery(self) -> None:
        """All xids given out so far have ended; snapshots can be taken."""
        self.words[LATEST_COMPLETED] = _before(self.words[NEXT_FULL_XID])


def _after(full_xid: int) -> int:
    """The next full xid, which skips the three permanent xids of each epoch."""
    full_xid += 1
    low = full_xid & 0xFFFFFFFF
    return full_xid if low >= FIRST_NORMAL_XID else full_xid - low + FIRST_NORMAL_XID


def _before(full_xid: int) -> int:
    full_xid -= 1
    while full_xid & 0xFFFFFFFF < FIRST_NORMAL_XID and full_xid > FIRST_NORMAL_XID:
        full_xid -= 1
    return full_xid


class ExtendsClog(Protocol):
    """What giving out xids needs of the commit log."""

    def extend(self, xid: int) -> None: ...


class InsertsWal(Protocol):
    """What giving out oids needs of the WAL."""

    def insert(self, rmid: int, info: int, main: bytes) -> Lsn: ...


class XidGenerator:
    """Gives out xids and oids to one process."""

    def __init__(
        self,
        shared: XidShared,
        locks: LWLocks,
        clog: ExtendsClog,
        wal: InsertsWal,
        procs: ProcTable,
        slot: int,
    ) -> None:
        self.shared = shared
        self._locks = locks
        self._clog = clog
        self._wal = wal
        self._procs = procs
        self._slot = slot

    def assign(self) -> Xid:
        """A new xid, already shown in this process's slot (`GetNewTransactionId`)."""
        locks, words = self._locks, self.shared.words
        locks.acquire(XID_GEN, EXCLUSIVE)
        try:
            full_xid = words[NEXT_FULL_XID]
            xid = full_xid & 0xFFFFFFFF
            check(xid >= FIRST_NORMAL_XID, "XID-1", "the xid counter was never set", next=full_xid)
            # The clog page must be there before anybody can ask for the xid's status. An error
            # here leaves the counter alone, so the next caller tries again.
            self._clog.extend(xid)
            words[NEXT_FULL_XID] = _after(full_xid)
            # XID-1: in the slot before the lock is free, or a snapshot could take place between
            # and hold the xid for finished as soon as a later one ends.
            self._procs.xid[self._slot] = xid
        finally:
            locks.release(XID_GEN)
        return Xid(xid)

    def next_full_xid(self) -> FullXid:
        """The next full xid (`ReadNextFullTransactionId`)."""
        self._locks.acquire(XID_GEN, SHARED)
        full_xid = self.shared.words[NEXT_FULL_XID]
        self._locks.release(XID_GEN)
        return FullXid(full_xid)

    def new_oid(self) -> Oid:
        """An oid that was not given out for four billion others; the caller checks that no row
        has it (`GetNewObjectId`)."""
        locks, words = self._locks, self.shared.words
        locks.acquire(OID_GEN, EXCLUSIVE)
        try:
            if words[NEXT_OID] < FIRST_NORMAL_OID or words[NEXT_OID] > 0xFFFFFFFF:
                words[NEXT_OID] = FIRST_NORMAL_OID
                words[OID_COUNT] = 0
            if words[OID_COUNT] == 0:
                # XID-3: logged ahead, and not flushed: what stores the oid is logged later.
                limit = words[NEXT_OID] + OIDS_PER_RECORD
                self._wal.insert(_XLOG_RMGR, _NEXTOID_INFO, _U32.pack(limit & 0xFFFFFFFF))
                words[OID_COUNT] = OIDS_PER_RECORD
            oid = words[NEXT_OID]
            words[NEXT_OID] = oid + 1
            words[OID_COUNT] -= 1
        finally:
            locks.release(OID_GEN)
        return Oid(oid)

    def next_oid_for_checkpoint(self, *, is_shutdown: bool) -> Oid:
        """The next oid that a checkpoint writes down: past those logged ahead, unless nobody can
        use them any more (`CreateCheckPoint`)."""
        words = self.shared.words
        self._locks.acquire(OID_GEN, SHARED)
        next_oid = words[NEXT_OID] if is_shutdown else words[NEXT_OID] + words[OID_COUNT]
        self._locks.release(OID_GEN)
        return Oid(next_oid & 0xFFFFFFFF)
