"""How a transaction becomes committed, or aborted: the steps whose order durability rests on.

XACT-1, the order of a commit:

    1  hold off the redo point of checkpoints (delay_checkpoint)
    2  insert the commit record
    3  flush the WAL up to it                     (not with synchronous_commit = off)
    4  mark the xid committed in the commit log   (with the record's LSN if it is not flushed)
    5  let checkpoints go on
    6  leave the proc array: others see it
    7  drop files, release locks, and only then is the client answered

A crash before 2 has durably happened, and the transaction never was; after, and it is whole. If 4
came before 3 others could see, and write down as hint bits, what a crash takes back. If 6 came
before 4 an observer could find it neither running nor committed, and take it for aborted. If a redo
point fell between 2 and 4, the checkpoint could miss the commit log's change and replay the
record's.

Source: PostgreSQL 15, `access/transam/xact.c` (RecordTransactionCommit, RecordTransactionAbort).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from engine.errors import check
from engine.host.api import Host
from engine.host.points import Point
from engine.shmem.procs import ProcTable
from engine.transaction.clog import ABORTED, COMMITTED
from engine.transaction.commit_record import RM_XACT, XACT_ABORT, XACT_COMMIT, outcome_record
from engine.transaction.critical import CRITICAL_SECTION
from engine.types import Lsn, RelFileLocator
from engine.wal.insert import RegisteredBlock

DELAY_CHECKPOINT: Final = 1
"""Bit of `delay_checkpoint`: no redo point may be taken."""


class OutcomeWal(Protocol):
    """What committing needs of the WAL."""

    def insert(
        self,
        rmid: int,
        info: int,
        main: bytes,
        blocks: Sequence[RegisteredBlock] = (),
        xid: int = 0,
    ) -> Lsn: ...

    def flush(self, lsn: int) -> None: ...

    def request_async(self, lsn: int) -> None: ...


class OutcomeClog(Protocol):
    """What committing needs of the commit log."""

    def status(self, xid: int) -> int: ...

    def set_status(self, xid: int, subxids: Sequence[int], status: int, lsn: int) -> None: ...


class OutcomeRecorder:
    """Makes the outcomes of one process's transactions durable and known to the commit log."""

    def __init__(
        self, host: Host, wal: OutcomeWal, clog: OutcomeClog, procs: ProcTable, slot: int
    ) -> None:
        self._host = host
        self._wal = wal
        self._clog = clog
        self._delay = procs.delay_checkpoint
        self._slot = slot
        self._mark = 0

    def commit(self, xid: int, dropped: Sequence[RelFileLocator], *, is_synchronous: bool) -> Lsn:
        """Steps 1 to 5 of XACT-1 for a transaction that has an xid; the end of its record."""
        host, wal, delay, slot = self._host, self._wal, self._delay, self._slot
        point = host.point
        with CRITICAL_SECTION:
            # Another number at each commit, so that a checkpoint which waits for this one to be
            # done is not held up by the next.
            self._mark = self._mark + 4 & 0xFFFFFFFC
            delay[slot] = self._mark | DELAY_CHECKPOINT
            info, main = outcome_record(XACT_COMMIT, host.now_us(), dropped)
            lsn = wal.insert(RM_XACT, info, main, (), xid)
            point(Point.COMMIT_RECORD_INSERTED, lsn)
            # Files are unlinked next: the record that says so must not be lost (XACT-5).
            if is_synchronous or dropped:
                wal.flush(lsn)
                point(Point.COMMIT_RECORD_FLUSHED, lsn)
                self._clog.set_status(xid, (), COMMITTED, 0)
            else:
                wal.request_async(lsn)
                self._clog.set_status(xid, (), COMMITTED, lsn)
            point(Point.COMMIT_CLOG_MARKED, lsn)
            delay[slot] = 0
        return lsn

    def abort(self, xid: int, dropped: Sequence[RelFileLocator]) -> Lsn:
        """Record an abort. Not flushed: after a crash a transaction without a record is aborted."""
        check(
            self._clog.status(xid) != COMMITTED, "XACT-6", "a committed transaction aborts", xid=xid
        )
        with CRITICAL_SECTION:
            info, main = outcome_record(XACT_ABORT, self._host.now_us(), dropped)
            lsn = self._wal.insert(RM_XACT, info, main, (), xid)
            self._host.point(Point.ABORT_RECORD_INSERTED, lsn)
            self._wal.request_async(lsn)
            self._clog.set_status(xid, (), ABORTED, 0)
        self._delay[self._slot] = 0
        return lsn
