"""Replay of the heap's records: each change again, as the record describes it.

A change is applied only to a page that does not have it yet (REDO-1), so replaying twice gives the
same bytes. Command ids are not in the WAL: whoever's they were is gone, and replay stores 0.

Source: PostgreSQL 15, `access/heap/heapam.c` (heap_redo, heap2_redo).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from engine.access.heap.freeze import FrozenTuple, apply_freeze
from engine.access.heap.prune import apply_prune
from engine.access.heap.tuple import (
    COMBO_CID,
    CTID_OFFSET,
    HEADER,
    HEADER_SIZE,
    HOT_UPDATED,
    INFOMASK2_OFFSET,
    KEYS_UPDATED,
    MOVED,
    XMAX_BITS,
    tuple_hoff,
)
from engine.access.heap.vacuum import apply_vacuum
from engine.access.heap.visibility import is_locked_only
from engine.access.heap.wal_records import (
    CONFIRM,
    DELETE,
    DELETE_MAIN,
    FREEZE_MAIN,
    FREEZE_PAGE,
    FREEZE_TUPLE,
    HOT_UPDATE,
    INIT_PAGE,
    INPLACE,
    INSERT,
    INSERT_MAIN,
    LOCK,
    LOCK_MAIN,
    MULTI_INSERT,
    MULTI_INSERT_MAIN,
    MULTI_INSERT_TUPLE,
    OFFSET_MAIN,
    OPCODE_MASK,
    PRUNE,
    PRUNE_MAIN,
    TUPLE_HEADER,
    UPDATE,
    UPDATE_MAIN,
    UPDATE_PREFIX_FROM_OLD,
    UPDATE_SUFFIX_FROM_OLD,
    VACUUM,
    masks_of_infobits,
)
from engine.errors import FatalError, PanicError, SqlState
from engine.storage.page import (
    LP_NORMAL,
    add_item,
    init_page,
    item_count,
    line_pointer,
    prune_xid,
    set_prune_xid,
)
from engine.storage.redo_context import NEEDS_REDO, NOT_FOUND, RedoContext
from engine.types import format_lsn
from engine.wal.record import WalRecord

_U16: Final = Struct("<H")
_XMAX_TO_MASK: Final = Struct("<IIHHHHH")
"""xmax, cid, ctid block high, block low, offset, infomask2, infomask: from XMAX_OFFSET on."""
_CTID: Final = Struct("<HHH")
_XMAX: Final = 4

_CLEARED: Final = ~(XMAX_BITS | MOVED | COMBO_CID) & 0xFFFF
_CLEARED2: Final = ~(KEYS_UPDATED | HOT_UPDATED) & 0xFFFF
_KEEP_HOT2: Final = ~KEYS_UPDATED & 0xFFFF
_NO_COMBO: Final = ~COMBO_CID & 0xFFFF

_read_masks = Struct("<HH").unpack_from
_unpack_update = UPDATE_MAIN.unpack_from
_unpack_insert = INSERT_MAIN.unpack_from
_unpack_header = TUPLE_HEADER.unpack_from
_unpack_u16 = _U16.unpack_from
_pack_header = HEADER.pack
_pack_xmax_to_mask = _XMAX_TO_MASK.pack_into


def heap_redo(record: WalRecord, context: RedoContext) -> None:
    """Replay a record of resource manager Heap."""
    opcode = record.info & OPCODE_MASK
    if opcode == HOT_UPDATE:
        _redo_update(record, context, HOT_UPDATED)
    elif opcode == INSERT:
        _redo_insert(record, context)
    elif opcode == UPDATE:
        _redo_update(record, context, 0)
    elif opcode == DELETE:
        _redo_delete(record, context)
    elif opcode == LOCK:
        _redo_lock(record, context)
    elif opcode == INPLACE:
        _redo_inplace(record, context)
    elif opcode == CONFIRM:
        _redo_confirm(record, context)
    else:
        raise _unknown(record)


def heap2_redo(record: WalRecord, context: RedoContext) -> None:
    """Replay a record of resource manager Heap2."""
    opcode = record.info & OPCODE_MASK
    if opcode == PRUNE:
        _redo_prune(record, context)
    elif opcode == MULTI_INSERT:
        _redo_multi_insert(record, context)
    elif opcode == VACUUM:
        _redo_vacuum(record, context)
    elif opcode == FREEZE_PAGE:
        _redo_freeze(record, context)
    else:
        raise _unknown(record)


def _redo_insert(record: WalRecord, context: RedoContext) -> None:
    buffer = _page_to_fill(record, context)
    if buffer < 0:
        return
    block = record.blocks[0]
    number = _unpack_insert(record.main)[0]
    data = block.data
    mask2, mask, hoff = _unpack_header(data)
    _put(
        context.page(buffer),
        record.xid,
        0,
        block.block,
        number,
        mask2,
        mask,
        hoff,
        data[5:],
        record,
    )
    context.changed(buffer, record)


def _redo_multi_insert(record: WalRecord, context: RedoContext) -> None:
    buffer = _page_to_fill(record, context)
    if buffer < 0:
        return
    block = record.blocks[0]
    _, count = MULTI_INSERT_MAIN.unpack_from(record.main)
    numbers: tuple[int, ...] = tuple(range(1, count + 1))
    if not record.info & INIT_PAGE:
        numbers = Struct(f"<{count}H").unpack_from(record.main, 4)
    page = context.page(buffer)
    data = block.data
    at = 0
    for number in numbers:
        at += at & 1
        length, mask2, mask, hoff = MULTI_INSERT_TUPLE.unpack_from(data, at)
        at += MULTI_INSERT_TUPLE.size
        body = data[at : at + length]
        at += length
        _put(page, record.xid, 0, block.block, number, mask2, mask, hoff, body, record)
    context.changed(buffer, record)


def _page_to_fill(record: WalRecord, context: RedoContext) -> int:
    """The page that gets the record's tuples, made anew if it says so; -1 if it has them."""
    if record.info & INIT_PAGE:
        buffer = context.init_for_redo(record, 0)
        init_page(context.page(buffer))
        return buffer
    action, buffer = context.read_for_redo(record, 0)
    if action == NEEDS_REDO:
        return buffer
    if action != NOT_FOUND:
        context.unchanged(buffer)
    return -1


