"""Updating a row: a new version, to which the old one points.

The new version goes to the same page when it fits, as a *heap-only* tuple: no index needs to know
of it, since the old version leads there (HOT; as long as there are no indexes every column may
change). Otherwise it goes to another page. To find room there the lock on the old page must be
given up, so the old version is first marked as locked by this transaction (HEAP-7), or two updaters
could both think it theirs.

Source: PostgreSQL 15, `access/heap/heapam.c` (heap_update, log_heap_update), README.HOT.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from engine.access.heap.change import Claim, claim, stamp_xmax
from engine.access.heap.context import HeapContext
from engine.access.heap.delete import mark_prunable
from engine.access.heap.insert import is_page_of_one, put_tuple
from engine.access.heap.outcome import ChangeOutcome
from engine.access.heap.placement import MAIN, check_tuple_size, place_tuple
from engine.access.heap.tuple import (
    HEADER_SIZE,
    HOT_UPDATED,
    ONLY_TUPLE,
    UPDATED,
    XMAX_EXCL_LOCK,
    XMAX_INVALID,
    XMAX_LOCK_ONLY,
    form_tuple,
    tuple_hoff,
)
from engine.access.heap.visibility import TupleUpdate
from engine.access.heap.wal_records import (
    HOT_UPDATE,
    INIT_PAGE,
    LOCK,
    LOCK_MAIN,
    RM_HEAP,
    UPDATE,
    UPDATE_MAIN,
    infobits,
    update_data,
)
from engine.access.relation import Relation
from engine.host.points import Point
from engine.lmgr.modes import LockMode
from engine.storage.page import (
    PD_PAGE_FULL,
    add_flags,
    heap_free_space,
    line_pointer,
    page_lsn,
    set_page_lsn,
)
from engine.transaction.critical import CRITICAL_SECTION
from engine.transaction.snapshot import Snapshot
from engine.types import Tid, align8
from engine.wal.insert import RegisteredBlock
from engine.wal.record import STANDARD, WILL_INIT

_TUPLE_LOCK: Final = int(LockMode.EXCLUSIVE)
_NO_BUFFER: Final = -1


def update(
    context: HeapContext,
    relation: Relation,
    tid: Tid,
    values: Sequence[Any],
    *,
    crosscheck: Snapshot | None = None,
    wait: bool = True,
) -> ChangeOutcome:
    """Replace the row version at `tid` by one with `values`.

    Waits for whoever is at it, unless told not to.
    """
    transactions, buffers = context.transactions, context.buffers
    body, mask, hoff = relation.descriptor.form(values)
    mask |= UPDATED | XMAX_INVALID
    natts = relation.descriptor.natts
    length = HEADER_SIZE + len(body)
    check_tuple_size(length)
    xid = transactions.current_xid()
    command = transactions.command_id()
    claimed = claim(
        context, relation, tid, command, _TUPLE_LOCK, crosscheck, wait=wait, verb="updating"
    )
    if claimed.failure is not None:
        return claimed.failure
    page, buffer = claimed.page, claimed.buffer
    new_buffer, new_block = buffer, tid.block
    if heap_free_space(page) < align8(length):
        new_buffer, new_block = _find_other_page(context, relation, claimed, tid, command, length)
    new_page = page if new_buffer == buffer else buffers.page(new_buffer)
    is_hot = new_buffer == buffer
    at = line_pointer(page, tid.offset)[0]
    # Read before the page changes: what the new version has in common with it stays out of the WAL.
    old = bytes(page[at : at + claimed.length]) if is_hot else None
    mask2 = natts | ONLY_TUPLE if is_hot else natts
    with CRITICAL_SECTION:
        if not is_hot:
            add_flags(page, PD_PAGE_FULL)
        mark_prunable(page, xid)
        data = form_tuple(xid, 0, command, new_block, 0, mask2, mask, hoff, body)
        number = put_tuple(new_page, new_block, data)
        old_mask, old_mask2 = stamp_xmax(
            context,
            page,
            at,
            xid,
            command,
            0,
            HOT_UPDATED if is_hot else 0,
            HOT_UPDATED,
            Tid(new_block, number),
        )
        buffers.mark_dirty(buffer)
        if not is_hot:
            buffers.mark_dirty(new_buffer)
        context.host.point(Point.HEAP_PAGE_CHANGED, page_lsn(page))
        flags, wal_data = update_data(old, tuple_hoff(page, at), mask2, mask, hoff, body)
        old_bits = infobits(old_mask, old_mask2)
        main = UPDATE_MAIN.pack(xid, tid.offset, old_bits, flags, 0, number)
        is_alone = is_page_of_one(new_page, number)
        new_registered = RegisteredBlock(
            new_buffer,
            new_page,
            relation.locator,
            MAIN,
            new_block,
            WILL_INIT | STANDARD if is_alone else STANDARD,
            wal_data,
        )
        registered: tuple[RegisteredBlock, ...] = (new_registered,)
        info = HOT_UPDATE if is_hot else UPDATE
        if is_alone:
            info |= INIT_PAGE
        if not is_hot:
            old_registered = RegisteredBlock(buffer, page, relation.locator, MAIN, tid.block)
            registered = (new_registered, old_registered)
        lsn = context.wal.insert(RM_HEAP, info, main, registered, xid)
        set_page_lsn(page, lsn)
        if not is_hot:
            set_page_lsn(new_page, lsn)
        context.host.point(Point.HEAP_RECORD_INSERTED, lsn)
    if not is_hot:
        buffers.unlock_release(new_buffer)
    buffers.unlock_release(buffer)
    claimed.done()
    return ChangeOutcome(TupleUpdate.OK, Tid(new_block, number))


def _find_other_page(
    context: HeapContext,
    relation: Relation,
    claimed: Claim,
    tid: Tid,
    command: int,
    length: int,
) -> tuple[int, int]:
    """Mark the old version as locked, let go of its page, and come back with it and a page that has
    room locked. That can be the same page, if pruning made room meanwhile."""
    _mark_locked(context, relation, claimed, tid, command)
    context.buffers.unlock(claimed.buffer)
    return place_tuple(context, relation, length, claimed.buffer, tid.block)


def _mark_locked(
    context: HeapContext, relation: Relation, claimed: Claim, tid: Tid, command: int
) -> None:
    page, buffer = claimed.page, claimed.buffer
    xid = context.transactions.xid
    with CRITICAL_SECTION:
        # HEAP-7: not updated yet, but nobody else's to change.
        mask, mask2 = stamp_xmax(
            context,
            page,
            claimed.at,
            xid,
            command,
            XMAX_LOCK_ONLY | XMAX_EXCL_LOCK,
            0,
            HOT_UPDATED,
            tid,
        )
        context.buffers.mark_dirty(buffer)
        context.host.point(Point.HEAP_PAGE_CHANGED, page_lsn(page))
        main = LOCK_MAIN.pack(xid, tid.offset, infobits(mask, mask2), 0)
        registered = RegisteredBlock(buffer, page, relation.locator, MAIN, tid.block)
        lsn = context.wal.insert(RM_HEAP, LOCK, main, (registered,), xid)
        set_page_lsn(page, lsn)
        context.host.point(Point.HEAP_RECORD_INSERTED, lsn)
