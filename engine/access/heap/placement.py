"""Which page a new row version goes to.

First the page that took the last one of this process; then what the free space map offers; then the
last page of the file; then a new page. Each is looked at under its lock, and the map is told what
was really there.

Source: PostgreSQL 15, `access/heap/hio.c` (RelationGetBufferForTuple).
"""

from __future__ import annotations

from typing import Final

from engine.access.heap.context import HeapContext
from engine.access.relation import Relation
from engine.errors import SqlError, SqlState
from engine.storage.page import (
    HEADER_SIZE,
    LINE_POINTER_SIZE,
    MAX_HEAP_TUPLE_SIZE,
    heap_free_space,
    init_page,
    is_new,
)
from engine.types import BLOCK_SIZE, RelFileLocator, RelFork, align8

MAIN: Final = RelFork.MAIN
NO_BLOCK: Final = -1
_EMPTY_PAGE_SPACE: Final = BLOCK_SIZE - HEADER_SIZE - LINE_POINTER_SIZE


def check_tuple_size(length: int) -> None:
    """54000 for a row that fits on no page."""
    if align8(length) > MAX_HEAP_TUPLE_SIZE:
        raise SqlError(
            SqlState.PROGRAM_LIMIT_EXCEEDED,
            f"row is too big: size {align8(length)}, maximum size {MAX_HEAP_TUPLE_SIZE}",
        )


def place_tuple(
    context: HeapContext,
    relation: Relation,
    length: int,
    other_buffer: int = NO_BLOCK,
    other_block: int = NO_BLOCK,
) -> tuple[int, int]:
    """(buffer, block) of a page with room for a tuple of that length, pinned and locked EXCLUSIVE.

    `other_buffer`, pinned and not locked, is locked too: the lower block first, so that two updates
    which move rows in opposite directions cannot wait for each other. It may itself be the answer.
    """
    check_tuple_size(length)
    size = align8(length)
    needed = max(min(size + relation.target_free_space, _EMPTY_PAGE_SPACE), size)
    locator = relation.locator
    buffers = context.buffers
    block = _first_target(context, locator, needed)
    while True:
        if block is None:
            buffer, block = _extend(context, locator, other_buffer)
        else:
            found = _lock_both(context, locator, block, other_buffer, other_block)
            if found is None:
                # VACUUM has cut the file since: the next best, and nobody looks here again.
                context.targets.pop(locator, None)
                block = context.free_space.record_and_search(locator, block, 0, needed)
                continue
            buffer = found
        page = buffers.page(buffer)
        if is_new(page):
            init_page(page)
            buffers.mark_dirty(buffer)
        free = heap_free_space(page)
        if free >= needed:
            context.targets[locator] = block
            return buffer, block
        buffers.unlock(buffer)
        if buffer != other_buffer:
            buffers.release(buffer)
            if other_buffer != NO_BLOCK:
                buffers.unlock(other_buffer)
        block = context.free_space.record_and_search(locator, block, free, needed)


def _first_target(context: HeapContext, locator: RelFileLocator, needed: int) -> int | None:
    block = context.targets.get(locator)
    if block is None:
        block = context.free_space.search(locator, needed)
        if block is None:
            blocks = context.smgr.nblocks(locator, MAIN)
            block = blocks - 1 if blocks else None
    return block


def _lock_both(
    context: HeapContext, locator: RelFileLocator, block: int, other_buffer: int, other_block: int
) -> int | None:
    """The block's buffer, locked, and the other one locked too; None if there is no such block."""
    buffers = context.buffers
    if block == other_block:
        buffers.lock(other_buffer)
        return other_buffer
    if block >= context.smgr.nblocks(locator, MAIN):
        return None
    buffer = buffers.read(locator, MAIN, block)
    if other_buffer == NO_BLOCK:
        buffers.lock(buffer)
    elif other_block < block:
        buffers.lock(other_buffer)
        buffers.lock(buffer)
    else:
        buffers.lock(buffer)
        buffers.lock(other_buffer)
    return buffer


def _extend(context: HeapContext, locator: RelFileLocator, other_buffer: int) -> tuple[int, int]:
    """A new page at the end of the file."""
    buffers = context.buffers
    buffer = buffers.extend(locator, MAIN)
    block = buffers.tag(buffer)[2]
    init_page(buffers.page(buffer))
    buffers.mark_dirty(buffer)
    if other_buffer != NO_BLOCK:
        # The new block is the higher one: let go of it to take both in order.
        buffers.unlock(buffer)
        buffers.lock(other_buffer)
        buffers.lock(buffer)
    return buffer, block
