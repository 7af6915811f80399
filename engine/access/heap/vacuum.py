"""VACUUM: removing what is dead from a table, freezing what is old, giving back the empty end.

One pass, since there are no indexes: prune each page, make its dead line pointers unused, freeze,
note the room that is left in the free space map. The table is locked SHARE UPDATE EXCLUSIVE by the
caller.

Source: PostgreSQL 15, `access/heap/vacuumlazy.c`.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.access.heap.context import HeapContext
from engine.access.heap.freeze import freeze_page
from engine.access.heap.placement import MAIN
from engine.access.heap.prune import prune_page
from engine.access.heap.truncate import truncate_tail
from engine.access.heap.visibility import TupleState
from engine.access.heap.wal_records import OFFSET_MAIN, RM_HEAP2, VACUUM, offset_list
from engine.access.relation import Relation
from engine.host.points import Point
from engine.storage.page import (
    LP_DEAD,
    LP_NORMAL,
    LP_UNUSED,
    heap_free_space,
    init_page,
    is_new,
    line_pointers,
    page_lsn,
    set_line_pointer,
    set_page_lsn,
    truncate_line_pointers,
)
from engine.transaction.critical import CRITICAL_SECTION
from engine.types import FIRST_NORMAL_XID, INVALID_XID, Xid
from engine.wal.insert import RegisteredBlock


@dataclass
class VacuumResult:
    """What was done, for VACUUM VERBOSE and pg_class.

    `oldest_xid` is the new relfrozenxid; 0 when pages were skipped, so that nothing new is known.
    """

    pages: int = 0
    pages_skipped: int = 0
    pages_removed: int = 0
    tuples_removed: int = 0
    tuples_live: int = 0
    tuples_recently_dead: int = 0
    tuples_frozen: int = 0
    oldest_xid: Xid = INVALID_XID


def freeze_cutoff(horizon: int, minimum_age: int) -> int:
    """Tuples from before this xid are frozen (`vacuum_set_xid_limits`)."""
    cutoff = (horizon - minimum_age) & 0xFFFFFFFF
    return max(cutoff, FIRST_NORMAL_XID)


def vacuum(context: HeapContext, relation: Relation, *, freeze_min_age: int) -> VacuumResult:
    """Vacuum a table."""
    proc_array = context.transactions.proc_array
    # HEAP-10: one horizon for the whole run decides what is dead and what may be frozen.
    horizon = proc_array.oldest_nonremovable_xid()
    cutoff = freeze_cutoff(horizon, freeze_min_age)
    blocks = context.smgr.nblocks(relation.locator, MAIN)
    result = VacuumResult(pages=blocks, oldest_xid=horizon)
    used = 0
    for block in range(blocks):
        context.check_interrupts()
        if _vacuum_page(context, relation, block, horizon, cutoff, result, blocks > 1):
            used = block + 1
    if result.pages_skipped:
        result.oldest_xid = INVALID_XID
    if blocks > 1:
        context.free_space.propagate(relation.locator)
    result.pages_removed = truncate_tail(context, relation, blocks, used)
    # Let this process, too, look for room from the start of the table.
    context.targets.pop(relation.locator, None)
    return result


def _vacuum_page(
    context: HeapContext,
    relation: Relation,
    block: int,
    horizon: int,
    cutoff: int,
    result: VacuumResult,
    has_map: bool,
) -> bool:
    """Vacuum one page; whether there is something left on it."""
    buffers = context.buffers
    buffer = buffers.read(relation.locator, MAIN, block)
    if not buffers.try_lock_for_cleanup(buffer):
        # Somebody has it pinned, perhaps waiting for a row: the next VACUUM will find it free.
        buffers.release(buffer)
        result.pages_skipped += 1
        return True
    page = buffers.page(buffer)
    if is_new(page):
        # Its maker died between extending the file and using the page.
        init_page(page)
        buffers.mark_dirty(buffer)
    plan = prune_page(context, relation, buffer, horizon)
    result.tuples_removed += plan.deleted
    dead = [
        number
        for number, pointer in enumerate(line_pointers(page), 1)
        if pointer >> 15 & 3 == LP_DEAD
    ]
    if dead:
        _reclaim_dead(context, relation, buffer, block, dead)
    frozen, oldest = freeze_page(context, relation, buffer, block, cutoff, result.oldest_xid)
    result.tuples_frozen += frozen
    result.oldest_xid = Xid(oldest)
    _count_tuples(context, page, horizon, result)
    is_used = any(pointer >> 15 & 3 != LP_UNUSED for pointer in line_pointers(page))
    free = heap_free_space(page)
    buffers.unlock_release(buffer)
    if has_map:
        context.free_space.record(relation.locator, block, free)
    return is_used


def _reclaim_dead(
    context: HeapContext, relation: Relation, buffer: int, block: int, dead: list[int]
) -> None:
    """Make dead line pointers unused: no index points to them (`lazy_vacuum_heap_page`)."""
    page = context.buffers.page(buffer)
    with CRITICAL_SECTION:
        apply_vacuum(page, dead)
        context.buffers.mark_dirty(buffer)
        context.host.point(Point.HEAP_PAGE_CHANGED, page_lsn(page))
        registered = RegisteredBlock(
            buffer, page, relation.locator, MAIN, block, data=offset_list(dead)
        )
        main = OFFSET_MAIN.pack(len(dead))
        lsn = context.wal.insert(RM_HEAP2, VACUUM, main, (registered,))
        set_page_lsn(page, lsn)
        context.host.point(Point.HEAP_RECORD_INSERTED, lsn)


def apply_vacuum(page: memoryview, numbers: list[int] | tuple[int, ...]) -> None:
    """Make the line pointers unused and cut those at the end; redo does the same."""
    for number in numbers:
        set_line_pointer(page, number, 0, LP_UNUSED, 0)
    truncate_line_pointers(page)


def _count_tuples(
    context: HeapContext, page: memoryview, horizon: int, result: VacuumResult
) -> None:
    words = page.cast("I")
    visibility = context.visibility
    visibility.hints.clear()
    for pointer in line_pointers(page):
        if pointer >> 15 & 3 != LP_NORMAL:
            continue
        state = visibility.satisfies_vacuum(words, (pointer & 0x7FFF) >> 2, horizon)
        if state is TupleState.RECENTLY_DEAD:
            result.tuples_recently_dead += 1
        elif state in (TupleState.LIVE, TupleState.DELETE_IN_PROGRESS):
            result.tuples_live += 1
