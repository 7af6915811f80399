"""Reading a heap: all of it, page by page, or one row version.

A page is copied once under a shared lock, and all of its tuples are judged on the copy. So a reader
never holds a page while it thinks, and never has a pointer into one that it has not locked
(HEAP-8). Hint bits found on the way are taken back to the page afterwards, if the tuple is still
there.

Source: PostgreSQL 15, `access/heap/heapam.c` (heapgetpage, heap_fetch, heap_get_latest_tid).
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.access.heap.context import HeapContext
from engine.access.heap.page_tuple import HeapTuple
from engine.access.heap.placement import MAIN
from engine.access.heap.prune import prune_opportunistically
from engine.access.heap.tuple import (
    HINT_BITS,
    XMAX_INVALID,
    tuple_ctid,
    tuple_infomask,
    tuple_xmax,
    tuple_xmin,
)
from engine.access.heap.visibility import MASK_WORD, XMAX_WORD, is_locked_only
from engine.access.relation import Relation
from engine.shmem.lwlock import SHARED
from engine.storage.page import LP_NORMAL, line_pointers, page_lsn
from engine.transaction.snapshot import Snapshot
from engine.types import Tid

_HEADER_WORDS = 6


def scan_pages(
    context: HeapContext, relation: Relation, snapshot: Snapshot
) -> Iterator[list[HeapTuple]]:
    """The row versions that the snapshot sees, page by page; pages without any are left out."""
    buffers, locator = context.buffers, relation.locator
    descriptor = relation.descriptor
    visibility = context.visibility
    # What is added to the file from here on was not there when the snapshot was taken.
    for block in range(context.smgr.nblocks(locator, MAIN)):
        context.check_interrupts()
        buffer = buffers.read(locator, MAIN, block)
        prune_opportunistically(context, relation, buffer)
        buffers.lock(buffer, SHARED)
        page = bytearray(buffers.page(buffer))
        buffers.unlock(buffer)
        pointers = list(line_pointers(page))
        words = memoryview(page).cast("I")
        visibility.hints.clear()
        visibility.page_lsn = page_lsn(page)
        numbers = visibility.visible_items(words, pointers, snapshot)
        if visibility.hints:
            store_hints(context, buffer, words, pointers)
        buffers.release(buffer)
        if numbers:
            yield [
                HeapTuple(descriptor, page, block, number, pointers[number - 1])
                for number in numbers
            ]


def scan(context: HeapContext, relation: Relation, snapshot: Snapshot) -> Iterator[HeapTuple]:
    """The row versions that the snapshot sees, in the order of the file."""
    for tuples in scan_pages(context, relation, snapshot):
        yield from tuples


def fetch(
    context: HeapContext, relation: Relation, tid: Tid, snapshot: Snapshot
) -> HeapTuple | None:
    """The row version at `tid` if the snapshot sees it; newer versions are not looked for."""
    found = _copy_tuple(context, relation, tid)
    if found is None:
        return None
    buffer, version, words, pointers = found
    visibility = context.visibility
    visibility.hints.clear()
    visibility.page_lsn = page_lsn(version.page)
    is_visible = visibility.satisfies_mvcc(words, version.offset >> 2, snapshot)
    if visibility.hints:
        store_hints(context, buffer, words, pointers)
    context.buffers.release(buffer)
    return version if is_visible else None


def latest_version(
    context: HeapContext, relation: Relation, tid: Tid, prior_xmax: int
) -> HeapTuple | None:
    """Follow the updates from `tid` to the newest version of the row, waiting for those that are
    still running; None if the row was deleted (`heap_lock_tuple` with FIND_LAST_VERSION).

    `tid` and `prior_xmax` are `next_tid` and `xmax` of an outcome UPDATED. The version is not
    locked: the caller looks at it and tries again to change it, and may find it updated once more.
    """
    visibility, transactions = context.visibility, context.transactions
    while True:
        context.check_interrupts()
        found = _copy_tuple(context, relation, tid)
        if found is None:
            return None
        buffer, version, _, _ = found
        context.buffers.release(buffer)
        page, at = version.page, version.offset
        if tuple_xmin(page, at) != prior_xmax:
            # The version was removed and its place taken by a row that has nothing to do with it.
            return None
        mask = tuple_infomask(page, at)
        if mask & XMAX_INVALID or is_locked_only(mask):
            return version
        xmax = tuple_xmax(page, at)
        if xmax == transactions.xid:
            # This transaction itself has changed it: nothing newer is anybody else's.
            return version
        if transactions.proc_array.is_in_progress(xmax):
            context.lock_table.wait_for_xid(
                xmax, f'while rechecking updated tuple {tid} in relation "{relation.name}"'
            )
            continue
        if not visibility.did_commit(xmax):
            return version
        ctid = tuple_ctid(page, at)
        if ctid == tid:
            return None
        tid, prior_xmax = ctid, xmax


def _copy_tuple(
    context: HeapContext, relation: Relation, tid: Tid
) -> tuple[int, HeapTuple, memoryview, list[int]] | None:
    """(pinned buffer, the tuple on a copy of its page, the copy's words, its line pointers); None
    if there is nothing at `tid`."""
    buffers, locator = context.buffers, relation.locator
    if tid.block >= context.smgr.nblocks(locator, MAIN):
        return None
    buffer = buffers.read(locator, MAIN, tid.block)
    buffers.lock(buffer, SHARED)
    page = bytearray(buffers.page(buffer))
    buffers.unlock(buffer)
    pointers = list(line_pointers(page))
    if not 0 < tid.offset <= len(pointers) or pointers[tid.offset - 1] >> 15 & 3 != LP_NORMAL:
        buffers.release(buffer)
        return None
    version = HeapTuple(relation.descriptor, page, tid.block, tid.offset, pointers[tid.offset - 1])
    return buffer, version, memoryview(page).cast("I"), pointers


def store_hints(context: HeapContext, buffer: int, copied: memoryview, pointers: list[int]) -> None:
    """Take the hint bits found on a copy back to the page, where the tuple is still the same."""
    buffers, hints = context.buffers, context.visibility.hints
    number_of = {
        (pointer & 0x7FFF) >> 2: number
        for number, pointer in enumerate(pointers)
        if pointer >> 15 & 3 == LP_NORMAL
    }
    buffers.lock(buffer, SHARED)
    words = buffers.page(buffer).cast("I")
    has_changed = False
    for base, bit in hints:
        number = number_of[base]
        # HEAP-8: the page may have been pruned, or the tuple updated, since it was copied.
        if (
            words[_HEADER_WORDS + number] == pointers[number]
            and words[base] == copied[base]
            and words[base + XMAX_WORD] == copied[base + XMAX_WORD]
            and not (words[base + MASK_WORD] ^ copied[base + MASK_WORD]) & 0xFFFF & ~HINT_BITS
        ):
            words[base + MASK_WORD] |= bit
            has_changed = True
    if has_changed:
        buffers.mark_dirty_hint(buffer)
    buffers.unlock(buffer)
    hints.clear()
