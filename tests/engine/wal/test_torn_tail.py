"""The end of WAL after a crash: every cut of the last record is seen, and WAL goes on after it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.recovery.end_of_recovery import log_overwrite
from engine.wal.rmgr import Rmgr
from tests.engine.wal.wal_cluster import (
    SEGMENT,
    WalCluster,
    read_all,
    reader_of,
    segment_name,
)


def write_wal(root: Path, last: int, before: int = 0) -> tuple[int, int]:
    """Some records, the last of `last` bytes starting where `before` bytes precede it; its LSN and
    end."""
    cluster = WalCluster(root)
    cluster.wal.insert(Rmgr.XLOG, 0x20, b"first")
    if before:
        cluster.wal.insert(Rmgr.XLOG, 0x20, bytes(before))
    end = cluster.wal.insert(Rmgr.XLOG, 0x20, b"L" * last)
    cluster.wal.flush(end)
    return cluster.wal.last_record_lsn(), end


def test_every_cut_of_the_last_record_ends_the_wal_before_it(tmp_path: Path) -> None:
    lsn, _ = write_wal(tmp_path, last=300)
    path = tmp_path / "pg_wal" / segment_name(1)
    whole = path.read_bytes()
    total = 24 + 5 + 300
    for kept in range(total):
        cut = lsn - SEGMENT + kept
        path.write_bytes(whole[:cut] + bytes(SEGMENT - cut))
        reader = reader_of(tmp_path)
        assert [record.main for record in read_all(reader)] == [b"first"], kept
        assert reader.end_lsn == lsn
        assert reader.aborted_record_lsn == 0


def test_every_cut_at_a_sector_of_a_record_over_pages_ends_the_wal_before_it(
    tmp_path: Path,
) -> None:
    lsn, end = write_wal(tmp_path, last=20_000, before=1000)
    path = tmp_path / "pg_wal" / segment_name(1)
    whole = path.read_bytes()
    first = (lsn - SEGMENT) // 512 * 512 + 512
    for cut in range(first, end - SEGMENT, 512):
        path.write_bytes(whole[:cut] + bytes(SEGMENT - cut))
        reader = reader_of(tmp_path)
        assert len(list(read_all(reader))) == 2, cut
        assert reader.end_lsn == lsn
        assert reader.aborted_record_lsn == lsn


@pytest.mark.parametrize("lost_pages", [1, 2])
def test_wal_goes_on_behind_a_cut_record_and_readers_skip_it(
    tmp_path: Path, lost_pages: int
) -> None:
    lsn, end = write_wal(tmp_path, last=20_000, before=1000)
    path = tmp_path / "pg_wal" / segment_name(1)
    data = bytearray(path.read_bytes())
    last_page = (end - SEGMENT) // 8192 * 8192
    cut = last_page - (lost_pages - 1) * 8192
    data[cut:] = bytes(SEGMENT - cut)
    path.write_bytes(data)
    reader = reader_of(tmp_path)
    last = list(read_all(reader))[-1]
    assert (reader.aborted_record_lsn, reader.missing_contrecord_lsn) == (lsn, SEGMENT + cut)

    cluster = WalCluster(tmp_path)
    wal = cluster.wal
    page = reader.missing_contrecord_lsn
    wal.start_at(page, last.lsn, overwritten_page=page)
    log_overwrite(cluster.host, wal, lsn, page)
    wal.flush(wal.insert(Rmgr.XLOG, 0x20, b"after"))
    records = cluster.records()
    assert [record.info for record in records] == [0x20, 0x20, 0xD0, 0x20]
    assert records[-1].main == b"after"
    assert records[2].prev == last.lsn


def test_stale_records_behind_the_end_are_not_taken_for_new_ones(tmp_path: Path) -> None:
    first = WalCluster(tmp_path)
    kept = first.wal.insert(Rmgr.XLOG, 0x20, b"same length 1")
    for number in range(200):
        first.wal.insert(Rmgr.XLOG, 0x20, b"stale".ljust(100, b"%d" % (number % 10)))
    first.wal.flush(first.wal.end_lsn())
    stale = tmp_path / "stale"
    shutil.copytree(tmp_path / "pg_wal", stale)
    # A crash lost all from `kept` on; then records of the same lengths are written over it.
    second = WalCluster(tmp_path)
    page = (stale / segment_name(1)).read_bytes()[: kept % 8192]
    second.wal.start_at(kept, SEGMENT + 40, page)
    for _ in range(100):
        second.wal.insert(Rmgr.XLOG, 0x20, b"new".ljust(100))
    second.wal.flush(second.wal.end_lsn())
    mains = [record.main for record in second.records()]
    assert mains[1:] == [b"new".ljust(100)] * 100
