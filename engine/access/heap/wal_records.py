"""The heap's WAL records: their numbers and layouts, and those parts that need some computing.

Source: PostgreSQL 15, `access/heapam_xlog.h`, `heapam.c` (log_heap_update).
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

from engine.access.heap.tuple import (
    HEADER_SIZE,
    KEYS_UPDATED,
    LOCK_MASK,
    XMAX_EXCL_LOCK,
    XMAX_IS_MULTI,
    XMAX_KEYSHR_LOCK,
    XMAX_LOCK_ONLY,
)

RM_HEAP2: Final = 9
RM_HEAP: Final = 10

# Heap
INSERT: Final = 0x00
DELETE: Final = 0x10
UPDATE: Final = 0x20
HOT_UPDATE: Final = 0x40
CONFIRM: Final = 0x50
LOCK: Final = 0x60
INPLACE: Final = 0x70

# Heap2
PRUNE: Final = 0x10
VACUUM: Final = 0x20
FREEZE_PAGE: Final = 0x30
VISIBLE: Final = 0x40
MULTI_INSERT: Final = 0x50
LOCK_UPDATED: Final = 0x60
NEW_CID: Final = 0x70

OPCODE_MASK: Final = 0x70
INIT_PAGE: Final = 0x80
"""Added to an opcode: the record makes the page anew."""

INSERT_LAST_IN_MULTI: Final = 0x02
UPDATE_PREFIX_FROM_OLD: Final = 0x20
UPDATE_SUFFIX_FROM_OLD: Final = 0x40

INFOBIT_IS_MULTI: Final = 0x01
INFOBIT_LOCK_ONLY: Final = 0x02
INFOBIT_EXCL_LOCK: Final = 0x04
INFOBIT_KEYSHR_LOCK: Final = 0x08
INFOBIT_KEYS_UPDATED: Final = 0x10

INSERT_MAIN: Final = Struct("<HB")
"""offset, flags."""
DELETE_MAIN: Final = Struct("<IHBB")
"""xmax, offset, infobits, flags."""
UPDATE_MAIN: Final = Struct("<IHBBIH")
"""old xmax, old offset, old infobits, flags, new xmax, new offset."""
LOCK_MAIN: Final = Struct("<IHBB")
"""xid, offset, infobits, flags."""
OFFSET_MAIN: Final = Struct("<H")
"""INPLACE, CONFIRM: offset. VACUUM: number of offsets."""
MULTI_INSERT_MAIN: Final = Struct("<BxH")
"""flags, number of tuples; their offsets follow, unless the page is made anew."""
PRUNE_MAIN: Final = Struct("<IHH")
"""latest removed xid, number redirected, number dead."""
FREEZE_MAIN: Final = Struct("<IH")
"""cutoff xid, number of tuples."""
VISIBLE_MAIN: Final = Struct("<IB")

TUPLE_HEADER: Final = Struct("<HHB")
"""infomask2, infomask, hoff: what WAL has of a tuple's header."""
MULTI_INSERT_TUPLE: Final = Struct("<HHHB")
"""body length, infomask2, infomask, hoff; at a 2-byte boundary."""
FREEZE_TUPLE: Final = Struct("<IHHHBx")
"""xmax, offset, infomask2, infomask, flags."""

_U16: Final = Struct("<H")
_TWO_U16: Final = Struct("<HH")
_SHORTEST_WORTHWHILE: Final = 3
"""A shorter common prefix or suffix costs as much as it saves."""


def infobits(infomask: int, infomask2: int) -> int:
    """The byte that stands for the xmax bits of both masks (`compute_infobits`)."""
    bits = 0
    if infomask & (XMAX_IS_MULTI | XMAX_LOCK_ONLY | LOCK_MASK):
        if infomask & XMAX_IS_MULTI:
            bits |= INFOBIT_IS_MULTI
        if infomask & XMAX_LOCK_ONLY:
            bits |= INFOBIT_LOCK_ONLY
        if infomask & XMAX_EXCL_LOCK:
            bits |= INFOBIT_EXCL_LOCK
        if infomask & XMAX_KEYSHR_LOCK:
            bits |= INFOBIT_KEYSHR_LOCK
    if infomask2 & KEYS_UPDATED:
        bits |= INFOBIT_KEYS_UPDATED
    return bits


def masks_of_infobits(bits: int) -> tuple[int, int]:
    """The (infomask, infomask2) bits that the byte stands for (`fix_infomask_from_infobits`)."""
    infomask = 0
    if bits & INFOBIT_IS_MULTI:
        infomask |= XMAX_IS_MULTI
    if bits & INFOBIT_LOCK_ONLY:
        infomask |= XMAX_LOCK_ONLY
    if bits & INFOBIT_EXCL_LOCK:
        infomask |= XMAX_EXCL_LOCK
    if bits & INFOBIT_KEYSHR_LOCK:
        infomask |= XMAX_KEYSHR_LOCK
    return infomask, KEYS_UPDATED if bits & INFOBIT_KEYS_UPDATED else 0


def update_data(
    old: bytes | None, old_hoff: int, infomask2: int, infomask: int, hoff: int, body: bytes
) -> tuple[int, bytes]:
    """(flags, block data) of the new tuple of an UPDATE record (`log_heap_update`).

    `old` is the old tuple if it is on the same page; what both have in common at the start and at
    the end of their data is then left out. `body` is the new tuple from byte 23 on.
    """
    header = TUPLE_HEADER.pack(infomask2, infomask, hoff)
    if old is None:
        return 0, header + body
    start = hoff - HEADER_SIZE
    prefix, suffix = _common_ends(old[old_hoff:], body[start:])
    if not prefix and not suffix:
        return 0, header + body
    middle = body[start + prefix : len(body) - suffix]
    if not suffix:
        return UPDATE_PREFIX_FROM_OLD, _U16.pack(prefix) + header + body[:start] + middle
    if not prefix:
        return UPDATE_SUFFIX_FROM_OLD, _U16.pack(suffix) + header + body[:start] + middle
    return (
        UPDATE_PREFIX_FROM_OLD | UPDATE_SUFFIX_FROM_OLD,
        _TWO_U16.pack(prefix, suffix) + header + body[:start] + middle,
    )


def _common_ends(old: bytes, new: bytes) -> tuple[int, int]:
    """Lengths of the common prefix and suffix of both, 0 where it does not pay."""
    shorter = min(len(old), len(new))
    prefix = _common_prefix(old[:shorter], new[:shorter])
    if prefix < _SHORTEST_WORTHWHILE:
        prefix = 0
    left = shorter - prefix
    suffix = _common_suffix(old[len(old) - left :], new[len(new) - left :])
    if suffix < _SHORTEST_WORTHWHILE:
        suffix = 0
    return prefix, suffix


def _common_prefix(one: bytes, other: bytes) -> int:
    """Number of equal leading bytes of two strings of the same length."""
    differing = int.from_bytes(one, "little") ^ int.from_bytes(other, "little")
    if not differing:
        return len(one)
    return ((differing & -differing).bit_length() - 1) >> 3


def _common_suffix(one: bytes, other: bytes) -> int:
    """Number of equal trailing bytes of two strings of the same length."""
    differing = int.from_bytes(one, "little") ^ int.from_bytes(other, "little")
    return len(one) - ((differing.bit_length() + 7) >> 3)


def offset_list(offsets: Sequence[int]) -> bytes:
    """Line pointer numbers as u16s."""
    return Struct(f"<{len(offsets)}H").pack(*offsets)
