"""Freezing: marks on old tuples that make their xids of no account.

So the xids can be given out again one day.

Source: PostgreSQL 15, `access/heap/heapam.c` (heap_prepare_freeze_tuple, log_heap_freeze).
"""

from __future__ import annotations

from typing import NamedTuple

from engine.access.heap.context import HeapContext
from engine.access.heap.placement import MAIN
from engine.access.heap.tuple import (
    HOT_UPDATED,
    KEYS_UPDATED,
    XMAX_BITS,
    XMAX_INVALID,
    XMIN_FROZEN,
    set_tuple_infomask,
    set_tuple_infomask2,
    set_tuple_xmax,
    tuple_infomask,
    tuple_infomask2,
    tuple_xmax,
    tuple_xmin,
)
from engine.access.heap.visibility import is_locked_only
from engine.access.heap.wal_records import FREEZE_MAIN, FREEZE_PAGE, FREEZE_TUPLE, RM_HEAP2
from engine.access.relation import Relation
from engine.errors import SqlError, SqlState
from engine.host.points import Point
from engine.storage.page import LP_NORMAL, line_pointers, page_lsn, set_page_lsn
from engine.transaction.critical import CRITICAL_SECTION
from engine.types import FIRST_NORMAL_XID, xid_precedes
from engine.wal.insert import RegisteredBlock


class FrozenTuple(NamedTuple):
    """What a frozen tuple says; one entry of a FREEZE_PAGE record."""

    xmax: int
    offset: int
    infomask2: int
    infomask: int


def freeze_page(
    context: HeapContext,
    relation: Relation,
    buffer: int,
    block: int,
    cutoff: int,
    oldest_left: int,
) -> tuple[int, int]:
    """Freeze what is older than `cutoff` on a pruned page, under the caller's EXCLUSIVE lock.

    Answers (how many tuples, the oldest xid left on the page or `oldest_left` if that is older).
    """
    page = context.buffers.page(buffer)
    frozen: list[FrozenTuple] = []
    for number, pointer in enumerate(line_pointers(page), 1):
        if pointer >> 15 & 3 != LP_NORMAL:
            continue
        change, oldest_left = _freeze_tuple(
            context, page, pointer & 0x7FFF, number, cutoff, oldest_left
        )
        if change is not None:
            frozen.append(change)
    if frozen:
        with CRITICAL_SECTION:
            for change in frozen:
                apply_freeze(page, line_pointers(page)[change.offset - 1] & 0x7FFF, change)
            context.buffers.mark_dirty(buffer)
            context.host.point(Point.HEAP_PAGE_CHANGED, page_lsn(page))
            data = b"".join(FREEZE_TUPLE.pack(*change, 0) for change in frozen)
            registered = RegisteredBlock(buffer, page, relation.locator, MAIN, block, data=data)
            main = FREEZE_MAIN.pack(cutoff, len(frozen))
            lsn = context.wal.insert(RM_HEAP2, FREEZE_PAGE, main, (registered,))
            set_page_lsn(page, lsn)
            context.host.point(Point.HEAP_RECORD_INSERTED, lsn)
    return len(frozen), oldest_left


def apply_freeze(page: memoryview, at: int, change: FrozenTuple) -> None:
    """Enter the new marks (`heap_execute_freeze_tuple`)."""
    set_tuple_xmax(page, at, change.xmax)
    set_tuple_infomask(page, at, change.infomask)
    set_tuple_infomask2(page, at, change.infomask2)


def _freeze_tuple(
    context: HeapContext, page: memoryview, at: int, number: int, cutoff: int, oldest_left: int
) -> tuple[FrozenTuple | None, int]:
    """What freezing makes of a tuple, None if nothing; and the oldest xid left so far."""
    mask, mask2 = tuple_infomask(page, at), tuple_infomask2(page, at)
    old_mask = mask
    xmin, xmax = tuple_xmin(page, at), tuple_xmax(page, at)
    did_commit = context.visibility.did_commit
    if xmin >= FIRST_NORMAL_XID and mask & XMIN_FROZEN != XMIN_FROZEN:
        if xid_precedes(xmin, cutoff):
            # HEAP-11: freezing what never was would bring it to life.
            if not did_commit(xmin):
                raise _corrupted(f"uncommitted xmin {xmin} from before xid cutoff {cutoff} needs")
            mask |= XMIN_FROZEN
        elif xid_precedes(xmin, oldest_left):
            oldest_left = xmin
    is_xmax_frozen = False
    if xmax >= FIRST_NORMAL_XID:
        if xid_precedes(xmax, cutoff):
            if not mask & XMAX_INVALID and not is_locked_only(mask) and did_commit(xmax):
                raise _corrupted(f"committed xmax {xmax} from before xid cutoff {cutoff} needs")
            is_xmax_frozen = True
        elif xid_precedes(xmax, oldest_left):
            oldest_left = xmax
    if is_xmax_frozen:
        xmax = 0
        mask = mask & ~XMAX_BITS | XMAX_INVALID
        mask2 &= ~(HOT_UPDATED | KEYS_UPDATED)
    elif mask == old_mask:
        return None, oldest_left
    return FrozenTuple(xmax, number, mask2, mask), oldest_left


def _corrupted(what: str) -> SqlError:
    return SqlError(SqlState.DATA_CORRUPTED, f"{what} to be frozen")
