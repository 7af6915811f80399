"""Deleting a row version: it stays where it is and says who deleted it.

Source: PostgreSQL 15, `access/heap/heapam.c` (heap_delete).
"""

from __future__ import annotations

from typing import Final

from engine.access.heap.change import claim, stamp_xmax
from engine.access.heap.context import HeapContext
from engine.access.heap.outcome import ChangeOutcome
from engine.access.heap.placement import MAIN
from engine.access.heap.tuple import HOT_UPDATED, KEYS_UPDATED
from engine.access.heap.visibility import TupleUpdate
from engine.access.heap.wal_records import DELETE, DELETE_MAIN, RM_HEAP, infobits
from engine.access.relation import Relation
from engine.host.points import Point
from engine.lmgr.modes import LockMode
from engine.storage.page import page_lsn, prune_xid, set_page_lsn, set_prune_xid
from engine.transaction.critical import CRITICAL_SECTION
from engine.transaction.snapshot import Snapshot
from engine.types import Tid
from engine.wal.insert import RegisteredBlock

_TUPLE_LOCK: Final = int(LockMode.ACCESS_EXCLUSIVE)


def delete(
    context: HeapContext,
    relation: Relation,
    tid: Tid,
    *,
    crosscheck: Snapshot | None = None,
    wait: bool = True,
) -> ChangeOutcome:
    """Delete the row version at `tid`, waiting for whoever is at it unless told not to."""
    transactions, buffers = context.transactions, context.buffers
    xid = transactions.current_xid()
    command = transactions.command_id()
    claimed = claim(
        context, relation, tid, command, _TUPLE_LOCK, crosscheck, wait=wait, verb="deleting"
    )
    if claimed.failure is not None:
        return claimed.failure
    page, buffer = claimed.page, claimed.buffer
    with CRITICAL_SECTION:
        mark_prunable(page, xid)
        mask, mask2 = stamp_xmax(
            context, page, claimed.at, xid, command, 0, KEYS_UPDATED, HOT_UPDATED, tid
        )
        buffers.mark_dirty(buffer)
        context.host.point(Point.HEAP_PAGE_CHANGED, page_lsn(page))
        main = DELETE_MAIN.pack(xid, tid.offset, infobits(mask, mask2), 0)
        registered = RegisteredBlock(buffer, page, relation.locator, MAIN, tid.block)
        lsn = context.wal.insert(RM_HEAP, DELETE, main, (registered,), xid)
        set_page_lsn(page, lsn)
        context.host.point(Point.HEAP_RECORD_INSERTED, lsn)
    buffers.unlock_release(buffer)
    claimed.done()
    return ChangeOutcome(TupleUpdate.OK)


def mark_prunable(page: memoryview, xid: int) -> None:
    """From when `xid` is older than all, pruning the page may pay (`PageSetPrunable`)."""
    known = prune_xid(page)
    if not known or (xid - known) & 0xFFFFFFFF >= 0x80000000:
        set_prune_xid(page, xid)
