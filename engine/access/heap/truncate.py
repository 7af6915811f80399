"""Giving the empty pages at the end of a table back to the file system.

HEAP-12: the record is flushed before the file is cut, or records that follow in an older redo would
look for pages that are gone; and no redo point falls between the record and the cut, or a crash
between would bring back pages whose removal is never replayed.

Source: PostgreSQL 15, `access/heap/vacuumlazy.c` (lazy_truncate_heap), `catalog/storage.c`
(RelationTruncate).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from engine.access.heap.context import HeapContext
from engine.access.heap.placement import MAIN
from engine.access.relation import Relation
from engine.lmgr.lock_tag import LockTag
from engine.lmgr.modes import LockMode
from engine.shmem.lwlock import SHARED
from engine.storage.page import LP_UNUSED, line_pointers
from engine.transaction.critical import CRITICAL_SECTION

_RM_SMGR: Final = 2
_SMGR_TRUNCATE: Final = 0x20
_SPECIAL_REL_UPDATE: Final = 0x01
_TRUNCATE_HEAP: Final = 0x01
_TRUNCATE_MAIN: Final = Struct("<IIIII")
"""new number of blocks, locator, which forks."""

_WORTH_PAGES: Final = 1000
_WORTH_FRACTION: Final = 16
_TRIES: Final = 100
_PAUSE_MS: Final = 50


def truncate_tail(context: HeapContext, relation: Relation, blocks: int, used: int) -> int:
    """Cut off the empty pages from `used` on if they are worth it and nobody uses the table.

    `blocks` is the table's length when `used` was found. Answers how many pages went.
    """
    possible = blocks - used
    if possible <= 0 or (possible < _WORTH_PAGES and possible < blocks // _WORTH_FRACTION):
        return 0
    tag = LockTag.relation(relation.database, relation.oid)
    mode = LockMode.ACCESS_EXCLUSIVE
    tries = 0
    while not context.lock_table.acquire(tag, mode, wait=False):
        tries += 1
        if tries > _TRIES:
            return 0
        context.check_interrupts()
        context.host.sleep(_PAUSE_MS)
    try:
        if context.smgr.nblocks(relation.locator, MAIN) != blocks:
            # Grown meanwhile: the end is in use.
            return 0
        keep = _count_from_end(context, relation, blocks, used)
        if keep < blocks:
            truncate(context, relation, keep)
        return blocks - keep
    finally:
        context.lock_table.release(tag, mode)


def _count_from_end(context: HeapContext, relation: Relation, blocks: int, used: int) -> int:
    """The length without the pages at the end that are empty now."""
    buffers = context.buffers
    while blocks > used:
        context.check_interrupts()
        buffer = buffers.read(relation.locator, MAIN, blocks - 1)
        buffers.lock(buffer, SHARED)
        is_used = any(
            pointer >> 15 & 3 != LP_UNUSED for pointer in line_pointers(buffers.page(buffer))
        )
        buffers.unlock_release(buffer)
        if is_used:
            break
        blocks -= 1
    return blocks


def truncate(context: HeapContext, relation: Relation, blocks: int) -> None:
    """Cut the table to that many blocks; the caller has it locked ACCESS EXCLUSIVE."""
    locator = relation.locator
    with context.transactions.delaying_checkpoint(), CRITICAL_SECTION:
        main = _TRUNCATE_MAIN.pack(blocks, *locator, _TRUNCATE_HEAP)
        info = _SMGR_TRUNCATE | _SPECIAL_REL_UPDATE
        lsn = context.wal.insert(_RM_SMGR, info, main, (), context.transactions.xid)
        context.wal.flush(lsn)
        context.buffers.drop_from(locator, MAIN, blocks)
        context.smgr.truncate(locator, MAIN, blocks)
    context.targets.pop(locator, None)
