"""Page checksums: both ways of computing them, against the definition."""

from __future__ import annotations

import random
import struct

from hypothesis import given
from hypothesis import strategies as st

from engine.storage.checksum import (
    BASE_OFFSETS,
    FNV_PRIME,
    page_checksum,
    page_checksums,
    verify,
)
from engine.storage.page import init_page, set_checksum
from engine.types import BLOCK_SIZE


def by_definition(page: bytes, block: int) -> int:
    """Word by word, as the specification says it."""
    blank = page[:8] + b"\0\0" + page[10:]
    sums = list(BASE_OFFSETS)
    rows = [*struct.iter_unpack("<32I", blank), *[(0,) * 32] * 2]
    for row in rows:
        for lane, word in enumerate(row):
            term = sums[lane] ^ word
            sums[lane] = (term * FNV_PRIME & 0xFFFFFFFF) ^ (term >> 17)
    folded = 0
    for value in sums:
        folded ^= value
    return (folded ^ block) % 65535 + 1


pages = st.one_of(
    st.integers(0, 2**32).map(lambda seed: random.Random(seed).randbytes(BLOCK_SIZE)),
    st.integers(0, 2**32).map(lambda seed: seed.to_bytes(8, "little") * 1024),
    st.sampled_from((bytes(BLOCK_SIZE), b"\xff" * BLOCK_SIZE)),
)
blocks = st.integers(0, 0xFFFFFFFE)


@given(pages, blocks)
def test_one_page_has_the_checksum_of_the_definition(page: bytes, block: int) -> None:
    assert page_checksum(page, block) == by_definition(page, block)


@given(st.lists(st.tuples(pages, blocks), max_size=6))
def test_many_pages_have_the_checksums_of_each(sequence: list[tuple[bytes, int]]) -> None:
    joined = b"".join(page for page, _ in sequence)
    numbers = [block for _, block in sequence]
    assert page_checksums(joined, numbers) == [
        page_checksum(page, block) for page, block in sequence
    ]


def test_every_single_flipped_bit_is_noticed() -> None:
    page = bytearray(BLOCK_SIZE)
    init_page(page)
    set_checksum(page, page_checksum(page, 3))
    assert verify(page, 3)
    assert not verify(page, 4)
    for at in range(0, BLOCK_SIZE, 61):
        page[at] ^= 1 << at % 8
        assert not verify(page, 3), at
        page[at] ^= 1 << at % 8


def test_memory_views_are_taken_where_they_are() -> None:
    memory = memoryview(bytearray(3 * BLOCK_SIZE))
    init_page(memory[BLOCK_SIZE : 2 * BLOCK_SIZE])
    page = memory[BLOCK_SIZE : 2 * BLOCK_SIZE]
    assert page_checksum(page, 1) == by_definition(bytes(page), 1)
    assert page_checksums(memory, [0, 1, 2])[1] == page_checksum(page, 1)
