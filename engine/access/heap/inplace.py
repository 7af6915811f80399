"""Overwriting a row where it is, without a new version: for statistics in catalogs only.

The change is there for everybody at once and stays when the transaction aborts.

Source: PostgreSQL 15, `access/heap/heapam.c` (heap_inplace_update).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.access.heap.context import HeapContext
from engine.access.heap.placement import MAIN
from engine.access.heap.tuple import HEADER_SIZE, tuple_hoff
from engine.access.heap.wal_records import INPLACE, OFFSET_MAIN, RM_HEAP
from engine.access.relation import Relation
from engine.errors import SqlError, SqlState
from engine.host.points import Point
from engine.storage.page import LP_NORMAL, item_count, line_pointer, page_lsn, set_page_lsn
from engine.transaction.critical import CRITICAL_SECTION
from engine.types import Tid
from engine.wal.insert import RegisteredBlock


def inplace_update(
    context: HeapContext, relation: Relation, tid: Tid, values: Sequence[Any]
) -> None:
    """Give the row version at `tid` new values of exactly the old size."""
    buffers = context.buffers
    body, _, hoff = relation.descriptor.form(values)
    buffer = buffers.read(relation.locator, MAIN, tid.block)
    buffers.lock(buffer)
    page = buffers.page(buffer)
    if tid.offset > item_count(page):
        raise SqlError(SqlState.INTERNAL_ERROR, "invalid lp")
    at, state, length = line_pointer(page, tid.offset)
    if state != LP_NORMAL:
        raise SqlError(SqlState.INTERNAL_ERROR, "invalid lp")
    if length != HEADER_SIZE + len(body) or tuple_hoff(page, at) != hoff:
        raise SqlError(SqlState.INTERNAL_ERROR, "wrong tuple length")
    data = body[hoff - HEADER_SIZE :]
    with CRITICAL_SECTION:
        page[at + hoff : at + length] = data
        buffers.mark_dirty(buffer)
        context.host.point(Point.HEAP_PAGE_CHANGED, page_lsn(page))
        registered = RegisteredBlock(buffer, page, relation.locator, MAIN, tid.block, data=data)
        main = OFFSET_MAIN.pack(tid.offset)
        xid = context.transactions.current_xid_if_assigned()
        lsn = context.wal.insert(RM_HEAP, INPLACE, main, (registered,), xid)
        set_page_lsn(page, lsn)
        context.host.point(Point.HEAP_RECORD_INSERTED, lsn)
    buffers.unlock_release(buffer)