def _redo_update(record: WalRecord, context: RedoContext, hot: int) -> None:
    main = record.main
    old_xmax, old_number, old_bits, flags, new_xmax, new_number = _unpack_update(main)
    blocks = record.blocks
    new_block = blocks[0].block
    is_same_page = len(blocks) == 1
    action, buffer = context.read_for_redo(record, 0 if is_same_page else 1)
    old = b""
    old_hoff = 0
    if action == NEEDS_REDO:
        page = context.page(buffer)
        at, length = _stored_item(page, old_number, record)
        if flags & (UPDATE_PREFIX_FROM_OLD | UPDATE_SUFFIX_FROM_OLD):
            old = bytes(page[at : at + length])
            old_hoff = old[22]
        mask2, mask = _read_masks(page, at + INFOMASK2_OFFSET)
        mask &= _CLEARED
        mask2 = mask2 & _CLEARED2 | hot
        if old_bits:
            add, add2 = masks_of_infobits(old_bits)
            mask |= add
            mask2 |= add2
        high, low = new_block >> 16, new_block & 0xFFFF
        _pack_xmax_to_mask(page, at + _XMAX, old_xmax, 0, high, low, new_number, mask2, mask)
        _mark_prunable(page, record.xid)
        if not is_same_page:
            context.changed(buffer, record)
    if is_same_page:
        if action != NEEDS_REDO:
            context.unchanged(buffer)
            return
    else:
        if action != NEEDS_REDO:
            context.unchanged(buffer)
        buffer = _page_to_fill(record, context)
        if buffer < 0:
            return
    mask2, mask, hoff, body = _new_version(blocks[0].data, flags, old, old_hoff)
    _put(
        context.page(buffer),
        record.xid,
        new_xmax,
        new_block,
        new_number,
        mask2,
        mask,
        hoff,
        body,
        record,
    )
    context.changed(buffer, record)


