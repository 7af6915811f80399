"""WAL pages: headers, names and positions."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.wal import page as wal_page

SIZES = st.sampled_from([1 << 20, 1 << 24, 1 << 30])


@given(st.integers(0, 2**44), SIZES)
def test_a_usable_position_and_its_lsn_belong_together(position: int, size: int) -> None:
    lsn = wal_page.start_lsn(position, size)
    assert wal_page.usable_position(lsn, size) == position
    end = wal_page.end_lsn(position, size)
    assert wal_page.usable_position(end, size) == position
    assert wal_page.skip_header(end, size) == lsn
    assert lsn % 8192 >= (24 if lsn % size >= 8192 else 40)


@given(st.integers(0, 400), st.integers(0, 8191), st.integers(1, 40000))
def test_advancing_skips_each_header_on_the_way(page: int, inside: int, length: int) -> None:
    size = 1 << 20
    lsn = wal_page.skip_header(page * 8192, size) + inside
    if lsn // 8192 != page:
        lsn = (page + 1) * 8192
    expected = lsn
    left = length
    while left:
        expected = wal_page.skip_header(expected, size)
        step = min(left, 8192 - expected % 8192)
        expected += step
        left -= step
    assert wal_page.advance(lsn, length, size) == expected


@given(st.integers(1, 0xFFFFFFFF), st.integers(0, 2**34), SIZES)
def test_a_segment_name_gives_its_timeline_and_number(
    timeline: int, number: int, size: int
) -> None:
    number %= 2**64 // size
    name = wal_page.segment_file_name(timeline, number, size)
    assert wal_page.is_segment_file_name(name)
    assert wal_page.parse_segment_file_name(name, size) == (timeline, number)


@pytest.mark.parametrize(
    ("number", "size", "name"),
    [
        (1, 1 << 24, "000000010000000000000001"),
        (256, 1 << 24, "000000010000000100000000"),
        (4097, 1 << 20, "000000010000000100000001"),
        (5, 1 << 30, "000000010000000100000001"),
    ],
)
def test_segments_are_named_as_postgres_names_them(number: int, size: int, name: str) -> None:
    assert wal_page.segment_file_name(1, number, size) == name


@pytest.mark.parametrize("name", ["00000001000000000000000g", "0" * 23, "0" * 25, "abc"])
def test_other_names_are_no_segments(name: str) -> None:
    assert not wal_page.is_segment_file_name(name)


def test_the_first_page_of_a_segment_has_the_long_header() -> None:
    header = wal_page.pack_page_header(
        0x2000000, 1, system_identifier=77, segment_size=1 << 24, remaining=50
    )
    expected = (0xD110, 1 | 2 | 4, 1, 0x2000000, 50, 77, 1 << 24, 8192)
    assert header == struct.pack("<HHIQI4xQII", *expected)
    parsed = wal_page.unpack_page_header(header)
    assert parsed == expected
    assert parsed.size == 40


def test_other_pages_have_the_short_header() -> None:
    header = wal_page.pack_page_header(
        0x2002000, 3, system_identifier=77, segment_size=1 << 24, info=0
    )
    assert header == struct.pack("<HHIQI4x", 0xD110, 0, 3, 0x2002000, 0)
    assert wal_page.unpack_page_header(header).size == 24


@pytest.mark.parametrize("size", [0, 1 << 19, (1 << 20) + 1, 3 << 20, 1 << 31])
def test_odd_segment_sizes_are_refused(size: int) -> None:
    assert not wal_page.is_valid_segment_size(size)
