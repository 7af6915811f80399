"""Replay of records about relation files: created, cut.

Source: PostgreSQL 15, `smgr_redo` in `catalog/storage.c`, `visibilitymap_prepare_truncate`.
"""

from __future__ import annotations

from typing import Final

from engine.errors import FatalError, SqlState
from engine.storage.describe import (
    CREATE,
    SMGR_CREATE,
    SMGR_TRUNCATE,
    TRUNCATE,
    TRUNCATE_FSM,
    TRUNCATE_HEAP,
    TRUNCATE_VM,
)
from engine.storage.page import HEADER_SIZE
from engine.storage.redo_context import RedoContext
from engine.types import BLOCK_SIZE, RelFileLocator, RelFork, format_lsn
from engine.wal.record import WalRecord

_OPCODE_MASK: Final = 0xF0
_BLOCKS_PER_VM_BYTE: Final = 4
_BLOCKS_PER_VM_PAGE: Final = _BLOCKS_PER_VM_BYTE * (BLOCK_SIZE - HEADER_SIZE)


def redo(record: WalRecord, context: RedoContext) -> None:
    """Replay a record of resource manager Storage."""
    opcode = record.info & _OPCODE_MASK
    if opcode == SMGR_CREATE:
        tablespace, database, relation, fork = CREATE.unpack_from(record.main)
        locator = RelFileLocator(tablespace, database, relation)
        context.smgr.create(locator, RelFork(fork), is_redo=True)
    elif opcode == SMGR_TRUNCATE:
        blocks, tablespace, database, relation, flags = TRUNCATE.unpack_from(record.main)
        _truncate(context, RelFileLocator(tablespace, database, relation), blocks, flags)
    else:
        raise FatalError(
            SqlState.INTERNAL_ERROR,
            f"storage record of unknown kind {opcode:02X} at {format_lsn(record.lsn)}",
        )


def _truncate(context: RedoContext, locator: RelFileLocator, blocks: int, flags: int) -> None:
    # The relation may be dropped later in the WAL, so that its file is gone already.
    context.smgr.create(locator, RelFork.MAIN, is_redo=True)
    if flags & TRUNCATE_VM and context.smgr.exists(locator, RelFork.VM):
        _truncate_visibility_map(context, locator, blocks)
    if flags & TRUNCATE_FSM:
        # Its pages stay: what they say of blocks that are gone is corrected when it is used.
        context.forget_relation(locator, RelFork.FSM)
    if flags & TRUNCATE_HEAP:
        _cut(context, locator, RelFork.MAIN, blocks)


def _truncate_visibility_map(context: RedoContext, locator: RelFileLocator, blocks: int) -> None:
    """Cut the map; bits left over in its last byte and page would lie about blocks to come."""
    pages, inside = divmod(blocks, _BLOCKS_PER_VM_PAGE)
    if inside and pages < context.length(locator, RelFork.VM):
        buffer = context.buffers.read(locator, RelFork.VM, pages)
        context.buffers.lock(buffer)
        page = context.page(buffer)
        at, rest = divmod(inside, _BLOCKS_PER_VM_BYTE)
        at += HEADER_SIZE
        page[at] &= (1 << 2 * rest) - 1
        page[at + 1 :] = bytes(BLOCK_SIZE - at - 1)
        context.buffers.mark_dirty(buffer)
        context.buffers.unlock_release(buffer)
    _cut(context, locator, RelFork.VM, pages + 1 if inside else pages)


def _cut(context: RedoContext, locator: RelFileLocator, fork: RelFork, blocks: int) -> None:
    context.forget_relation(locator, fork, blocks)
    context.buffers.drop_from(locator, fork, blocks)
    context.smgr.truncate(locator, fork, blocks)
