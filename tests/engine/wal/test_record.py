"""WAL records: to bytes and back."""

from __future__ import annotations

import random
import struct

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvariantViolation
from engine.storage.page import init_page, set_lower, set_upper
from engine.types import BLOCK_SIZE, RelFileLocator
from engine.wal.record import (
    STANDARD,
    WILL_INIT,
    BlockPart,
    WalRecordError,
    assemble,
    assemble_unsealed,
    body_crc,
    decode,
    seal,
)

U32 = st.integers(0, 0xFFFFFFFF)
locators = st.builds(
    RelFileLocator, st.sampled_from([1663, 1664]), st.integers(0, 3), st.integers(1, 3)
)


@st.composite
def page_images(draw: st.DrawFn) -> bytearray:
    """A whole page: new, standard with any hole, or noise."""
    page = bytearray(random.Random(draw(st.integers(0, 99))).randbytes(BLOCK_SIZE))
    if draw(st.booleans()):
        init_page(page)
        lower = draw(st.integers(24, BLOCK_SIZE))
        upper = draw(st.integers(lower, BLOCK_SIZE))
        set_lower(page, lower)
        set_upper(page, upper)
    return page


@st.composite
def block_parts(draw: st.DrawFn) -> list[BlockPart]:
    """Block references with ascending ids, some left out."""
    return [
        BlockPart(
            block_id,
            draw(locators),
            draw(st.integers(0, 3)),
            draw(U32),
            draw(st.sampled_from([0, STANDARD, STANDARD | WILL_INIT])),
            draw(st.none() | page_images()),
            draw(st.binary(max_size=300)),
        )
        for block_id in sorted(draw(st.sets(st.integers(0, 32), max_size=4)))
    ]


@given(
    st.integers(0, 21),
    st.integers(0, 15).map(lambda high: high << 4),
    U32,
    st.binary(max_size=40) | st.integers(250, 70000).map(bytes),
    block_parts(),
    st.integers(0, 2**40),
)
def test_what_was_assembled_is_decoded(
    rmid: int, info: int, xid: int, main: bytes, parts: list[BlockPart], prev: int
) -> None:
    raw = bytes(assemble(rmid, info, xid, main, parts, prev))
    record = decode(raw, 0x1000028, 0x1000028 + len(raw))
    assert (record.rmid, record.info, record.xid, record.prev) == (rmid, info, xid, prev)
    assert record.total_length == len(raw)
    assert record.main == main
    assert [block.id for block in record.blocks] == [part.id for part in parts]
    for block, part in zip(record.blocks, parts, strict=True):
        assert record.block(part.id) is block
        assert (block.locator, block.fork, block.block) == (part.locator, part.fork, part.block)
        assert block.data == part.data
        assert block.will_init == (part.flags & WILL_INIT == WILL_INIT)
        assert block.has_image == (part.image is not None)
        if part.image is not None:
            restored = bytearray(b"\xaa" * BLOCK_SIZE)
            block.restore_image(restored)
            assert restored == without_hole(part)
            assert block.apply_image


def without_hole(part: BlockPart) -> bytes:
    """The page as its image gives it back: the hole is zero."""
    page = bytearray(part.image or b"")
    lower, upper = struct.unpack_from("<HH", page, 12)
    if part.flags & STANDARD and 24 <= lower < upper <= BLOCK_SIZE:
        page[lower:upper] = bytes(upper - lower)
    return bytes(page)


def test_a_plain_commit_is_34_bytes() -> None:
    record = assemble(1, 0x00, 730, struct.pack("<q", 1), [], 0x15A2B38)
    assert len(record) == 34
    assert record[24:26] == b"\xff\x08"
    assert record[:20] == struct.pack("<IIQBBxx", 34, 730, 0x15A2B38, 0, 1)
    assert struct.unpack_from("<I", record, 20)[0] == crc32c(record[:20], crc32c(record[24:]))


def test_the_second_block_of_a_relation_does_not_repeat_it() -> None:
    first = RelFileLocator(1663, 5, 16384)
    one = BlockPart(0, first, 0, 1)
    same = BlockPart(1, first, 2, 2)
    other = BlockPart(1, RelFileLocator(1663, 5, 16385), 2, 2)
    assert len(assemble(10, 0, 1, b"", [one, other], 0)) == 24 + 20 + 20
    raw = bytes(assemble(10, 0, 1, b"", [one, same], 0))
    assert len(raw) == 24 + 20 + 8
    assert decode(raw, 1, 1).blocks[1].locator == first


