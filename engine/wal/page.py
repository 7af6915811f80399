"""WAL pages and segments: where a byte of the log is, and what the page headers around it say.

The log is one stream of bytes, numbered by LSN from 0. It is cut in segments (files) and those in
pages of 8192 bytes. Each page begins with a header of 24 bytes, the first page of a segment with
one of 40; what is left are the *usable* bytes, which records fill one after the other:

    | 40 | usable ...            | 24 | usable ...            | 24 | ...
    page 0 of the segment         page 1                      page 2

Positions are of two kinds: an LSN, and a *usable position*, which counts usable bytes only. Records
are laid out in usable positions, so that adding lengths needs no thought of headers.

Source: PostgreSQL 15, `access/xlog_internal.h`, `xlog.c` (XLogBytePosToRecPtr).
"""

from __future__ import annotations

import re
from struct import Struct
from typing import Final, NamedTuple

from engine.types import WAL_BLOCK_SIZE

PAGE_MAGIC: Final = 0xD110
FIRST_IS_CONTRECORD: Final = 0x0001
LONG_HEADER: Final = 0x0002
BACKUP_REMOVABLE: Final = 0x0004
FIRST_IS_OVERWRITE_CONTRECORD: Final = 0x0008
ALL_FLAGS: Final = 0x000F

SHORT_HEADER_SIZE: Final = 24
LONG_HEADER_SIZE: Final = 40
DEFAULT_SEGMENT_SIZE: Final = 16 * 1024 * 1024
MIN_SEGMENT_SIZE: Final = 1024 * 1024
MAX_SEGMENT_SIZE: Final = 1024 * 1024 * 1024

SHORT_HEADER: Final = Struct("<HHIQI4x")
"""magic, info, timeline, page address, length of the record continued here."""
LONG_HEADER_STRUCT: Final = Struct("<HHIQI4xQII")
"""As SHORT_HEADER, then system identifier, segment size, WAL block size."""

_USABLE_IN_PAGE: Final = WAL_BLOCK_SIZE - SHORT_HEADER_SIZE
_USABLE_IN_FIRST_PAGE: Final = WAL_BLOCK_SIZE - LONG_HEADER_SIZE
_SEGMENT_NAME: Final = re.compile(r"[0-9A-F]{24}")


class PageHeader(NamedTuple):
    """A page header; the last three fields are 0 unless info has LONG_HEADER."""

    magic: int
    info: int
    timeline: int
    address: int
    remaining: int
    system_identifier: int = 0
    segment_size: int = 0
    block_size: int = 0

    @property
    def size(self) -> int:
        return LONG_HEADER_SIZE if self.info & LONG_HEADER else SHORT_HEADER_SIZE


def pack_page_header(
    address: int,
    timeline: int,
    *,
    system_identifier: int,
    segment_size: int,
    remaining: int = 0,
    info: int = BACKUP_REMOVABLE,
) -> bytes:
    """The header of the page at `address`: long where a segment begins.

    `remaining` > 0 says that the page begins with that many bytes of a record begun earlier, header
    bytes not counted, this page's share included.
    """
    if remaining:
        info |= FIRST_IS_CONTRECORD
    if address % segment_size:
        return SHORT_HEADER.pack(PAGE_MAGIC, info, timeline, address, remaining)
    return LONG_HEADER_STRUCT.pack(
        PAGE_MAGIC,
        info | LONG_HEADER,
        timeline,
        address,
        remaining,
        system_identifier,
        segment_size,
        WAL_BLOCK_SIZE,
    )


def unpack_page_header(page: bytes | bytearray | memoryview) -> PageHeader:
    """The header as it stands there; nothing is checked."""
    header = SHORT_HEADER.unpack_from(page)
    if header[1] & LONG_HEADER:
        header = LONG_HEADER_STRUCT.unpack_from(page)
    return PageHeader(*header)


def page_header_size(lsn: int, segment_size: int) -> int:
    """The size of the header of the page that `lsn` lies in."""
    return SHORT_HEADER_SIZE if lsn % segment_size >= WAL_BLOCK_SIZE else LONG_HEADER_SIZE


# segments ----------------------------------------------------------------------------------------


