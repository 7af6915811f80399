"""WAL records: from parts to bytes (`assemble`) and back (`decode`).

    | header 24 | block headers | main data header | image and data of each block | main data |

A block reference names a page that the record changes; it carries a full image of the page, or the
data that redo needs, or neither. Block ids ascend. An image leaves out the hole between lower and
upper.

Source: PostgreSQL 15, `access/xlogrecord.h`, `xloginsert.c` (XLogRecordAssemble),
`xlogreader.c` (DecodeXLogRecord).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from struct import Struct
from typing import Final, NamedTuple

from crc32c import crc32c

from engine.errors import check
from engine.types import BLOCK_SIZE, RelFileLocator, format_lsn

HEADER_SIZE: Final = 24
HEADER: Final = Struct("<IIQBBxxI")
"""total length, xid, previous record's LSN, info, resource manager, crc."""
CRC_OFFSET: Final = 20

INFO_MASK: Final = 0x0F
"""The low bits of info belong to the log, the high ones to the resource manager."""
SPECIAL_REL_UPDATE: Final = 0x01
CHECK_CONSISTENCY: Final = 0x02

MAX_BLOCK_ID: Final = 32
BLOCK_ID_DATA_SHORT: Final = 255
BLOCK_ID_DATA_LONG: Final = 254
BLOCK_ID_ORIGIN: Final = 253
BLOCK_ID_TOPLEVEL_XID: Final = 252

BLOCK_FORK_MASK: Final = 0x0F
BLOCK_HAS_IMAGE: Final = 0x10
BLOCK_HAS_DATA: Final = 0x20
BLOCK_WILL_INIT: Final = 0x40
BLOCK_SAME_REL: Final = 0x80

IMAGE_HAS_HOLE: Final = 0x01
IMAGE_APPLY: Final = 0x02
IMAGE_PGLZ: Final = 0x04
IMAGE_LZ4: Final = 0x08
IMAGE_ZSTD: Final = 0x10
IMAGE_COMPRESSED: Final = IMAGE_PGLZ | IMAGE_LZ4 | IMAGE_ZSTD

# What a caller that registers a block may ask (PostgreSQL's REGBUF_*).
FORCE_IMAGE: Final = 0x01
NO_IMAGE: Final = 0x02
WILL_INIT: Final = 0x04 | NO_IMAGE
STANDARD: Final = 0x08
"""The page has the standard header, so that its hole may be left out of an image."""
TO_COMPARE: Final = 0x10
"""The image is to be compared with what redo makes of the page, not to be restored. (The inserter's
own: no caller asks for it.)"""

_PAGE_HEADER_SIZE: Final = 24
_MAX_BLOCK_DATA: Final = 0xFFFF
_BLOCK_PLACE: Final = Struct("<IIII")
_BLOCK_START: Final = Struct("<BBH")
_IMAGE: Final = Struct("<HHB")
_LOCATOR: Final = Struct("<III")
_U16: Final = Struct("<H")
_U32: Final = Struct("<I")
_U64: Final = Struct("<Q")
_BOUNDS: Final = Struct("<HH")

_unpack_header = HEADER.unpack_from
_unpack_place = _BLOCK_PLACE.unpack_from
_unpack_short = Struct("<BB").unpack_from
_unpack_start = _BLOCK_START.unpack_from
_unpack_image = _IMAGE.unpack_from
_unpack_u32 = _U32.unpack_from
_new_tuple = tuple.__new__


class WalRecordError(Exception):
    """These bytes are no valid record; the message is PostgreSQL's."""


