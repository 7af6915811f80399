"""Flushing: what it promises is on disk, one process does it for all, and a failure is a PANIC."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from engine.errors import PanicError, SqlError
from engine.wal.rmgr import Rmgr
from tests.engine.wal.wal_cluster import SEGMENT, WalCluster


def test_flush_makes_exactly_the_complete_records_durable(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    end = cluster.wal.insert(Rmgr.XLOG, 0x20, b"a")
    assert cluster.records() == []
    cluster.wal.flush(end)
    assert cluster.wal.flushed_lsn() == end
    assert [record.main for record in cluster.records()] == [b"a"]


def test_flush_of_one_process_serves_all_that_inserted_before(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    others = [cluster.process(slot) for slot in (2, 3, 4)]
    ends = [wal.insert(Rmgr.XLOG, 0x20, b"x") for wal in others]
    cluster.wal.flush(cluster.wal.insert(Rmgr.XLOG, 0x20, b"y"))
    syncs = cluster.host.syncs
    for wal, end in zip(others, ends, strict=True):
        wal.flush(end)
    assert cluster.host.syncs == syncs


def test_flush_past_the_end_of_wal_is_an_error(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    with pytest.raises(SqlError, match=r"xlog flush request 0/200000 is not satisfied"):
        cluster.wal.flush(2 * SEGMENT)


def test_fsync_off_writes_and_never_syncs(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path, fsync=False)
    cluster.wal.flush(cluster.wal.insert(Rmgr.XLOG, 0x20, b"a"))
    assert cluster.host.syncs == 0
    assert len(cluster.records()) == 1


def test_partial_page_is_written_again_when_it_has_grown(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    for number in range(20):
        cluster.wal.flush(cluster.wal.insert(Rmgr.XLOG, 0x20, bytes([number])))
    assert [record.main for record in cluster.records()] == [bytes([n]) for n in range(20)]


def test_short_writes_are_completed(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    cluster.wal.flush(cluster.wal.insert(Rmgr.XLOG, 0x20, b"first"))
    cluster.host.short_write = 1000
    cluster.wal.flush(cluster.wal.insert(Rmgr.XLOG, 0x20, bytes(30_000)))
    assert [len(record.main) for record in cluster.records()] == [5, 30_000]


def test_asynchronous_commit_is_flushed_by_the_wal_writer(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    writer = cluster.process(4)
    assert not writer.background_flush()
    end = cluster.wal.insert(Rmgr.XLOG, 0x20, b"async")
    assert not writer.background_flush()
    cluster.wal.request_async(end)
    assert writer.background_flush()
    assert cluster.wal.flushed_lsn() == end
    assert not writer.background_flush()


def test_wal_writer_writes_full_pages_unasked(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    cluster.wal.insert(Rmgr.XLOG, 0x20, bytes(20_000))
    assert cluster.process(4).background_flush()
    assert cluster.wal.written_lsn() == SEGMENT + 2 * 8192


def test_volume_of_wal_asks_for_a_checkpoint_and_a_new_redo_point_ends_that(
    tmp_path: Path,
) -> None:
    cluster = WalCluster(tmp_path, max_wal_size=4, checkpoint_completion_target=1.0)
    wal = cluster.wal
    wal.take_redo_point()

    def fill_segment() -> None:
        target = (wal.end_lsn() // SEGMENT + 1) * SEGMENT
        while wal.end_lsn() < target:
            wal.insert(Rmgr.XLOG, 0x20, bytes(50_000))
        wal.flush(wal.end_lsn())

    fill_segment()
    assert cluster.checkpoint_requests == 0
    fill_segment()
    assert cluster.checkpoint_requests == 1
    wal.take_redo_point()
    fill_segment()
    assert cluster.checkpoint_requests == 1


@pytest.mark.parametrize(("number", "state"), [(errno.ENOSPC, "53100"), (errno.EIO, "58030")])
def test_failed_write_is_a_panic(tmp_path: Path, number: int, state: str) -> None:
    cluster = WalCluster(tmp_path)
    cluster.wal.flush(cluster.wal.insert(Rmgr.XLOG, 0x20, b"a"))
    cluster.host.fail_write = number
    end = cluster.wal.insert(Rmgr.XLOG, 0x20, b"b")
    with pytest.raises(PanicError) as caught:
        cluster.wal.flush(end)
    assert caught.value.sqlstate == state
    assert caught.value.message.startswith(
        "could not write to log file 000000010000000000000001 at offset 0, length 8192: "
    )


def test_failed_sync_is_a_panic(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    cluster.wal.flush(cluster.wal.insert(Rmgr.XLOG, 0x20, b"a"))
    cluster.host.fail_sync = errno.EIO
    end = cluster.wal.insert(Rmgr.XLOG, 0x20, b"b")
    with pytest.raises(PanicError, match='could not fsync file "000000010000000000000001": Input'):
        cluster.wal.flush(end)
    assert cluster.wal.flushed_lsn() < end


def test_full_disk_while_a_segment_is_made_is_a_panic_and_leaves_no_half_segment(
    tmp_path: Path,
) -> None:
    cluster = WalCluster(tmp_path)
    cluster.host.fail_write = errno.ENOSPC
    end = cluster.wal.insert(Rmgr.XLOG, 0x20, b"b")
    with pytest.raises(PanicError, match=r'could not write to file "pg_wal/xlogtemp\.1": No sp'):
        cluster.wal.flush(end)
    assert cluster.segment_files() == []
