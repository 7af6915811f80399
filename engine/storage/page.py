"""One data page: 8192 bytes with a header, line pointers growing up and items growing down.

    0           24            lower            upper                special        8192
    | header    | line pointers |  free space    |  items               | special    |

A page is any writable buffer of 8192 bytes (`bytearray` or `memoryview` of format `B`). Line
pointers are numbered from 1. The functions check what a corrupt page could make them destroy; they
do not check what their callers must get right.

Source: PostgreSQL 15, `storage/bufpage.h`, `storage/itemid.h`, `storage/page/bufpage.c`.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

from engine.errors import SqlError, SqlState
from engine.types import BLOCK_SIZE

Page = bytearray | memoryview
"""A writable page. Functions that only read also take `bytes`."""
AnyPage = bytes | bytearray | memoryview

HEADER_SIZE: Final = 24
LINE_POINTER_SIZE: Final = 4
LAYOUT_VERSION: Final = 4
PAGE_SIZE_AND_VERSION: Final = BLOCK_SIZE | LAYOUT_VERSION
MAX_HEAP_TUPLES: Final = 291
"""MaxHeapTuplesPerPage: as many line pointers as a heap page may ever have."""
MAX_HEAP_TUPLE_SIZE: Final = 8160

CHECKSUM_OFFSET: Final = 8
FLAGS_OFFSET: Final = 10
LOWER_OFFSET: Final = 12
UPPER_OFFSET: Final = 14
SPECIAL_OFFSET: Final = 16
VERSION_OFFSET: Final = 18
PRUNE_XID_OFFSET: Final = 20

PD_HAS_FREE_LINES: Final = 0x0001
PD_PAGE_FULL: Final = 0x0002
PD_ALL_VISIBLE: Final = 0x0004
PD_VALID_FLAGS: Final = 0x0007

LP_UNUSED: Final = 0
LP_NORMAL: Final = 1
LP_REDIRECT: Final = 2
LP_DEAD: Final = 3

HEADER: Final = Struct("<IIHHHHHHI")
"""LSN high, LSN low, checksum, flags, lower, upper, special, size and version, prune xid."""
U16: Final = Struct("<H")
U32: Final = Struct("<I")
LSN: Final = Struct("<II")
BOUNDS: Final = Struct("<HHH")
"""lower, upper, special at LOWER_OFFSET."""

_read_u16 = U16.unpack_from
_write_u16 = U16.pack_into
_read_u32 = U32.unpack_from
_write_u32 = U32.pack_into
_read_lsn = LSN.unpack_from
_write_lsn = LSN.pack_into
_read_bounds = BOUNDS.unpack_from
_FIRST_POINTER_BEFORE: Final = HEADER_SIZE - LINE_POINTER_SIZE
_ZERO_PAGE: Final = bytes(BLOCK_SIZE)
_ZERO_HEADER: Final = bytes(HEADER_SIZE)


# header -------------------------------------------------------------------------------------------


def init_page(page: Page, special_size: int = 0) -> None:
    """Make an empty page with `special_size` bytes (a multiple of 8) of special space."""
    page[:] = _ZERO_PAGE
    special = BLOCK_SIZE - special_size
    HEADER.pack_into(page, 0, 0, 0, 0, 0, HEADER_SIZE, special, special, PAGE_SIZE_AND_VERSION, 0)


def is_new(page: AnyPage) -> bool:
    """Whether the page was never initialised (PageIsNew: upper is 0)."""
    return bool(_read_u16(page, UPPER_OFFSET)[0] == 0)


def is_empty(page: AnyPage) -> bool:
    """Whether the page has no line pointer."""
    return bool(_read_u16(page, LOWER_OFFSET)[0] <= HEADER_SIZE)


def page_lsn(page: AnyPage) -> int:
    """End of the last WAL record that changed the page."""
    high, low = _read_lsn(page, 0)
    return int(high << 32 | low)


def set_page_lsn(page: Page, lsn: int) -> None:
    _write_lsn(page, 0, lsn >> 32, lsn & 0xFFFFFFFF)


def stored_checksum(page: AnyPage) -> int:
    return int(_read_u16(page, CHECKSUM_OFFSET)[0])


def set_checksum(page: Page, checksum: int) -> None:
    _write_u16(page, CHECKSUM_OFFSET, checksum)


def flags(page: AnyPage) -> int:
    return int(_read_u16(page, FLAGS_OFFSET)[0])


def set_flags(page: Page, value: int) -> None:
    _write_u16(page, FLAGS_OFFSET, value)


def add_flags(page: Page, mask: int) -> None:
    _write_u16(page, FLAGS_OFFSET, _read_u16(page, FLAGS_OFFSET)[0] | mask)


def clear_flags(page: Page, mask: int) -> None:
    _write_u16(page, FLAGS_OFFSET, _read_u16(page, FLAGS_OFFSET)[0] & ~mask)


def lower(page: AnyPage) -> int:
    """Offset of the first free byte."""
    return int(_read_u16(page, LOWER_OFFSET)[0])


def set_lower(page: Page, value: int) -> None:
    _write_u16(page, LOWER_OFFSET, value)


def upper(page: AnyPage) -> int:
    """Offset of the first byte after the free space."""
    return int(_read_u16(page, UPPER_OFFSET)[0])


def set_upper(page: Page, value: int) -> None:
    _write_u16(page, UPPER_OFFSET, value)


def special(page: AnyPage) -> int:
    """Offset of the special space."""
    return int(_read_u16(page, SPECIAL_OFFSET)[0])


def prune_xid(page: AnyPage) -> int:
    """The oldest xid whose deletion may be pruned, 0 if none (a hint)."""
    return int(_read_u32(page, PRUNE_XID_OFFSET)[0])


def set_prune_xid(page: Page, xid: int) -> None:
    _write_u32(page, PRUNE_XID_OFFSET, xid)


def check_header(page: AnyPage) -> bool:
    """Whether the header is plausible or the page all zero (PageIsVerified, but the checksum)."""
    _, _, _, page_flags, low, up, spec, _, _ = HEADER.unpack_from(page)
    if up == 0:
        return bytes(page) == _ZERO_PAGE
    return bool(
        page_flags & ~PD_VALID_FLAGS == 0 and low <= up <= spec <= BLOCK_SIZE and spec & 7 == 0
    )


# line pointers and items --------------------------------------------------------------------------


def item_count(page: AnyPage) -> int:
    """Number of line pointers, used or not; the highest valid offset number."""
    low = _read_u16(page, LOWER_OFFSET)[0]
    return int(low - HEADER_SIZE) >> 2 if low > HEADER_SIZE else 0


def line_pointer(page: AnyPage, number: int) -> tuple[int, int, int]:
    """(offset, state, length) of a line pointer; for REDIRECT, offset is the target's number."""
    word = _read_u32(page, _FIRST_POINTER_BEFORE + 4 * number)[0]
    return word & 0x7FFF, word >> 15 & 3, word >> 17