class WalBlock:
    """One block reference of a decoded record.

    `data` is b"" when there is none; `image` is the page without its hole, None when there is none.
    """

    __slots__ = (
        "apply_image",
        "block",
        "data",
        "data_length",
        "flags",
        "fork",
        "hole_length",
        "hole_offset",
        "id",
        "image",
        "image_info",
        "image_length",
        "locator",
    )

    id: int
    flags: int
    fork: int
    locator: RelFileLocator
    block: int
    data: bytes
    data_length: int
    image: bytes | None
    image_length: int
    image_info: int
    hole_offset: int
    hole_length: int
    apply_image: bool

    @property
    def has_image(self) -> bool:
        return self.image is not None

    @property
    def has_data(self) -> bool:
        return self.flags & BLOCK_HAS_DATA != 0

    @property
    def will_init(self) -> bool:
        """Redo makes this page anew: it must not read the old one."""
        return self.flags & BLOCK_WILL_INIT != 0

    def restore_image(self, page: bytearray | memoryview, lsn: int = 0) -> None:
        """Write the whole page that the image stands for; `lsn` is for the message only."""
        image = self.image
        if image is None:
            raise WalRecordError(
                f"could not restore image at {format_lsn(lsn)} with invalid state, block {self.id}"
            )
        if self.image_info & IMAGE_COMPRESSED:
            raise WalRecordError(
                f"could not restore image at {format_lsn(lsn)} compressed with "
                f"{image_compression(self.image_info)} not supported by build, block {self.id}"
            )
        start = self.hole_offset
        length = self.hole_length
        if length == 0:
            page[:] = image
            return
        page[:start] = image[:start]
        page[start : start + length] = bytes(length)
        page[start + length :] = image[start:]


class WalRecord:
    """One decoded record. `end_lsn` is where the next one may begin, aligned to 8."""

    __slots__ = (
        "blocks",
        "end_lsn",
        "info",
        "lsn",
        "main",
        "origin",
        "prev",
        "rmid",
        "toplevel_xid",
        "total_length",
        "xid",
    )

    lsn: int
    end_lsn: int
    total_length: int
    xid: int
    prev: int
    info: int
    rmid: int
    main: bytes
    blocks: list[WalBlock]
    origin: int
    toplevel_xid: int

    @property
    def opcode(self) -> int:
        """The resource manager's bits of info."""
        return self.info & 0xF0

    @property
    def image_length(self) -> int:
        """Bytes of page images in the record."""
        return sum(block.image_length for block in self.blocks)

    def block(self, block_id: int) -> WalBlock | None:
        """The block reference with this id; ids may be left out."""
        for block in self.blocks:
            if block.id == block_id:
                return block
        return None


def image_compression(image_info: int) -> str:
    """How pg_waldump calls the method."""
    if image_info & IMAGE_PGLZ:
        return "pglz"
    if image_info & IMAGE_LZ4:
        return "lz4"
    if image_info & IMAGE_ZSTD:
        return "zstd"
    return "unknown"


# assembling --------------------------------------------------------------------------------------


class BlockPart(NamedTuple):
    """A block reference of a record to be made.

    `flags` are WILL_INIT, STANDARD and TO_COMPARE. `image` is the whole page of which an image is
    to be taken; its hole is found from its header when STANDARD is set. With an image, leave `data`
    empty unless redo needs it all the same.
    """

    id: int
    locator: RelFileLocator
    fork: int
    block: int
    flags: int = 0
    image: bytes | bytearray | memoryview | None = None
    data: bytes | bytearray | memoryview = b""


def assemble(
    rmid: int,
    info: int,
    xid: int,
    main: bytes | bytearray | memoryview,
    blocks: Sequence[BlockPart],
    prev: int,
) -> bytearray:
    """The whole record, CRC included."""
    record = assemble_unsealed(rmid, info, xid, main, blocks)
    seal(record, body_crc(record), prev)
    return record


def assemble_unsealed(
    rmid: int,
    info: int,
    xid: int,
    main: bytes | bytearray | memoryview,
    blocks: Sequence[BlockPart],
) -> bytearray:
    """The record without its prev link and CRC, which `seal` adds once its place is known."""
    record = bytearray(HEADER_SIZE)
    payload: list[bytes | bytearray | memoryview] = []
    previous: RelFileLocator | None = None
    last_id = -1
    for part in blocks:
        check(last_id < part.id <= MAX_BLOCK_ID, "WAL-10", "block ids ascend", id=part.id)
        last_id = part.id
        _add_block(record, payload, part, part.locator == previous)
        previous = part.locator
    length = len(main)
    if length > 255:
        record.append(BLOCK_ID_DATA_LONG)
        record += _U32.pack(length)
    elif length:
        record.append(BLOCK_ID_DATA_SHORT)
        record.append(length)
    for piece in payload:
        record += piece
    record += main
    HEADER.pack_into(record, 0, len(record), xid, 0, info, rmid, 0)
    return record