def is_valid_segment_size(size: int) -> bool:
    """A power of two from 1 MiB to 1 GiB."""
    return MIN_SEGMENT_SIZE <= size <= MAX_SEGMENT_SIZE and size & (size - 1) == 0


def segment_number(lsn: int, segment_size: int) -> int:
    """The segment that the byte at `lsn` lies in."""
    return lsn // segment_size


def last_segment_number(end_lsn: int, segment_size: int) -> int:
    """The segment that the byte before `end_lsn` lies in."""
    return (end_lsn - 1) // segment_size


def segment_file_name(timeline: int, number: int, segment_size: int) -> str:
    """`TTTTTTTTXXXXXXXXYYYYYYYY` in pg_wal."""
    per_id = 0x100000000 // segment_size
    return f"{timeline:08X}{number // per_id:08X}{number % per_id:08X}"


def is_segment_file_name(name: str) -> bool:
    return _SEGMENT_NAME.fullmatch(name) is not None


def parse_segment_file_name(name: str, segment_size: int) -> tuple[int, int]:
    """(timeline, segment number) of a name that `is_segment_file_name`."""
    per_id = 0x100000000 // segment_size
    return int(name[:8], 16), int(name[8:16], 16) * per_id + int(name[16:], 16)


# positions ----------------------------------------------------------------------------------------


def usable_bytes_per_segment(segment_size: int) -> int:
    return segment_size // WAL_BLOCK_SIZE * _USABLE_IN_PAGE - (LONG_HEADER_SIZE - SHORT_HEADER_SIZE)


def usable_position(lsn: int, segment_size: int) -> int:
    """How many usable bytes lie before `lsn` (XLogRecPtrToBytePos)."""
    segment, offset = divmod(lsn, segment_size)
    page, in_page = divmod(offset, WAL_BLOCK_SIZE)
    position = segment * usable_bytes_per_segment(segment_size)
    if page == 0:
        return position + max(in_page - LONG_HEADER_SIZE, 0)
    position += _USABLE_IN_FIRST_PAGE + (page - 1) * _USABLE_IN_PAGE
    return position + max(in_page - SHORT_HEADER_SIZE, 0)


def start_lsn(position: int, segment_size: int) -> int:
    """Where the usable byte number `position` lies, past any page header (XLogBytePosToRecPtr)."""
    segment, left = divmod(position, usable_bytes_per_segment(segment_size))
    if left < _USABLE_IN_FIRST_PAGE:
        offset = left + LONG_HEADER_SIZE
    else:
        page, in_page = divmod(left - _USABLE_IN_FIRST_PAGE, _USABLE_IN_PAGE)
        offset = (page + 1) * WAL_BLOCK_SIZE + in_page + SHORT_HEADER_SIZE
    return segment * segment_size + offset


def end_lsn(position: int, segment_size: int) -> int:
    """The end of a run of usable bytes: as `start_lsn`, but a page boundary stays the boundary.

    (XLogBytePosToEndRecPtr.)
    """
    segment, left = divmod(position, usable_bytes_per_segment(segment_size))
    if left < _USABLE_IN_FIRST_PAGE:
        offset = left + LONG_HEADER_SIZE if left else 0
    else:
        page, in_page = divmod(left - _USABLE_IN_FIRST_PAGE, _USABLE_IN_PAGE)
        offset = (page + 1) * WAL_BLOCK_SIZE + (in_page + SHORT_HEADER_SIZE if in_page else 0)
    return segment * segment_size + offset


def skip_header(lsn: int, segment_size: int) -> int:
    """Where the next record byte goes: `lsn`, or past the header when `lsn` is a page boundary."""
    if lsn % WAL_BLOCK_SIZE:
        return lsn
    return lsn + page_header_size(lsn, segment_size)


def advance(lsn: int, length: int, segment_size: int) -> int:
    """The end of `length` usable bytes from `lsn` on (a page boundary means after its header).

    The end of a full page is the boundary, before the next page's header.
    """
    room = WAL_BLOCK_SIZE - lsn % WAL_BLOCK_SIZE
    if room > length and room < WAL_BLOCK_SIZE:
        return lsn + length
    return end_lsn(usable_position(lsn, segment_size) + length, segment_size)
