"""Segment files: made whole, reused, removed, and never before they may."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.config import Config
from engine.errors import PanicError, SqlError
from engine.host.api import Buffer, OpenMode
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
    segments.recycle_or_remove(5, 6 * SEGMENT + 100, 8, counts, pytest.fail)
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


# what goes wrong, and what must be on disk before what ----------------------------------


def noting(cluster: WalCluster, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The calls that matter for durability, as they are made from now on."""
    calls: list[tuple[str, str]] = []
    host, paths = cluster.host, dict[int, str]()
    open_file, write, fsync = host.open, host.pwrite, host.fsync

    def noted_open(path: str, mode: OpenMode = OpenMode.READ) -> int:
        fd = open_file(path, mode)
        paths[fd] = path
        return fd

    def noted_write(fd: int, data: Buffer, offset: int) -> int:
        calls.append(("write", paths[fd]))
        return write(fd, data, offset)

    def noted_fsync(fd: int) -> None:
        calls.append(("fsync", paths[fd]))
        fsync(fd)

    monkeypatch.setattr(host, "open", noted_open)
    monkeypatch.setattr(host, "pwrite", noted_write)
    monkeypatch.setattr(host, "fsync", noted_fsync)
    for name in ("fsync_directory", "rename", "unlink"):
        real = getattr(host, name)

        def noted(*paths: str, name: str = name, real: Callable[..., None] = real) -> None:
            calls.append((name, paths[-1]))
            real(*paths)

        monkeypatch.setattr(host, name, noted)
    return calls


def failing(number: int) -> Callable[..., Any]:
    """A call that fails."""

    def fail(*args: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_segment_is_synced_before_it_has_its_name_and_the_name_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = WalCluster(tmp_path)
    calls = noting(cluster, monkeypatch)
    cluster.wal.flush(cluster.wal.insert(Rmgr.XLOG, 0x20, b"a"))
    temporary, path = "pg_wal/xlogtemp.1", f"pg_wal/{segment_name(1)}"
    assert calls == [
        ("write", temporary),
        ("fsync", temporary),
        ("rename", path),
        ("fsync_directory", "pg_wal"),
        ("write", path),
        ("fsync", path),
    ]


def test_names_that_change_as_wal_is_recycled_are_synced_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = WalCluster(tmp_path)
    for number in (1, 2, 3):
        cluster.wal.segments._create(number)
    calls = noting(cluster, monkeypatch)
    cluster.wal.segments.recycle_or_remove(3, 3 * SEGMENT + 100, 4, SegmentCounts(), pytest.fail)
    assert calls == [
        ("rename", f"pg_wal/{segment_name(4)}"),
        ("fsync_directory", "pg_wal"),
        ("unlink", f"pg_wal/{segment_name(2)}"),
        ("fsync_directory", "pg_wal"),
    ]


def test_an_old_segment_that_cannot_go_is_complained_of_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = WalCluster(tmp_path)
    segments = cluster.wal.segments
    for number in (1, 2, 3):
        segments._create(number)
    complaints: list[str] = []
    counts = SegmentCounts()
    with monkeypatch.context() as broken:
        broken.setattr(cluster.host, "rename", failing(errno.EIO))
        broken.setattr(cluster.host, "unlink", failing(errno.EIO))
        segments.recycle_or_remove(3, 3 * SEGMENT + 100, 8, counts, complaints.append)
    assert counts == SegmentCounts()
    assert [complaint.partition(" file")[0] for complaint in complaints] == [
        "could not rename", "could not remove", "could not rename", "could not remove",
    ]  # fmt: skip
    assert cluster.segment_files() == [segment_name(number) for number in (1, 2, 3)]
    segments.recycle_or_remove(3, 3 * SEGMENT + 100, 8, counts, pytest.fail)
    assert counts == SegmentCounts(recycled=2)


def test_a_name_that_cannot_be_synced_is_a_panic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = WalCluster(tmp_path)
    monkeypatch.setattr(cluster.host, "fsync_directory", failing(errno.EIO))
    with pytest.raises(PanicError, match='could not fsync file "pg_wal": Input/output error'):
        cluster.wal.segments.preallocate(2 * SEGMENT, SegmentCounts())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("stat", f'could not stat file "pg_wal/{segment_name(2)}": Input/output error'),
        ("open", 'could not create file "pg_wal/xlogtemp.1": Input/output error'),
        ("pwrite", 'could not write to file "pg_wal/xlogtemp.1": Input/output error'),
        ("fsync", 'could not fsync file "pg_wal/xlogtemp.1": Input/output error'),
        ("rename", "could not rename file"),
    ],
)
def test_a_segment_that_cannot_be_made_ahead_is_an_error_and_nothing_is_left_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, message: str
) -> None:
    cluster = WalCluster(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(cluster.host, call, failing(errno.EIO))
        with pytest.raises(SqlError, match=message) as caught:
            cluster.wal.segments.preallocate(2 * SEGMENT, SegmentCounts())
    assert caught.value.sqlstate == "58030"
    counts = SegmentCounts()
    cluster.wal.segments.preallocate(2 * SEGMENT, counts)
    assert counts.added == 1
    assert cluster.segment_files() == [segment_name(2)]


def test_a_directory_that_cannot_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = WalCluster(tmp_path)
    monkeypatch.setattr(cluster.host, "list_directory", failing(errno.EIO))
    with pytest.raises(SqlError, match='could not open directory "pg_wal": Input/output error'):
        cluster.wal.segments.remove_temporary()
    with pytest.raises(SqlError, match='could not open directory "pg_wal": Input/output error'):
        cluster.wal.segments.recycle_or_remove(2, 2 * SEGMENT, 2, SegmentCounts(), pytest.fail)