def set_line_pointer(page: Page, number: int, offset: int, state: int, length: int) -> None:
    word = offset | state << 15 | length << 17
    _write_u32(page, _FIRST_POINTER_BEFORE + 4 * number, word)


def line_pointers(page: AnyPage) -> tuple[int, ...]:
    """All line pointers as raw words (offset bits 0-14, state 15-16, length 17-31), fast."""
    count = item_count(page)
    return tuple(memoryview(page)[HEADER_SIZE : HEADER_SIZE + 4 * count].cast("I"))


def item(page: AnyPage, number: int) -> memoryview:
    """The bytes of an item that has storage; a view of the page."""
    word = _read_u32(page, _FIRST_POINTER_BEFORE + 4 * number)[0]
    offset = word & 0x7FFF
    return memoryview(page)[offset : offset + (word >> 17)]


def free_space(page: AnyPage) -> int:
    """Bytes left for one more item, its line pointer taken off (PageGetFreeSpace)."""
    low, up, _ = _read_bounds(page, LOWER_OFFSET)
    space = up - low - LINE_POINTER_SIZE
    return int(space) if space > 0 else 0


def exact_free_space(page: AnyPage) -> int:
    """Bytes between lower and upper (PageGetExactFreeSpace)."""
    low, up, _ = _read_bounds(page, LOWER_OFFSET)
    return int(up - low) if up > low else 0


