"""Inserted records: what is read back is what was inserted, wherever pages and segments end."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SqlError
from engine.shmem.lwlock import WAL_INSERT
from engine.wal.record import FORCE_IMAGE, NO_IMAGE, STANDARD, WILL_INIT
from engine.wal.rmgr import Rmgr
from engine.wal.shared import IS_RECOVERY_DONE
from tests.engine.wal.wal_cluster import (
    LOCATOR,
    SEGMENT,
    WalCluster,
    before_lock,
    block,
    data_page,
)

FAR = 1 << 40
"""An LSN that no redo point of these tests reaches."""


def test_end_of_a_record_is_aligned_and_the_next_one_begins_there(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    ends = [cluster.wal.insert(Rmgr.XLOG, 0x20, bytes(length)) for length in (1, 2, 3, 255, 256)]
    cluster.wal.flush(ends[-1])
    records = cluster.records()
    assert [record.end_lsn for record in records] == ends
    assert all(end % 8 == 0 for end in ends)
    assert records[0].lsn == SEGMENT + 40
    assert [record.lsn for record in records[1:]] == ends[:-1]
    assert [record.prev for record in records] == [0, *(record.lsn for record in records[:-1])]


def test_last_record_lsn_is_where_the_own_last_record_starts(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    other = cluster.process(2)
    cluster.wal.insert(Rmgr.XLOG, 0x20, b"mine")
    mine = cluster.wal.last_record_lsn()
    other.insert(Rmgr.XLOG, 0x20, b"theirs")
    assert cluster.wal.last_record_lsn() == mine == SEGMENT + 40
    assert other.last_record_lsn() > mine


@given(
    lengths=st.lists(
        st.one_of(
            st.integers(0, 300),
            st.integers(7900, 8400),
            st.integers(16000, 17000),
            st.integers(60_000, 200_000),
        ),
        min_size=1,
        max_size=30,
    ),
    start_page=st.integers(0, 127),
    seed=st.integers(0, 255),
)
def test_records_of_all_sizes_are_read_back_across_pages_and_segments(
    lengths: list[int], start_page: int, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as root:
        start = SEGMENT + start_page * 8192
        cluster = WalCluster(Path(root), start=start, ring_pages=4)
        mains = [
            bytes((seed + number + at) & 255 for at in range(min(length, 64))).ljust(length, b"w")
            for number, length in enumerate(lengths)
        ]
        if start_page:
            # The reader wants to see the segment's long header first.
            fill = WalCluster(Path(root), ring_pages=4)
            fill.wal.flush(fill.wal.insert(Rmgr.XLOG, 0x20, b""))
        ends = [
            cluster.wal.insert(Rmgr.XLOG, 0x20, main, xid=number)
            for number, main in enumerate(mains)
        ]
        cluster.wal.flush(ends[-1])
        records = cluster.records(start)
        assert [record.main for record in records] == mains
        assert [record.end_lsn for record in records] == ends
        assert [record.xid for record in records] == list(range(len(mains)))


def test_record_longer_than_the_ring_is_read_back(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path, ring_pages=4)
    main = bytes(range(256)) * 1000
    cluster.wal.flush(cluster.wal.insert(Rmgr.XLOG, 0x20, main))
    assert [record.main for record in cluster.records()] == [main]


# images ------------------------------------------------------------------------------------------


def test_page_not_logged_since_the_redo_point_goes_along_whole_and_without_its_data(
    tmp_path: Path,
) -> None:
    cluster = WalCluster(tmp_path)
    redo = cluster.wal.take_redo_point()
    assert redo is not None
    page = data_page(redo)
    page[100:110] = b"old" + bytes(7)
    cluster.wal.flush(cluster.wal.insert(Rmgr.HEAP, 0, b"m", [block(page, 7, data=b"data")]))
    (record,) = cluster.records()
    restored = bytearray(8192)
    record.blocks[0].restore_image(restored)
    assert (record.blocks[0].locator, record.blocks[0].block) == (LOCATOR, 7)
    assert restored[:24] == page[:24]
    assert record.blocks[0].data == b""


def test_page_logged_since_the_redo_point_sends_its_data_only(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    redo = cluster.wal.take_redo_point()
    assert redo is not None
    cluster.wal.flush(
        cluster.wal.insert(Rmgr.HEAP, 0, b"m", [block(data_page(redo + 8), data=b"data")])
    )
    (record,) = cluster.records()
    assert record.blocks[0].image is None
    assert record.blocks[0].data == b"data"


@pytest.mark.parametrize(
    ("flags", "full_page_writes", "has_image"),
    [
        (STANDARD, True, True),
        (STANDARD, False, False),
        (STANDARD | FORCE_IMAGE, False, True),
        (STANDARD | NO_IMAGE, True, False),
        (STANDARD | WILL_INIT, True, False),
    ],
)
def test_flags_and_full_page_writes_decide_about_images(
    tmp_path: Path, flags: int, full_page_writes: bool, has_image: bool
) -> None:
    cluster = WalCluster(tmp_path)
    cluster.wal.set_full_page_writes(full_page_writes)
    cluster.wal.flush(
        cluster.wal.insert(Rmgr.HEAP, 0, b"m", [block(data_page(0), flags=flags, data=b"d")])
    )
    (record,) = cluster.records()
    assert (record.blocks[0].image is not None) == has_image


def test_redo_point_that_moves_before_the_lock_is_held_makes_the_page_go_along(
    tmp_path: Path,
) -> None:
    cluster = WalCluster(tmp_path)
    wal, checkpointer = cluster.wal, cluster.process(2)
    lsn = wal.insert(Rmgr.XLOG, 0x20, b"")
    with before_lock(wal, WAL_INSERT, checkpointer.take_redo_point):
        wal.flush(wal.insert(Rmgr.HEAP, 0, b"m", [block(data_page(lsn), data=b"d")]))
    assert cluster.records()[-1].blocks[0].image is not None


def test_hint_image_is_logged_once_between_redo_points(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    page = data_page(0)
    lsn = cluster.wal.insert_image_for_hint(block(page))
    assert lsn
    assert cluster.wal.insert_image_for_hint(block(data_page(lsn))) == 0
    cluster.wal.flush(lsn)
    (record,) = cluster.records()
    assert (record.rmid, record.info) == (Rmgr.XLOG, 0xA0)


@pytest.mark.parametrize("full_page_writes", [True, False])
def test_a_hint_logs_its_page_only_with_full_page_writes(
    tmp_path: Path, full_page_writes: bool
) -> None:
    cluster = WalCluster(tmp_path)
    cluster.wal.set_full_page_writes(full_page_writes)
    cluster.wal.flush(cluster.wal.insert_image_for_hint(block(data_page(0))))
    assert (cluster.records()[-1].blocks[0].image is not None) is full_page_writes


# recovery ----------------------------------------------------------------------------------------


def test_nobody_inserts_in_recovery_but_who_allowed_itself(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    cluster.shared.words[IS_RECOVERY_DONE] = 0
    wal = cluster.process(3)
    with pytest.raises(SqlError, match="cannot make new WAL entries during recovery"):
        wal.insert(Rmgr.XLOG, 0x20, b"")
    before = wal.allow_insert(True)
    wal.insert(Rmgr.XLOG, 0x20, b"")
    wal.allow_insert(before)
    with pytest.raises(SqlError):
        wal.insert(Rmgr.XLOG, 0x20, b"")
    wal.open_to_all()
    wal.insert(Rmgr.XLOG, 0x20, b"")


def test_wal_goes_on_in_the_middle_of_a_page_and_zeroes_its_stale_rest(tmp_path: Path) -> None:
    first = WalCluster(tmp_path)
    kept = first.wal.insert(Rmgr.XLOG, 0x20, b"kept")
    first.wal.flush(first.wal.insert(Rmgr.XLOG, 0x20, b"stale" * 100))
    second = WalCluster(tmp_path)
    page = (tmp_path / "pg_wal" / "000000010000000000000001").read_bytes()[: kept % 8192]
    second.wal.start_at(kept, SEGMENT + 40, page)
    second.wal.flush(second.wal.insert(Rmgr.XLOG, 0x20, b"new"))
    assert [record.main for record in second.records()] == [b"kept", b"new"]
    data = (tmp_path / "pg_wal" / "000000010000000000000001").read_bytes()
    assert b"stale" not in data