def test_sealing_later_gives_the_same_record() -> None:
    parts = [BlockPart(0, RelFileLocator(1663, 5, 1), 0, 7, 0, None, b"data")]
    record = assemble_unsealed(10, 0, 3, b"main", parts)
    seal(record, body_crc(record), 0x2000028)
    assert record == assemble(10, 0, 3, b"main", parts, 0x2000028)


@given(st.data())
def test_every_flipped_bit_is_noticed(data: st.DataObject) -> None:
    part = BlockPart(0, RelFileLocator(1663, 5, 1), 0, 7, STANDARD, None, b"some data")
    raw = bytearray(assemble(10, 0x20, 731, b"main data", [part], 0x1000028))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(WalRecordError):
        decode(bytes(raw), 0x2000000, 0x2000000 + len(raw))


def test_a_record_that_breaks_the_rules_is_not_made() -> None:
    part = BlockPart(3, RelFileLocator(1663, 5, 1), 0, 7)
    with pytest.raises(InvariantViolation, match="WAL-10"):
        assemble(10, 0, 1, b"", [part, part], 0)
    with pytest.raises(InvariantViolation, match="WAL-10"):
        assemble(10, 0, 1, b"", [part._replace(data=bytes(65536))], 0)


# Records with a right CRC and a wrong inside: body bytes, and what is wrong with them.
BAD_BODIES = [
    ("00 20 0000" + "00" * 16, "BKPBLOCK_HAS_DATA set, but no data included at 1/28"),
    ("00 00 0500" + "00" * 21, "BKPBLOCK_HAS_DATA not set, but data length is 5 at 1/28"),
    ("00 80 0000 00000000", "BKPBLOCK_SAME_REL set but no previous rel at 1/28"),
    ("00 00 0000" + "00" * 16 + "00 80 0000 00000000", "out-of-order block_id 0 at 1/28"),
    ("21" + "00" * 30, "invalid block_id 33 at 1/28"),
    ("ff 09" + "00" * 8, "record with invalid length at 1/28"),
    ("ff 07" + "00" * 8, "record with invalid length at 1/28"),
    ("00 00", "record with invalid length at 1/28"),
    ("ff", "record with invalid length at 1/28"),
    (
        "00 10 0000 0500 0000 01" + "00" * 21,
        "BKPIMAGE_HAS_HOLE set, but hole offset 0 length 8187 block image length 5 at 1/28",
    ),
    (
        "00 10 0000 0500 0100 00" + "00" * 21,
        "BKPIMAGE_HAS_HOLE not set, but hole offset 1 length 8187 at 1/28",
    ),
    (
        "00 10 0000 0020 0000 04" + "00" * (16 + 8192),
        "BKPIMAGE_COMPRESSED set, but block image length 8192 at 1/28",
    ),
]


@pytest.mark.parametrize(("body", "message"), BAD_BODIES)
def test_a_wrong_inside_has_the_message_of_postgres(body: str, message: str) -> None:
    content = bytes.fromhex(body)
    record = bytearray(struct.pack("<IIQBBxxI", 24 + len(content), 0, 0, 0, 10, 0) + content)
    seal(record, body_crc(record), 0)
    with pytest.raises(WalRecordError) as caught:
        decode(bytes(record), 0x1_0000_0028, 0)
    assert str(caught.value) == message


def test_origin_and_top_level_xid_are_found() -> None:
    content = b"\xfd\x05\x00" + b"\xfc\x2a\x00\x00\x00" + b"\xff\x01x"
    record = bytearray(struct.pack("<IIQBBxxI", 24 + len(content), 0, 0, 0, 10, 0) + content)
    seal(record, body_crc(record), 0)
    decoded = decode(bytes(record), 0, 0)
    assert (decoded.origin, decoded.toplevel_xid, decoded.main) == (5, 42, b"x")


def test_a_compressed_image_is_refused_by_name() -> None:
    content = bytes.fromhex("00 10 0000 0500 1800 09 e81f") + bytes(16) + b"12345"
    record = bytearray(struct.pack("<IIQBBxxI", 24 + len(content), 0, 0, 0, 10, 0) + content)
    seal(record, body_crc(record), 0)
    block = decode(bytes(record), 0x28, 0).blocks[0]
    assert (block.image, block.hole_offset, block.hole_length) == (b"12345", 24, 8168)
    message = "could not restore image at 0/28 compressed with lz4 not supported by build, block 0"
    with pytest.raises(WalRecordError, match=message):
        block.restore_image(bytearray(BLOCK_SIZE), 0x28)