def body_crc(record: bytearray) -> int:
    """The part of the CRC that does not need the prev link: that of everything after the header."""
    return int(crc32c(record[HEADER_SIZE:]))


def seal(record: bytearray, crc: int, prev: int) -> None:
    """Enter the prev link, and the CRC that `body_crc` began."""
    _U64.pack_into(record, 8, prev)
    _U32.pack_into(record, CRC_OFFSET, crc32c(record[:CRC_OFFSET], crc))


def _add_block(
    record: bytearray,
    payload: list[bytes | bytearray | memoryview],
    part: BlockPart,
    same_relation: bool,
) -> None:
    flags = part.fork
    if part.flags & WILL_INIT == WILL_INIT:
        flags |= BLOCK_WILL_INIT
    if same_relation:
        flags |= BLOCK_SAME_REL
    length = len(part.data)
    check(length <= _MAX_BLOCK_DATA, "WAL-10", "too much data for a block", length=length)
    if length:
        flags |= BLOCK_HAS_DATA
    if part.image is not None:
        record += _BLOCK_START.pack(part.id, flags | BLOCK_HAS_IMAGE, length)
        _add_image(record, payload, part.image, part.flags)
    else:
        record += _BLOCK_START.pack(part.id, flags, length)
    if not same_relation:
        record += _LOCATOR.pack(*part.locator)
    record += _U32.pack(part.block)
    if length:
        payload.append(part.data)


def _add_image(
    record: bytearray,
    payload: list[bytes | bytearray | memoryview],
    page: bytes | bytearray | memoryview,
    flags: int,
) -> None:
    use = 0 if flags & TO_COMPARE else IMAGE_APPLY
    if flags & STANDARD:
        lower, upper = _BOUNDS.unpack_from(page, 12)
        if _PAGE_HEADER_SIZE <= lower < upper <= BLOCK_SIZE:
            length = BLOCK_SIZE - (upper - lower)
            record += _IMAGE.pack(length, lower, IMAGE_HAS_HOLE | use)
            payload.append(page[:lower])
            payload.append(page[upper:])
            return
    record += _IMAGE.pack(BLOCK_SIZE, 0, use)
    payload.append(page)


# decoding ----------------------------------------------------------------------------------------


def check_crc(raw: bytes) -> bool:
    """Whether the CRC in the record's header is right. `raw` is exactly one record."""
    stored = _unpack_u32(raw, CRC_OFFSET)[0]
    return bool(crc32c(raw[:CRC_OFFSET], crc32c(raw[HEADER_SIZE:])) == stored)


def decode(raw: bytes, lsn: int, end_lsn: int) -> WalRecord:
    """Check the CRC of exactly one record and take it apart; `WalRecordError` if not valid."""
    if not check_crc(raw):
        raise WalRecordError(
            f"incorrect resource manager data checksum in record at {format_lsn(lsn)}"
        )
    try:
        return decode_unchecked(raw, lsn, end_lsn)
    except struct.error:
        # A header field reaches past the end of the record.
        raise _short_data(lsn) from None


def decode_unchecked(raw: bytes, lsn: int, end_lsn: int) -> WalRecord:
    """`decode` for a record whose CRC has been checked; may also raise struct.error."""
    record = WalRecord()
    total, record.xid, record.prev, record.info, record.rmid, _ = _unpack_header(raw)
    record.lsn = lsn
    record.end_lsn = end_lsn
    record.total_length = total
    record.origin = 0
    record.toplevel_xid = 0
    blocks: list[WalBlock] = []
    record.blocks = blocks
    at = HEADER_SIZE
    payload = 0
    main_length = 0
    previous: WalBlock | None = None
    while total - at > payload:
        block_id = raw[at]
        if block_id <= MAX_BLOCK_ID:
            previous, at = _decode_block(raw, at, previous, lsn)
            blocks.append(previous)
            payload += previous.image_length + previous.data_length
        elif block_id == BLOCK_ID_DATA_SHORT:
            main_length = _unpack_short(raw, at)[1]
            at += 2
            payload += main_length
            break
        elif block_id == BLOCK_ID_DATA_LONG:
            main_length = _unpack_u32(raw, at + 1)[0]
            at += 5
            payload += main_length
            break
        elif block_id == BLOCK_ID_ORIGIN:
            record.origin = _U16.unpack_from(raw, at + 1)[0]
            at += 3
        elif block_id == BLOCK_ID_TOPLEVEL_XID:
            record.toplevel_xid = _unpack_u32(raw, at + 1)[0]
            at += 5
        else:
            raise WalRecordError(f"invalid block_id {block_id} at {format_lsn(lsn)}")
    if total - at != payload:
        raise _short_data(lsn)
    for block in blocks:
        if block.flags & BLOCK_HAS_IMAGE:
            end = at + block.image_length
            block.image = raw[at:end]
            at = end
        if block.data_length:
            end = at + block.data_length
            block.data = raw[at:end]
            at = end
    record.main = raw[at : at + main_length]
    return record


