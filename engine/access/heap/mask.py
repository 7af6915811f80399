"""What may differ on a heap page between its image in the WAL and what replay makes of it.

Nothing but hints, command ids (replay stores 0), a speculative insertion's token, and padding.
PostgreSQL forgives more: of a tuple whose xmin is not frozen it masks every bit of infomask that
speaks of transactions, lock bits among them, though all but the hints are logged.

Source: PostgreSQL 15, `heap_mask` in `access/heap/heapam.c`.
"""

from __future__ import annotations

from typing import Final

from engine.access.heap.tuple import (
    COMBO_CID,
    HINT_BITS,
    SPECULATIVE_OFFSET,
    XMAX_COMMITTED,
    XMAX_INVALID,
    XMIN_FROZEN,
    set_tuple_cid,
    set_tuple_ctid,
    set_tuple_infomask,
    tuple_ctid,
    tuple_infomask,
)
from engine.storage.mask import mask_lsn_and_checksum, mask_page_hints, mask_unused_space
from engine.storage.page import LP_NORMAL, line_pointers

_KEPT: Final = ~(HINT_BITS | COMBO_CID) & 0xFFFF
_KEPT_OF_FROZEN: Final = ~(XMAX_COMMITTED | XMAX_INVALID | COMBO_CID) & 0xFFFF


def heap_mask(page: bytearray, block: int) -> None:
    """Mask a page of Heap or Heap2."""
    mask_lsn_and_checksum(page)
    mask_page_hints(page)
    mask_unused_space(page)
    for number, word in enumerate(line_pointers(page), 1):
        at, length = word & 0x7FFF, word >> 17
        if word >> 15 & 3 == LP_NORMAL:
            _mask_tuple(page, at, block, number)
        if length & 7:
            end = at + length
            page[end : end + 8 - (length & 7)] = bytes(8 - (length & 7))


def _mask_tuple(page: bytearray, at: int, block: int, number: int) -> None:
    infomask = tuple_infomask(page, at)
    # Both bits of xmin together are no hint: freezing is logged.
    is_frozen = infomask & XMIN_FROZEN == XMIN_FROZEN
    set_tuple_infomask(page, at, infomask & (_KEPT_OF_FROZEN if is_frozen else _KEPT))
    set_tuple_cid(page, at, 0)
    if tuple_ctid(page, at).offset == SPECULATIVE_OFFSET:
        set_tuple_ctid(page, at, block, number)
