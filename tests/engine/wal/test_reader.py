"""The WAL reader gives every whole record, and nothing else, whatever the bytes after them are."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.types import format_lsn
from engine.wal.reader import WalReader, WalReadError
from tests.engine.wal.log_bytes import SEGMENT, SYSTEM, LogBytes

lengths = st.lists(
    st.one_of(st.integers(0, 300), st.integers(7900, 8300), st.integers(10000, 60000)),
    min_size=1,
    max_size=40,
)


def make_log(sizes: list[int]) -> LogBytes:
    log = LogBytes()
    for number, size in enumerate(sizes):
        log.append(random.Random(number).randbytes(size))
    return log


def reader_of(log: LogBytes, system: int = SYSTEM) -> WalReader:
    reader = WalReader(log.read_page, SEGMENT, system, log.timeline)
    reader.begin(log.start)
    return reader


def read_all(reader: WalReader) -> list[int]:
    lsns = []
    while (record := reader.read()) is not None:
        assert record.end_lsn == reader.end_lsn
        assert record.lsn == reader.last_record_lsn
        lsns.append(record.lsn)
    return lsns


# what is there is read --------------------------------------------------------------------------


@given(lengths, st.sampled_from([0, SEGMENT - 8300, SEGMENT - 16500]))
def test_records_across_pages_and_segments_come_back_whole(sizes: list[int], filler: int) -> None:
    sizes = [filler, *sizes]
    log = make_log(sizes)
    reader = reader_of(log)
    for number, size in enumerate(sizes):
        record = reader.read()
        assert record is not None
        assert record.lsn == log.lsns[number]
        assert record.main == random.Random(number).randbytes(size)
    assert reader.read() is None
    assert reader.end_lsn == log.end
    assert reader.aborted_record_lsn == 0


@given(lengths, st.integers(0, 2**32))
def test_a_cut_anywhere_keeps_exactly_the_records_before_it(sizes: list[int], place: int) -> None:
    log = make_log(sizes)
    at = log.start + place % (log.end - log.start)
    # A file system may keep any part of what was written after the last flush.
    whole = [lsn for lsn in log.lsns if log.end_of(lsn) <= at]
    log.cut(at)
    assert read_all(reader_of(log))[: len(whole)] == whole
    assert len(read_all(reader_of(log))) <= len(whole) + 1, "one more if its last bytes are zero"


@given(lengths, st.integers(0, 2**32), st.integers(0, 7))
def test_a_flipped_bit_ends_the_log_at_or_before_its_record(
    sizes: list[int], place: int, bit: int
) -> None:
    log = make_log(sizes)
    at = place % len(log.content)
    log.content[at] ^= 1 << bit
    reader = reader_of(log)
    read = read_all(reader)
    assert read == log.lsns[: len(read)]
    touched = [lsn for lsn in log.lsns if lsn <= log.start + at < log.end_of(lsn)]
    if touched and not header_byte(log, at):
        assert touched[0] not in read


def header_byte(log: LogBytes, at: int) -> bool:
    """Whether the byte belongs to a page header, which not all checks cover."""
    lsn = log.start + at
    return lsn % 8192 < (40 if lsn % SEGMENT < 8192 else 24)


def test_reading_goes_on_when_more_was_written() -> None:
    log = make_log([10, 20])
    reader = reader_of(log)
    assert len(read_all(reader)) == 2
    third = log.append(b"more")
    record = reader.read()
    assert record is not None
    assert record.lsn == third


@given(lengths, st.integers(0, 2**32))
def test_find_next_gives_the_first_record_at_or_after_a_place(sizes: list[int], place: int) -> None:
    log = make_log(sizes)
    lsn = log.start + place % (log.end - log.start)
    following = [found for found in log.lsns if found >= lsn]
    assert reader_of(log).find_next(lsn) == (following[0] if following else 0)


def test_a_switch_record_ends_its_segment() -> None:
    log = make_log([10])
    log.append(b"", 0, 0x40)
    log.end = 2 * SEGMENT
    after = log.append(b"in the next segment")
    assert after == 2 * SEGMENT + 40
    assert read_all(reader_of(log)) == log.lsns


# the end of the log has a reason ----------------------------------------------------------------


def end_message(log: LogBytes, system: int = SYSTEM) -> str:
    reader = reader_of(log, system)
    read_all(reader)
    return reader.end_of_wal


def test_zeros_are_a_record_without_a_length() -> None:
    log = make_log([10])
    where = format_lsn(log.end)
    assert end_message(log) == f"invalid record length at {where}: wanted 24, got 0"


def test_a_page_that_was_never_written_has_no_magic() -> None:
    log = make_log([8192 - 40 - 24 - 5])
    assert log.end == SEGMENT + 8192
    assert end_message(log) == (
        "invalid magic number 0000 in log segment 000000010000000000000001, offset 8192"
    )


def test_a_recycled_page_has_the_address_of_its_first_life() -> None:
    log = make_log([8192 - 40 - 24 - 5])
    old = LogBytes(4 * SEGMENT)
    old.append(bytes(9000))
    log.content += old.content[8192:16384]
    assert end_message(log) == (
        "unexpected pageaddr 0/402000 in log segment 000000010000000000000001, offset 8192"
    )


def test_a_stale_record_of_a_recycled_segment_has_a_wrong_link() -> None:
    log = make_log([100, 200, 300])
    stale = make_log([100, 208, 300])
    reader = reader_of(log)
    read_all(reader)
    # The first life of the segment left a record just where the log ends now.
    third, second = stale.lsns[2], log.lsns[1]
    log.cut(second)
    log.prev, log.end = log.lsns[0], second
    log.append(bytes(208 - 8))
    log.append(b"")
    del log.content[log.lsns[-1] - log.start :]
    log.content += bytes(third - log.start - len(log.content))
    log.content += stale.content[third - stale.start :]
    assert "incorrect prev-link" in end_message(log) or "wanted 24, got 0" in end_message(log)


def test_a_wrong_crc_is_named() -> None:
    log = make_log([10, 20])
    log.content[log.lsns[1] - log.start + 30] ^= 1
    where = format_lsn(log.lsns[1])
    assert end_message(log) == (f"incorrect resource manager data checksum in record at {where}")


@pytest.mark.parametrize("rmid", [22, 127])
def test_an_id_of_nobody_ends_the_log(rmid: int) -> None:
    log = make_log([10])
    where = format_lsn(log.append(b"x", rmid))
    assert end_message(log) == f"invalid resource manager ID {rmid} at {where}"


def test_an_id_of_an_extension_does_not() -> None:
    log = make_log([10])
    log.append(b"x", 128)
    assert read_all(reader_of(log)) == log.lsns


def test_another_cluster_is_told_by_its_identifier() -> None:
    log = make_log([10])
    assert end_message(log, 99) == (
        "WAL file is from different database system: WAL file database system identifier is "
        f"{SYSTEM}, pg_control database system identifier is 99"
    )


def test_a_page_of_an_older_timeline_is_out_of_sequence() -> None:
    log = LogBytes(timeline=3)
    log.append(bytes(8192 - 40 - 24 - 5))
    log.timeline = 2
    log.append(b"x")
    log.timeline = 3
    assert end_message(log) == (
        "out-of-sequence timeline ID 2 (after 3) in log segment "
        "000000030000000000000001, offset 8192"
    )


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        (0, "invalid magic number D111 in log segment 000000010000000000000001, offset 0"),
        (3, "invalid info bits 0106 in log segment 000000010000000000000001, offset 0"),
        (32, "WAL file is from different database system: incorrect segment size in page header"),
        (36, "WAL file is from different database system: incorrect XLOG_BLCKSZ in page header"),
    ],
)
def test_a_damaged_page_header_is_named(offset: int, message: str) -> None:
    log = make_log([10])
    log.content[offset] ^= 1
    assert end_message(log) == message


def test_beginning_inside_a_record_is_noticed() -> None:
    log = make_log([10000, 10])
    reader = reader_of(log)
    reader.begin(SEGMENT + 8192 + 24)
    assert reader.read() is None
    assert reader.end_of_wal == f"contrecord is requested by {format_lsn(SEGMENT + 8192 + 24)}"
    reader.begin(SEGMENT + 8)
    assert reader.read() is None
    assert reader.end_of_wal == f"invalid record offset at {format_lsn(SEGMENT + 8)}"


def test_a_page_that_cannot_be_read_ends_the_log_with_the_reason() -> None:
    log = make_log([10, 9000])

    def read_page(lsn: int) -> bytes | None:
        if lsn > SEGMENT:
            raise WalReadError("could not open file")
        return log.read_page(lsn)

    reader = WalReader(read_page, SEGMENT, SYSTEM)
    reader.begin(SEGMENT)
    assert len(read_all(reader)) == 1
    assert reader.end_of_wal == "could not open file"


# a record that was cut short --------------------------------------------------------------------


def test_a_cut_record_is_told_with_the_page_that_should_go_on() -> None:
    log = make_log([100, 20000])
    log.cut(SEGMENT + 8192)
    reader = reader_of(log)
    assert read_all(reader) == log.lsns[:1]
    assert reader.aborted_record_lsn == log.lsns[1]
    assert reader.missing_contrecord_lsn == SEGMENT + 8192
    assert reader.end_lsn == log.lsns[1]


def test_a_page_that_goes_on_with_another_length_cuts_the_record() -> None:
    log = make_log([100, 20000])
    log.content[8192 + 16] ^= 8
    assert f"at {format_lsn(log.lsns[1])}" in end_message(log)
    assert end_message(log).startswith("invalid contrecord length ")


def test_a_page_that_begins_with_a_new_record_cuts_the_record() -> None:
    log = make_log([100, 20000])
    log.content[8192 + 2] &= ~1
    assert end_message(log) == f"there is no contrecord flag at {format_lsn(log.lsns[1])}"


def test_an_overwritten_record_is_dropped_and_the_log_goes_on() -> None:
    log = make_log([100, 20000, 5])
    cut = log.lsns[1]
    restart = log.overwrite_from(SEGMENT + 8192, cut)
    after = log.append(b"after")
    reader = reader_of(log)
    assert read_all(reader) == [log.lsns[0], restart, after]
    assert reader.overwritten_record_lsn == cut
    assert reader.aborted_record_lsn == 0