def heap_free_space(page: AnyPage) -> int:
    """As `free_space`, but 0 when a heap page can take no more line pointers."""
    space = free_space(page)
    if space == 0 or item_count(page) < MAX_HEAP_TUPLES:
        return space
    # `add_item` believes the hint when it is off, so the answer must believe it too.
    has_unused = flags(page) & PD_HAS_FREE_LINES and 0 in line_pointers(page)
    return space if has_unused else 0


def add_item(page: Page, data: AnyPage, number: int | None = None) -> int:
    """Put a heap tuple on the page; its offset number, 0 when there is no room (PageAddItem).

    Without `number` an unused line pointer is taken again if there is one. With it, that line
    pointer must be unused or the next one (as redo needs).
    """
    low, up, spec = _read_bounds(page, LOWER_OFFSET)
    _check_bounds(low, up, spec)
    limit = (low - HEADER_SIZE >> 2) + 1
    if number is None:
        number = _choose_line_pointer(page, limit)
    elif number > limit or (number < limit and not _is_unused(page, number)):
        return 0
    if number > MAX_HEAP_TUPLES:
        return 0
    if number == limit:
        low += LINE_POINTER_SIZE
    length = len(data)
    up -= length + 7 & ~7
    if low > up:
        return 0
    _write_u32(page, _FIRST_POINTER_BEFORE + 4 * number, up | LP_NORMAL << 15 | length << 17)
    page[up : up + length] = data
    BOUNDS.pack_into(page, LOWER_OFFSET, low, up, spec)
    return number


def insert_item(page: Page, data: AnyPage, number: int) -> bool:
    """Put an index tuple at `number`, moving later line pointers up by one; False if no room."""
    low, up, spec = _read_bounds(page, LOWER_OFFSET)
    _check_bounds(low, up, spec)
    at = _FIRST_POINTER_BEFORE + 4 * number
    if at > low:
        return False
    length = len(data)
    up -= length + 7 & ~7
    if low + LINE_POINTER_SIZE > up:
        return False
    page[at + 4 : low + 4] = bytes(page[at:low])
    _write_u32(page, at, up | LP_NORMAL << 15 | length << 17)
    page[up : up + length] = data
    BOUNDS.pack_into(page, LOWER_OFFSET, low + LINE_POINTER_SIZE, up, spec)
    return True


def _is_unused(page: AnyPage, number: int) -> bool:
    # A used pointer without storage (REDIRECT, DEAD) is not free either.
    return not _read_u32(page, _FIRST_POINTER_BEFORE + 4 * number)[0] & ~0x7FFF


def _choose_line_pointer(page: Page, limit: int) -> int:
    page_flags = _read_u16(page, FLAGS_OFFSET)[0]
    if not page_flags & PD_HAS_FREE_LINES:
        return limit
    for number, word in enumerate(line_pointers(page), 1):
        if not word & ~0x7FFF:
            return number
    _write_u16(page, FLAGS_OFFSET, page_flags & ~PD_HAS_FREE_LINES)
    return limit


# compaction ---------------------------------------------------------------------------------------


def repair_fragmentation(page: Page) -> None:
    """Give the space of removed items back to the hole (PageRepairFragmentation).

    Items are laid anew from `special` downward in line pointer order, and trailing unused line
    pointers are cut. Redo of prune and vacuum must give the same bytes as the original action.
    """
    low, up, spec = _read_bounds(page, LOWER_OFFSET)
    _check_bounds(low, up, spec)
    pointers = list(line_pointers(page))
    last_used = 0
    unused = 0
    for index, word in enumerate(pointers):
        if not word >> 15 & 3:
            pointers[index] = 0
            unused += 1
        else:
            last_used = index + 1
    unused -= len(pointers) - last_used
    del pointers[last_used:]
    new_upper = _lay_items(page, pointers, low, up, spec)
    _store_line_pointers(page, pointers)
    BOUNDS.pack_into(page, LOWER_OFFSET, HEADER_SIZE + 4 * last_used, new_upper, spec)
    if unused:
        add_flags(page, PD_HAS_FREE_LINES)
    else:
        clear_flags(page, PD_HAS_FREE_LINES)


