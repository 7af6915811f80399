"""Masks: what may differ between a page as it was logged and the same page as replay makes it.

Hints are not logged, and nobody relies on what lies in the hole; so both pages are given the same
there before they are compared. The masks of a resource manager's own pages stand beside its redo.

Source: PostgreSQL 15, `access/common/bufmask.c`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from engine.errors import SqlError, SqlState
from engine.storage.page import (
    BOUNDS,
    FLAGS_OFFSET,
    HEADER_SIZE,
    LOWER_OFFSET,
    PD_ALL_VISIBLE,
    PD_HAS_FREE_LINES,
    PD_PAGE_FULL,
    PRUNE_XID_OFFSET,
    U16,
    U32,
)
from engine.types import BLOCK_SIZE

_KEPT_FLAGS: Final = ~(PD_HAS_FREE_LINES | PD_PAGE_FULL | PD_ALL_VISIBLE) & 0xFFFF
_LSN_AND_CHECKSUM: Final = Struct("<QH")


def mask_lsn_and_checksum(page: bytearray) -> None:
    """The image was taken before its record had an end."""
    _LSN_AND_CHECKSUM.pack_into(page, 0, 0, 0)


def mask_page_hints(page: bytearray) -> None:
    """Flags and prune xid: hints, but for all-visible, which has a record of its own."""
    U16.pack_into(page, FLAGS_OFFSET, U16.unpack_from(page, FLAGS_OFFSET)[0] & _KEPT_FLAGS)
    U32.pack_into(page, PRUNE_XID_OFFSET, 0)


def mask_unused_space(page: bytearray) -> None:
    """The hole; XX000 when the header does not say where it is."""
    lower, upper, special = BOUNDS.unpack_from(page, LOWER_OFFSET)
    if not HEADER_SIZE <= lower <= upper <= special <= BLOCK_SIZE:
        raise SqlError(
            SqlState.INTERNAL_ERROR,
            f"invalid page pd_lower {lower} pd_upper {upper} pd_special {special}",
        )
    page[lower:upper] = bytes(upper - lower)