def _new_version(data: bytes, flags: int, old: bytes, old_hoff: int) -> tuple[int, int, int, bytes]:
    """(infomask2, infomask, hoff, body from byte 23 on) of an update's new tuple."""
    at = 0
    prefix = suffix = 0
    if flags & UPDATE_PREFIX_FROM_OLD:
        prefix = _unpack_u16(data)[0]
        at = 2
    if flags & UPDATE_SUFFIX_FROM_OLD:
        suffix = _unpack_u16(data, at)[0]
        at += 2
    mask2, mask, hoff = _unpack_header(data, at)
    at += 5
    if prefix:
        bitmap_end = at + hoff - HEADER_SIZE
        body = data[at:bitmap_end] + old[old_hoff : old_hoff + prefix] + data[bitmap_end:]
    else:
        body = data[at:]
    if suffix:
        body += old[len(old) - suffix :]
    return mask2, mask, hoff, body


def _redo_delete(record: WalRecord, context: RedoContext) -> None:
    action, buffer = context.read_for_redo(record, 0)
    if action != NEEDS_REDO:
        context.unchanged(buffer)
        return
    xmax, number, bits, _ = DELETE_MAIN.unpack_from(record.main)
    page = context.page(buffer)
    at, _ = _stored_item(page, number, record)
    mask2, mask = _read_masks(page, at + INFOMASK2_OFFSET)
    add, add2 = masks_of_infobits(bits)
    block = record.blocks[0].block
    _pack_xmax_to_mask(
        page,
        at + _XMAX,
        xmax,
        0,
        block >> 16,
        block & 0xFFFF,
        number,
        mask2 & _CLEARED2 | add2,
        mask & _CLEARED | add,
    )
    _mark_prunable(page, record.xid)
    context.changed(buffer, record)


def _redo_lock(record: WalRecord, context: RedoContext) -> None:
    action, buffer = context.read_for_redo(record, 0)
    if action != NEEDS_REDO:
        context.unchanged(buffer)
        return
    xid, number, bits, _ = LOCK_MAIN.unpack_from(record.main)
    page = context.page(buffer)
    at, _ = _stored_item(page, number, record)
    mask2, mask = _read_masks(page, at + INFOMASK2_OFFSET)
    add, add2 = masks_of_infobits(bits)
    mask = mask & _CLEARED | add
    mask2 = mask2 & _KEEP_HOT2 | add2
    high, low, offset = _CTID.unpack_from(page, at + CTID_OFFSET)
    if is_locked_only(mask):
        mask2 &= ~HOT_UPDATED
        block = record.blocks[0].block
        high, low, offset = block >> 16, block & 0xFFFF, number
    _pack_xmax_to_mask(page, at + _XMAX, xid, 0, high, low, offset, mask2, mask)
    context.changed(buffer, record)


def _redo_inplace(record: WalRecord, context: RedoContext) -> None:
    action, buffer = context.read_for_redo(record, 0)
    if action != NEEDS_REDO:
        context.unchanged(buffer)
        return
    number = OFFSET_MAIN.unpack_from(record.main)[0]
    page = context.page(buffer)
    at, length = _stored_item(page, number, record)
    start = at + tuple_hoff(page, at)
    data = record.blocks[0].data
    if at + length - start != len(data):
        raise _broken(record, "wrong tuple length")
    page[start : at + length] = data
    context.changed(buffer, record)