def _decode_block(raw: bytes, at: int, previous: WalBlock | None, lsn: int) -> tuple[WalBlock, int]:
    """The block reference whose header is at `at`, payload still missing, and where it ends."""
    block = WalBlock()
    block_id, flags, length = _unpack_start(raw, at)
    at += 4
    if previous is not None and block_id <= previous.id:
        raise WalRecordError(f"out-of-order block_id {block_id} at {format_lsn(lsn)}")
    block.id = block_id
    block.flags = flags
    block.fork = flags & BLOCK_FORK_MASK
    block.data = b""
    block.data_length = length
    block.image = None
    block.image_length = 0
    block.image_info = 0
    block.hole_offset = 0
    block.hole_length = 0
    block.apply_image = False
    if (length == 0) == (flags & BLOCK_HAS_DATA != 0):
        raise _data_flag_mismatch(block, lsn)
    if flags & BLOCK_HAS_IMAGE:
        at = _decode_image_header(raw, at, block, lsn)
    if flags & BLOCK_SAME_REL:
        if previous is None:
            raise WalRecordError(f"BKPBLOCK_SAME_REL set but no previous rel at {format_lsn(lsn)}")
        block.locator = previous.locator
        block.block = _unpack_u32(raw, at)[0]
        return block, at + 4
    tablespace, database, relation, block.block = _unpack_place(raw, at)
    block.locator = _new_tuple(RelFileLocator, (tablespace, database, relation))
    return block, at + 16


def _decode_image_header(raw: bytes, at: int, block: WalBlock, lsn: int) -> int:
    length, block.hole_offset, info = _unpack_image(raw, at)
    at += 5
    block.image_length = length
    block.image_info = info
    block.apply_image = info & IMAGE_APPLY != 0
    compressed = info & IMAGE_COMPRESSED != 0
    has_hole = info & IMAGE_HAS_HOLE != 0
    if not compressed:
        # An unsigned 16-bit field in PostgreSQL, so that a longer image wraps and is refused below.
        block.hole_length = BLOCK_SIZE - length & 0xFFFF
    elif has_hole:
        block.hole_length = _U16.unpack_from(raw, at)[0]
        at += 2
    offset, hole = block.hole_offset, block.hole_length
    where = f"at {format_lsn(lsn)}"
    if has_hole and (offset == 0 or hole == 0 or length == BLOCK_SIZE):
        raise WalRecordError(
            f"BKPIMAGE_HAS_HOLE set, but hole offset {offset} length {hole} "
            f"block image length {length} {where}"
        )
    if not has_hole and (offset or hole):
        raise WalRecordError(
            f"BKPIMAGE_HAS_HOLE not set, but hole offset {offset} length {hole} {where}"
        )
    if compressed and length == BLOCK_SIZE:
        raise WalRecordError(f"BKPIMAGE_COMPRESSED set, but block image length {length} {where}")
    if not has_hole and not compressed and length != BLOCK_SIZE:
        raise WalRecordError(
            "neither BKPIMAGE_HAS_HOLE nor BKPIMAGE_COMPRESSED set, "
            f"but block image length is {length} {where}"
        )
    return at


def _data_flag_mismatch(block: WalBlock, lsn: int) -> WalRecordError:
    where = f"at {format_lsn(lsn)}"
    if block.data_length:
        return WalRecordError(
            f"BKPBLOCK_HAS_DATA not set, but data length is {block.data_length} {where}"
        )
    return WalRecordError(f"BKPBLOCK_HAS_DATA set, but no data included {where}")


def _short_data(lsn: int) -> WalRecordError:
    return WalRecordError(f"record with invalid length at {format_lsn(lsn)}")
