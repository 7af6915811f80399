"""The LSNs that injection points come with: by them a plan finds its place again."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.host.points import Point
from tests.engine.recovery.recovery_cluster import FaultyHost, RecoveryCluster


@pytest.fixture
def cluster(tmp_path: Path) -> RecoveryCluster:
    """A new cluster that runs."""
    cluster = RecoveryCluster(tmp_path / "data").initialize()
    cluster.start()
    cluster.host.values.clear()
    return cluster


def values(host: FaultyHost, *points: Point) -> list[int]:
    """The values of these points, in the order of their passes."""
    return [value for point, value in host.values if point in points]


def test_a_commit_is_known_by_the_end_of_its_record(cluster: RecoveryCluster) -> None:
    cluster.commit_rows(b"one")
    end = cluster.backend.wal.end_lsn()
    steps = (
        Point.COMMIT_RECORD_INSERTED,
        Point.COMMIT_RECORD_FLUSHED,
        Point.COMMIT_CLOG_MARKED,
    )
    assert values(cluster.host, *steps) == [end] * 3
    assert values(cluster.host, Point.WAL_RECORD_COPIED)[-1] == end
    assert values(cluster.host, Point.WAL_WRITTEN_NOT_SYNCED) == [end]


def test_a_checkpoint_is_known_by_its_redo_point(cluster: RecoveryCluster) -> None:
    cluster.commit_rows(b"one")
    cluster.host.values.clear()
    cluster.checkpoint()
    redo = cluster.control().checkpoint.redo
    steps = (
        Point.CHECKPOINT_REDO_TAKEN,
        Point.CHECKPOINT_BUFFERS_WRITTEN,
        Point.CHECKPOINT_FILES_SYNCED,
        Point.CHECKPOINT_CONTROL_FILE_WRITTEN,
        Point.CHECKPOINT_WAL_RECYCLED,
    )
    assert values(cluster.host, *steps) == [redo] * 5
    [record_end] = values(cluster.host, Point.CHECKPOINT_RECORD_FLUSHED)
    assert record_end == cluster.backend.wal.flushed_lsn()


def test_redo_goes_from_its_start_to_the_end_of_the_wal(cluster: RecoveryCluster) -> None:
    for number in range(5):
        cluster.commit_rows(b"row %d" % number)
    redo, end = cluster.control().checkpoint.redo, cluster.backend.wal.end_lsn()
    cluster.crash()
    cluster.host.values.clear()
    result = cluster.start()
    applied = values(cluster.host, Point.REDO_RECORD_APPLIED)
    assert len(applied) == result.records
    assert applied == sorted(set(applied))
    [start] = values(cluster.host, Point.RECOVERY_STARTED)
    assert redo <= start < applied[0]
    assert applied[-1] == end
    assert values(cluster.host, Point.REDO_FINISHED, Point.RECOVERY_ENDED) == [end] * 2


def test_a_segment_is_known_by_its_first_byte(cluster: RecoveryCluster) -> None:
    size = cluster.control().wal_segment_size
    row = bytes(7000)
    while cluster.backend.wal.end_lsn() < 4 * size:
        cluster.commit_rows(row)
    cluster.checkpoint()
    made = values(cluster.host, Point.WAL_SEGMENT_CREATED, Point.WAL_SEGMENT_RECYCLED)
    assert made
    assert all(start % size == 0 for start in made)
    newest = cluster.backend.wal.segments.path(max(made) // size)
    assert (cluster.root / newest).exists()
