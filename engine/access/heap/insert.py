"""New rows: `insert` for one, `multi_insert` for many at once.

Source: PostgreSQL 15, `access/heap/heapam.c` (heap_insert, heap_multi_insert).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from engine.access.heap.context import HeapContext
from engine.access.heap.placement import MAIN, check_tuple_size, place_tuple
from engine.access.heap.tuple import (
    HEADER_SIZE,
    XMAX_INVALID,
    form_tuple,
    set_tuple_ctid,
)
from engine.access.heap.wal_records import (
    INIT_PAGE,
    INSERT,
    INSERT_LAST_IN_MULTI,
    INSERT_MAIN,
    MULTI_INSERT,
    MULTI_INSERT_MAIN,
    MULTI_INSERT_TUPLE,
    RM_HEAP,
    RM_HEAP2,
    TUPLE_HEADER,
    offset_list,
)
from engine.access.relation import Relation
from engine.errors import check
from engine.host.points import Point
from engine.storage.page import add_item, heap_free_space, item_count, page_lsn, set_page_lsn, upper
from engine.transaction.critical import CRITICAL_SECTION
from engine.types import Tid, align8
from engine.wal.insert import RegisteredBlock
from engine.wal.record import STANDARD, WILL_INIT

Formed = tuple[bytes, int, int]
"""A row as `TupleDescriptor.form` gives it: body from byte 23 on, infomask bits, hoff."""

_INIT_FLAGS: Final = WILL_INIT | STANDARD


def put_tuple(page: memoryview, block: int, data: bytes) -> int:
    """Put a tuple on a page that has room for it, its ctid pointing at itself; its offset number
    (`RelationPutHeapTuple`)."""
    number = add_item(page, data)
    check(number, "HEAP-2", "no room on a page that was found to have it", block=block)
    set_tuple_ctid(page, upper(page), block, number)
    return number


def is_page_of_one(page: memoryview, number: int) -> bool:
    """Whether the tuple just put there is all there is, so that redo can make the page anew."""
    return number == 1 and item_count(page) == 1


def insert(context: HeapContext, relation: Relation, values: Sequence[Any]) -> Tid:
    """Insert a row; where it is."""
    transactions, buffers = context.transactions, context.buffers
    body, mask, hoff = relation.descriptor.form(values)
    xid = transactions.current_xid()
    command = transactions.command_id()
    natts = relation.descriptor.natts
    mask |= XMAX_INVALID
    buffer, block = place_tuple(context, relation, HEADER_SIZE + len(body))
    page = buffers.page(buffer)
    with CRITICAL_SECTION:
        # HEAP-1: change, mark dirty, log, stamp, all under the page's exclusive lock.
        data = form_tuple(xid, 0, command, block, 0, natts, mask, hoff, body)
        number = put_tuple(page, block, data)
        buffers.mark_dirty(buffer)
        context.host.point(Point.HEAP_PAGE_CHANGED, page_lsn(page))
        is_alone = is_page_of_one(page, number)
        registered = RegisteredBlock(
            buffer,
            page,
            relation.locator,
            MAIN,
            block,
            _INIT_FLAGS if is_alone else STANDARD,
            TUPLE_HEADER.pack(natts, mask, hoff) + body,
        )
        info = INSERT | INIT_PAGE if is_alone else INSERT
        lsn = context.wal.insert(RM_HEAP, info, INSERT_MAIN.pack(number, 0), (registered,), xid)
        set_page_lsn(page, lsn)
        context.host.point(Point.HEAP_RECORD_INSERTED, lsn)
    buffers.unlock_release(buffer)
    return Tid(block, number)


def multi_insert(
    context: HeapContext, relation: Relation, rows: Sequence[Sequence[Any]]
) -> list[Tid]:
    """Insert many rows, with one WAL record for all that go to the same page; where they are."""
    if len(rows) == 1:
        return [insert(context, relation, rows[0])]
    form = relation.descriptor.form
    formed = [form(row) for row in rows]
    for body, _, _ in formed:
        check_tuple_size(HEADER_SIZE + len(body))
    xid = context.transactions.current_xid()
    command = context.transactions.command_id()
    tids: list[Tid] = []
    while len(tids) < len(formed):
        context.check_interrupts()
        tids += _fill_one_page(context, relation, formed, len(tids), xid, command)
    return tids


def _fill_one_page(
    context: HeapContext,
    relation: Relation,
    formed: list[Formed],
    first: int,
    xid: int,
    command: int,
) -> list[Tid]:
    buffers = context.buffers
    natts = relation.descriptor.natts
    reserve = relation.target_free_space
    buffer, block = place_tuple(context, relation, HEADER_SIZE + len(formed[first][0]))
    page = buffers.page(buffer)
    was_empty = item_count(page) == 0
    numbers: list[int] = []
    pieces = bytearray()
    with CRITICAL_SECTION:
        for body, bits, hoff in formed[first:]:
            size = align8(HEADER_SIZE + len(body))
            if numbers and heap_free_space(page) < size + reserve:
                break
            mask = bits | XMAX_INVALID
            data = form_tuple(xid, 0, command, block, 0, natts, mask, hoff, body)
            numbers.append(put_tuple(page, block, data))
            if len(pieces) & 1:
                pieces.append(0)
            pieces += MULTI_INSERT_TUPLE.pack(len(body), natts, mask, hoff)
            pieces += body
        buffers.mark_dirty(buffer)
        context.host.point(Point.HEAP_PAGE_CHANGED, page_lsn(page))
        count = len(numbers)
        is_alone = was_empty and numbers[0] == 1 and item_count(page) == count
        is_last = first + count == len(formed)
        main = MULTI_INSERT_MAIN.pack(INSERT_LAST_IN_MULTI if is_last else 0, count)
        info = MULTI_INSERT
        flags = STANDARD
        if is_alone:
            info |= INIT_PAGE
            flags = _INIT_FLAGS
        else:
            main += offset_list(numbers)
        registered = RegisteredBlock(buffer, page, relation.locator, MAIN, block, flags, pieces)
        lsn = context.wal.insert(RM_HEAP2, info, main, (registered,), xid)
        set_page_lsn(page, lsn)
        context.host.point(Point.HEAP_RECORD_INSERTED, lsn)
    buffers.unlock_release(buffer)
    return [Tid(block, number) for number in numbers]
