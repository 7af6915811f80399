"""Segment files: made whole, reused, removed, and never before they may."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import Config
from engine.wal.rmgr import Rmgr
from engine.wal.segments import (
    SegmentCounts,
    checkpoint_segments,
    keep_from_segment,
    last_segment_to_recycle_to,
)
from tests.engine.wal.wal_cluster import SEGMENT, WalCluster, segment_name

MB = 1 << 20


def test_new_segment_is_whole_and_zero_behind_what_was_written(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    cluster.wal.flush(cluster.wal.insert(Rmgr.XLOG, 0x20, b"a"))
    assert cluster.segment_files() == [segment_name(1)]
    data = (tmp_path / "pg_wal" / segment_name(1)).read_bytes()
    assert len(data) == SEGMENT
    assert not any(data[8192:])


def test_second_maker_of_a_segment_leaves_the_first_ones_file_alone(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    cluster.wal.flush(cluster.wal.insert(Rmgr.XLOG, 0x20, b"a"))
    cluster.process(2).segments._create(1)
    assert cluster.segment_files() == [segment_name(1), segment_name(2)]
    assert len(cluster.records()) == 1


def test_old_segments_become_future_ones_up_to_the_limit_and_the_rest_goes(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    segments = cluster.wal.segments
    for number in range(1, 7):
        segments._create(number)
    (tmp_path / "pg_wal" / "archive_status").mkdir()
    counts = SegmentCounts()
    segments.recycle_or_remove(5, 6 * SEGMENT + 100, 8, counts)
    assert counts == SegmentCounts(added=0, removed=2, recycled=2)
    assert cluster.segment_files() == [*map(segment_name, range(5, 9)), "archive_status"]


def test_stale_content_of_a_recycled_segment_ends_the_wal(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path, ring_pages=8)
    wal = cluster.wal
    while wal.end_lsn() < 2 * SEGMENT + 5000:
        wal.insert(Rmgr.XLOG, 0x20, b"old" * 100)
    wal.flush(wal.end_lsn())
    (tmp_path / "pg_wal" / segment_name(1)).rename(tmp_path / "pg_wal" / segment_name(3))
    start = wal.take_redo_point()
    assert start is not None
    while wal.end_lsn() < 3 * SEGMENT + 5000:
        wal.insert(Rmgr.XLOG, 0x20, b"new" * 100)
    wal.flush(wal.end_lsn())
    reader = cluster.reader(start)
    mains = []
    while (record := reader.read()) is not None:
        mains.append(record.main)
    assert set(mains) == {b"new" * 100}
    assert reader.end_lsn == wal.end_lsn()


def test_next_segment_is_made_ahead_when_the_current_one_is_three_quarters_full(
    tmp_path: Path,
) -> None:
    cluster = WalCluster(tmp_path)
    counts = SegmentCounts()
    cluster.wal.segments.preallocate(SEGMENT + SEGMENT // 2, counts)
    assert counts.added == 0
    cluster.wal.segments.preallocate(SEGMENT + SEGMENT * 3 // 4 + 1, counts)
    assert counts.added == 1
    assert cluster.segment_files() == [segment_name(2)]


def test_leftovers_of_crashed_makers_are_removed(tmp_path: Path) -> None:
    cluster = WalCluster(tmp_path)
    (tmp_path / "pg_wal" / "xlogtemp.7").write_bytes(b"half")
    cluster.wal.segments.remove_temporary()
    assert cluster.segment_files() == []


@pytest.mark.parametrize(
    ("max_wal_size", "target", "segments"), [(1024, 0.9, 33), (1024, 0.0, 64), (2, 0.9, 1)]
)
def test_segments_between_checkpoints_follow_postgresql(
    max_wal_size: int, target: float, segments: int
) -> None:
    config = Config().replace(max_wal_size=max_wal_size, checkpoint_completion_target=target)
    assert checkpoint_segments(config, 16 * MB) == segments


def test_wal_keep_size_keeps_segments_that_redo_does_not_need() -> None:
    assert keep_from_segment(20, 19, Config(), MB) == 19
    assert keep_from_segment(20, 19, Config().replace(wal_keep_size=5), MB) == 15
    assert keep_from_segment(3, 3, Config().replace(wal_keep_size=5), MB) == 1


def test_recycling_reaches_as_far_as_the_next_checkpoint_within_min_and_max() -> None:
    config = Config().replace(min_wal_size=4, max_wal_size=10, checkpoint_completion_target=0.5)
    assert last_segment_to_recycle_to(100 * MB, 0.0, config, MB) == 103
    assert last_segment_to_recycle_to(100 * MB, 4.0 * MB, config, MB) == 107
    assert last_segment_to_recycle_to(100 * MB, 400.0 * MB, config, MB) == 109
