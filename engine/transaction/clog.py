"""The commit log: two bits for each transaction, in pg_xact.

    0 in progress (or ended by a crash)   1 committed   2 aborted   3 sub-committed

Byte xid / 4, bits 2 * (xid % 4); 32768 transactions on a page. Pages are kept in an SLRU. A page is
made when the first xid on it is assigned, by a WAL record (CLOG-1); its bits are set without WAL of
their own, since the commit and abort records say the same (CLOG-2).

An asynchronous commit is marked before its record is flushed. So that the mark cannot reach the
disk first, the record's end is kept for each group of 32 transactions (CLOG-3).

Source: PostgreSQL 15, `access/transam/clog.c`.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final, Protocol

from engine.config import Config
from engine.datadir import CLOG_DIRECTORY
from engine.errors import check
from engine.host.api import Host
from engine.shmem.log import Log
from engine.shmem.lwlock import CLOG, CLOG_BUFFER, CLOG_BUFFERS, EXCLUSIVE, SHARED, LWLocks
from engine.storage.slru import Slru, SlruShared
from engine.storage.sync_requests import SyncRequests
from engine.storage.sync_tags import clog_tag
from engine.transaction.status_describe import CLOG_ZEROPAGE
from engine.types import BLOCK_SIZE, FIRST_NORMAL_XID, INVALID_XID
from engine.wal.rmgr import Rmgr

IN_PROGRESS: Final = 0
COMMITTED: Final = 1
ABORTED: Final = 2
SUB_COMMITTED: Final = 3

XIDS_PER_BYTE: Final = 4
XIDS_PER_PAGE: Final = BLOCK_SIZE * XIDS_PER_BYTE
_XIDS_PER_GROUP: Final = 32
_GROUPS: Final = XIDS_PER_PAGE // _XIDS_PER_GROUP
_FEWEST_SLOTS: Final = 4
_PAGE: Final = Struct("<I")


class ClogShared(SlruShared):
    """The commit log's shared pages: 1/512 of the shared buffers, 4 at least, 32 at most."""

    def __init__(self, memory: memoryview, config: Config) -> None:
        super().__init__(memory, _slots(config), _GROUPS)

    @staticmethod
    def size(config: Config) -> int:
        """Bytes of shared memory."""
        return SlruShared.bytes_for(_slots(config), _GROUPS)


class ClogWal(Protocol):
    """What the commit log needs of the WAL."""

    def insert(self, rmid: int, info: int, main: bytes) -> int: ...

    def flush(self, lsn: int) -> None: ...