def truncate_line_pointers(page: Page) -> None:
    """Cut trailing unused line pointers, but keep at least one (PageTruncateLinePointerArray)."""
    pointers = line_pointers(page)
    keep = len(pointers)
    while keep > 1 and not pointers[keep - 1] >> 15 & 3:
        keep -= 1
    set_lower(page, HEADER_SIZE + 4 * keep)
    if any(not word >> 15 & 3 for word in pointers[:keep]):
        add_flags(page, PD_HAS_FREE_LINES)
    else:
        clear_flags(page, PD_HAS_FREE_LINES)


def delete_items(page: Page, numbers: Sequence[int]) -> None:
    """Remove index tuples, given in ascending order, and their line pointers."""
    if len(numbers) <= 2:
        for number in reversed(numbers):
            _delete_one(page, number)
        return
    low, up, spec = _read_bounds(page, LOWER_OFFSET)
    _check_bounds(low, up, spec)
    gone = frozenset(numbers)
    pointers = [word for at, word in enumerate(line_pointers(page), 1) if at not in gone]
    new_upper = _lay_items(page, pointers, low, up, spec)
    _store_line_pointers(page, pointers)
    BOUNDS.pack_into(page, LOWER_OFFSET, HEADER_SIZE + 4 * len(pointers), new_upper, spec)


def _delete_one(page: Page, number: int) -> None:
    low, up, spec = _read_bounds(page, LOWER_OFFSET)
    _check_bounds(low, up, spec)
    pointers = list(line_pointers(page))
    offset = pointers[number - 1] & 0x7FFF
    size = (pointers[number - 1] >> 17) + 7 & ~7
    del pointers[number - 1]
    page[up + size : offset + size] = bytes(page[up:offset])
    moved = [word + size if word & 0x7FFF <= offset else word for word in pointers]
    _store_line_pointers(page, moved)
    BOUNDS.pack_into(page, LOWER_OFFSET, low - LINE_POINTER_SIZE, up + size, spec)


def _lay_items(page: Page, pointers: list[int], low: int, up: int, spec: int) -> int:
    """Lay the stored items from `spec` downward; update `pointers` in place; the new upper."""
    old = bytes(page[up:spec])
    total = 0
    for word in pointers:
        length = word >> 17
        offset = word & 0x7FFF
        if length and (offset < up or offset >= spec or offset & 7):
            raise _corrupted(f"corrupted line pointer: {offset}")
        total += length + 7 & ~7
    if total > spec - low:
        raise _corrupted(f"corrupted item lengths: total {total}, available space {spec - low}")
    at = spec
    for index, word in enumerate(pointers):
        length = word >> 17
        if length:
            aligned = length + 7 & ~7
            offset = word & 0x7FFF
            at -= aligned
            page[at : at + aligned] = old[offset - up : offset - up + aligned]
            pointers[index] = at | word & 0xFFFF8000
    return at


def _store_line_pointers(page: Page, pointers: Sequence[int]) -> None:
    Struct(f"<{len(pointers)}I").pack_into(page, HEADER_SIZE, *pointers)


def _check_bounds(low: int, up: int, spec: int) -> None:
    if HEADER_SIZE <= low <= up <= spec <= BLOCK_SIZE and not spec & 7:
        return
    raise _corrupted(f"corrupted page pointers: lower = {low}, upper = {up}, special = {spec}")


def _corrupted(message: str) -> SqlError:
    return SqlError(SqlState.DATA_CORRUPTED, message)