def _redo_confirm(record: WalRecord, context: RedoContext) -> None:
    action, buffer = context.read_for_redo(record, 0)
    if action != NEEDS_REDO:
        context.unchanged(buffer)
        return
    number = OFFSET_MAIN.unpack_from(record.main)[0]
    page = context.page(buffer)
    at, _ = _stored_item(page, number, record)
    block = record.blocks[0].block
    _CTID.pack_into(page, at + CTID_OFFSET, block >> 16, block & 0xFFFF, number)
    context.changed(buffer, record)


def _redo_prune(record: WalRecord, context: RedoContext) -> None:
    action, buffer = context.read_for_redo(record, 0)
    if action != NEEDS_REDO:
        context.unchanged(buffer)
        return
    _, redirect_count, dead_count = PRUNE_MAIN.unpack_from(record.main)
    data = record.blocks[0].data
    offsets = Struct(f"<{len(data) // 2}H").unpack(data)
    pairs = offsets[: 2 * redirect_count]
    redirected = list(zip(pairs[::2], pairs[1::2], strict=True))
    dead = offsets[2 * redirect_count : 2 * redirect_count + dead_count]
    unused = offsets[2 * redirect_count + dead_count :]
    apply_prune(context.page(buffer), redirected, dead, unused)
    context.changed(buffer, record)


def _redo_vacuum(record: WalRecord, context: RedoContext) -> None:
    action, buffer = context.read_for_redo(record, 0)
    if action != NEEDS_REDO:
        context.unchanged(buffer)
        return
    data = record.blocks[0].data
    apply_vacuum(context.page(buffer), Struct(f"<{len(data) // 2}H").unpack(data))
    context.changed(buffer, record)


def _redo_freeze(record: WalRecord, context: RedoContext) -> None:
    action, buffer = context.read_for_redo(record, 0)
    if action != NEEDS_REDO:
        context.unchanged(buffer)
        return
    page = context.page(buffer)
    data = record.blocks[0].data
    _, count = FREEZE_MAIN.unpack_from(record.main)
    for index in range(count):
        xmax, number, mask2, mask, _ = FREEZE_TUPLE.unpack_from(data, index * FREEZE_TUPLE.size)
        at, _ = _stored_item(page, number, record)
        apply_freeze(page, at, FrozenTuple(xmax, number, mask2, mask))
    context.changed(buffer, record)


def _put(
    page: memoryview,
    xmin: int,
    xmax: int,
    block: int,
    number: int,
    mask2: int,
    mask: int,
    hoff: int,
    body: bytes,
    record: WalRecord,
) -> None:
    """Put a tuple at the line pointer where it was."""
    header = _pack_header(
        xmin, xmax, 0, block >> 16, block & 0xFFFF, number, mask2, mask & _NO_COMBO, hoff
    )
    if not add_item(page, header + body, number):
        raise _broken(record, "failed to add tuple")


def _stored_item(page: memoryview, number: int, record: WalRecord) -> tuple[int, int]:
    """(offset, length) of the tuple that the record is about."""
    if 0 < number <= item_count(page):
        at, state, length = line_pointer(page, number)
        if state == LP_NORMAL:
            return at, length
    raise _broken(record, "invalid lp")


def _mark_prunable(page: memoryview, xid: int) -> None:
    known = prune_xid(page)
    if not known or (xid - known) & 0xFFFFFFFF >= 0x80000000:
        set_prune_xid(page, xid)


def _broken(record: WalRecord, message: str) -> PanicError:
    """Page and WAL contradict each other: going on could only make it worse."""
    return PanicError(
        SqlState.DATA_CORRUPTED, message, context=f"WAL redo at {format_lsn(record.lsn)}"
    )


def _unknown(record: WalRecord) -> FatalError:
    return FatalError(
        SqlState.FEATURE_NOT_SUPPORTED,
        f"replay of heap record {record.rmid}/{record.info & 0xF0:02X} is not supported yet "
        f"(at {format_lsn(record.lsn)})",
    )