class Clog:
    """The commit log as one process uses it. `in_recovery` is set in the startup process."""

    def __init__(
        self,
        host: Host,
        shared: ClogShared,
        locks: LWLocks,
        wal: ClogWal,
        sync: SyncRequests,
        log: Log,
        *,
        in_recovery: bool = False,
    ) -> None:
        self._shared = shared
        self._locks = locks
        self._wal = wal
        self._slru = Slru(
            host,
            shared,
            locks,
            sync,
            log,
            directory=CLOG_DIRECTORY,
            tag=clog_tag,
            control_lock=CLOG,
            first_slot_lock=CLOG_BUFFER,
            flush_wal=wal.flush,
            in_recovery=in_recovery,
        )
        self.checkpoint = self._slru.checkpoint
        """Write the dirty pages and have them synced; how many."""

    # asking --------------------------------------------------------------------------------------

    def status(self, xid: int) -> int:
        """IN_PROGRESS, COMMITTED, ABORTED or SUB_COMMITTED."""
        if xid < FIRST_NORMAL_XID:
            return ABORTED if xid == INVALID_XID else COMMITTED
        page, inside = divmod(xid, XIDS_PER_PAGE)
        slot = self._slot_for_reading(page, xid)
        byte = self._shared.pages[slot][inside >> 2]
        self._locks.release(CLOG)
        return byte >> 2 * (inside & 3) & 3

    def commit_lsn(self, xid: int) -> int:
        """Up to where the WAL must be flushed before a commit may be relied on; 0 when it is.

        May be the LSN of another transaction's commit that came later.
        """
        if not self._shared.highest_lsn[0] or xid < FIRST_NORMAL_XID:
            return 0
        page, inside = divmod(xid, XIDS_PER_PAGE)
        slot = self._slot_for_reading(page, xid)
        lsn: int = self._shared.group_lsns[slot * _GROUPS + inside // _XIDS_PER_GROUP]
        self._locks.release(CLOG)
        return lsn

    def _slot_for_reading(self, page: int, xid: int) -> int:
        """The page's slot, with the control lock held."""
        locks = self._locks
        locks.acquire(CLOG, SHARED)
        slot = self._slru.find(page)
        if slot < 0:
            locks.release(CLOG)
            locks.acquire(CLOG, EXCLUSIVE)
            slot = self._slru.bring(page, xid)
        return slot

    # marking -------------------------------------------------------------------------------------

    def set_status(self, xid: int, subxids: Sequence[int], status: int, lsn: int) -> None:
        """Mark a transaction and its subtransactions; `lsn` is the commit record's end if that is
        not flushed, otherwise 0.

        If they are on several pages the subtransactions on other pages than `xid` are marked
        sub-committed first, so that the one change of xid's page commits them all.
        """
        page = xid // XIDS_PER_PAGE
        near = [subxid for subxid in subxids if subxid // XIDS_PER_PAGE == page]
        far = [subxid for subxid in subxids if subxid // XIDS_PER_PAGE != page]
        if far and status == COMMITTED:
            self._mark_by_pages(far, SUB_COMMITTED, lsn)
        self._mark(page, [xid, *near], status, lsn)
        if far:
            self._mark_by_pages(far, status, lsn)

    def _mark_by_pages(self, xids: list[int], status: int, lsn: int) -> None:
        by_page: dict[int, list[int]] = {}
        for xid in xids:
            by_page.setdefault(xid // XIDS_PER_PAGE, []).append(xid)
        for page, on_page in by_page.items():
            self._mark(page, on_page, status, lsn)

    def _mark(self, page: int, xids: list[int], status: int, lsn: int) -> None:
        shared = self._shared
        self._locks.acquire(CLOG, EXCLUSIVE)
        slot = self._slru.find(page)
        if slot < 0:
            slot = self._slru.bring(page, xids[0])
        data = shared.pages[slot]
        # Subtransactions first: nobody may find the parent committed and a child in progress.
        for xid in reversed(xids):
            inside = xid % XIDS_PER_PAGE
            shift = 2 * (inside & 3)
            byte = data[inside >> 2]
            current = byte >> shift & 3
            if current == status or (current == COMMITTED and status == SUB_COMMITTED):
                continue
            check(
                current in (IN_PROGRESS, SUB_COMMITTED), "CLOG-4", "an outcome changes",
                xid=xid, current=current, status=status,
            )  # fmt: skip
            data[inside >> 2] = byte & ~(3 << shift) | status << shift
            if lsn:
                group = slot * _GROUPS + inside // _XIDS_PER_GROUP
                if shared.group_lsns[group] < lsn:
                    shared.group_lsns[group] = lsn
                if shared.highest_lsn[0] < lsn:
                    shared.highest_lsn[0] = lsn
        shared.dirty[slot] = 1
        self._locks.release(CLOG)

    # pages ---------------------------------------------------------------------------------------

    def extend(self, xid: int) -> None:
        """Make the page of an xid that is about to be assigned, if it is the page's first (CLOG-1).

        The caller holds the lock XID_GEN, so nobody can ask about the xid before this is done.
        """
        if xid % XIDS_PER_PAGE and xid != FIRST_NORMAL_XID:
            return
        page = xid // XIDS_PER_PAGE
        self._locks.acquire(CLOG, EXCLUSIVE)
        self._slru.make_zero(page)
        self._wal.insert(Rmgr.CLOG, CLOG_ZEROPAGE, _PAGE.pack(page))
        self._locks.release(CLOG)

    def redo_zero_page(self, page: int) -> None:
        """Replay of the record for a new page; written at once, since later records need it."""
        self._locks.acquire(CLOG, EXCLUSIVE)
        self._slru.write(self._slru.make_zero(page))
        self._locks.release(CLOG)

    def bootstrap(self) -> None:
        """Make and write the first page, for initdb."""
        self.redo_zero_page(0)

    def startup(self, next_xid: int) -> None:
        """Before replay: which page is the latest."""
        self._locks.acquire(CLOG, EXCLUSIVE)
        self._slru.set_latest(next_xid // XIDS_PER_PAGE)
        self._locks.release(CLOG)

    def trim(self, next_xid: int) -> None:
        """After replay: clear the bits from `next_xid` on (CLOG-5).

        A crash may leave bits of transactions whose records were never flushed.
        """
        page, inside = divmod(next_xid, XIDS_PER_PAGE)
        self._locks.acquire(CLOG, EXCLUSIVE)
        self._slru.set_latest(page)
        if inside:
            slot = self._slru.bring(page, next_xid)
            data = self._shared.pages[slot]
            at = inside >> 2
            data[at] &= (1 << 2 * (inside & 3)) - 1
            data[at + 1 :] = bytes(BLOCK_SIZE - at - 1)
            self._shared.dirty[slot] = 1
        self._locks.release(CLOG)


def _slots(config: Config) -> int:
    return min(CLOG_BUFFERS, max(_FEWEST_SLOTS, int(config.shared_buffers) // 512))
