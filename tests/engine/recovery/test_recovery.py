"""Recovery: what was committed is there, what was not is not, and no crash on the way does harm."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from engine.errors import FatalError, PanicError
from engine.host.points import Point
from engine.recovery.control_file import ClusterState
from engine.types import RelFileLocator
from tests.engine.recovery.recovery_cluster import LOCATOR, SEGMENT, RecoveryCluster, Struck

FIRST_SEGMENT = "pg_wal/000000010000000000000001"


@pytest.fixture
def cluster(tmp_path: Path) -> RecoveryCluster:
    """A new cluster that runs."""
    cluster = RecoveryCluster(tmp_path / "data").initialize()
    cluster.start()
    return cluster


def test_new_cluster_starts_without_recovery(tmp_path: Path) -> None:
    cluster = RecoveryCluster(tmp_path / "data").initialize()
    assert cluster.start().records == 0
    lines = cluster.log_lines()
    assert lines[0].startswith("LOG:  database system was shut down at ")
    assert not any("redo" in line for line in lines)
    assert cluster.control().state == ClusterState.IN_PRODUCTION
    assert not cluster.shared.wal.in_recovery()


def test_committed_rows_survive_a_crash_and_open_transactions_do_not(
    cluster: RecoveryCluster,
) -> None:
    cluster.commit_rows(b"one", b"two")
    lost = cluster.begin()
    cluster.insert(lost, b"never")
    cluster.commit_rows(b"three")
    cluster.crash()
    result = cluster.start()
    assert cluster.rows() == [b"one", b"two", b"three"]
    assert result.records >= 6
    assert cluster.begin() == lost + 2


def test_recovery_logs_as_postgresql_does(cluster: RecoveryCluster) -> None:
    cluster.commit_rows(b"one")
    end = cluster.backend.wal.end_lsn()
    cluster.crash()
    cluster.log_lines()
    result = cluster.start()
    lines = [line.removeprefix("LOG:  ") for line in cluster.log_lines()]
    last = result.last_record_lsn
    assert lines[0].startswith("database system was interrupted; last known up at ")
    assert lines[1:3] == [
        "database system was not properly shut down; automatic recovery in progress",
        f"redo starts at 0/{SEGMENT + 160:X}",
    ]
    assert lines[3] == f"invalid record length at 0/{end:X}: wanted 24, got 0"
    assert lines[4].startswith(f"redo done at 0/{last:X} system usage: ")
    assert lines[5].startswith(f"redo replayed {result.records} records ({result.bytes} bytes) in ")
    assert lines[6] == "checkpoint starting: end-of-recovery immediate wait"
    assert lines[7].startswith("checkpoint complete: wrote ")
    assert len(lines) == 8


def test_clean_shutdown_needs_no_recovery(cluster: RecoveryCluster) -> None:
    cluster.commit_rows(b"one")
    cluster.stop()
    assert cluster.control().state == ClusterState.SHUT_DOWN
    cluster.log_lines()
    assert cluster.start().records == 0
    assert cluster.rows() == [b"one"]
    cluster.commit_rows(b"two")
    cluster.crash()
    cluster.start()
    assert cluster.rows() == [b"one", b"two"]


def test_replay_begins_at_the_redo_point_of_the_last_checkpoint(cluster: RecoveryCluster) -> None:
    cluster.commit_rows(b"one")
    cluster.checkpoint()
    redo = cluster.control().checkpoint.redo
    cluster.commit_rows(b"two")
    cluster.crash()
    cluster.log_lines()
    cluster.start()
    assert f"LOG:  redo starts at 0/{redo:X}" in cluster.log_lines()
    assert cluster.rows() == [b"one", b"two"]


def test_torn_page_is_repaired_from_its_full_page_image(cluster: RecoveryCluster) -> None:
    cluster.commit_rows(b"one" * 100)
    cluster.checkpoint()
    cluster.commit_rows(b"two" * 100)
    cluster.backend.buffers.flush_all()
    cluster.crash()
    path = cluster.root / "base/5/16384"
    data = bytearray(path.read_bytes())
    data[512:8192] = bytes(8192 - 512)
    path.write_bytes(data)
    cluster.start()
    assert cluster.rows() == [b"one" * 100, b"two" * 100]


def test_relation_file_that_is_missing_is_made_again_by_replay(cluster: RecoveryCluster) -> None:
    cluster.commit_rows(b"one")
    cluster.crash()
    (cluster.root / "base/5/16384").unlink()
    cluster.start()
    assert cluster.rows() == [b"one"]


def test_dropped_relation_is_dropped_again(cluster: RecoveryCluster) -> None:
    cluster.commit_rows(b"one")
    other = RelFileLocator(1663, 5, 16999)
    xid = cluster.begin()
    cluster.insert(xid, b"kept", other)
    cluster.commit(xid, dropped=(LOCATOR,))
    cluster.crash()
    cluster.start()
    assert not (cluster.root / "base/5/16384").exists()
    assert cluster.rows(other) == [b"kept"]


def test_page_that_was_never_explained_is_a_panic(cluster: RecoveryCluster) -> None:
    cluster.commit_rows(b"one")
    cluster.checkpoint()
    xid = cluster.begin()
    cluster.backend.wal.set_full_page_writes(False)
    cluster.insert(xid, b"two")
    cluster.commit(xid)
    cluster.crash()
    (cluster.root / "base/5/16384").unlink()
    with pytest.raises(PanicError, match="WAL contains references to invalid pages"):
        cluster.start()
    assert "WARNING:  page 0 of relation base/5/16384 does not exist" in cluster.log_lines()


def test_next_oid_is_restored_past_those_given_out(cluster: RecoveryCluster) -> None:
    cluster.checkpoint()
    first = cluster.backend.xids.new_oid()
    cluster.commit_rows(b"flushes the NEXTOID record")
    cluster.crash()
    cluster.start()
    assert cluster.backend.xids.new_oid() >= first + 8192


# a crash in recovery -----------------------------------------------------------------------------


def crashed_with_work(cluster: RecoveryCluster) -> None:
    """Leave a crashed cluster with work in the WAL, some of it written to the files."""
    cluster.commit_rows(*(b"row %d" % number for number in range(300)))
    cluster.checkpoint()
    for number in range(20):
        cluster.commit_rows(b"x%d" % number * 50, b"y%d" % number * 50)
        if number == 10:
            cluster.backend.buffers.flush_all()
    lost = cluster.begin()
    cluster.insert(lost, b"lost")
    cluster.backend.wal.flush(cluster.backend.wal.end_lsn())
    cluster.crash()


@pytest.mark.parametrize(
    "point",
    [
        Point.RECOVERY_STARTED,
        Point.REDO_RECORD_APPLIED,
        Point.REDO_FINISHED,
        Point.CHECKPOINT_REDO_TAKEN,
        Point.CHECKPOINT_BUFFERS_WRITTEN,
        Point.CHECKPOINT_FILES_SYNCED,
        Point.CHECKPOINT_RECORD_FLUSHED,
        Point.CHECKPOINT_CONTROL_FILE_WRITTEN,
        Point.CHECKPOINT_WAL_RECYCLED,
        Point.RECOVERY_ENDED,
    ],
)
def test_crash_at_any_point_of_recovery_is_harmless(
    cluster: RecoveryCluster, tmp_path: Path, point: Point
) -> None:
    crashed_with_work(cluster)
    undisturbed = cluster.copy(tmp_path / "undisturbed")
    undisturbed.start()
    wanted = undisturbed.rows()
    cluster.host.die_at_point = (point, 30 if point is Point.REDO_RECORD_APPLIED else 1)
    with pytest.raises(Struck):
        cluster.start()
    cluster.crash()
    cluster.start()
    assert cluster.rows() == wanted
    cluster.commit_rows(b"goes on")
    cluster.crash()
    cluster.start()
    assert cluster.rows() == [*wanted, b"goes on"]


def test_crash_in_recovery_leaves_the_redo_point_and_says_so(cluster: RecoveryCluster) -> None:
    crashed_with_work(cluster)
    before = cluster.control()
    cluster.host.die_at_point = (Point.REDO_FINISHED, 1)
    with pytest.raises(Struck):
        cluster.start()
    after = cluster.control()
    assert after.state == ClusterState.IN_CRASH_RECOVERY
    assert after.checkpoint == before.checkpoint
    assert after.checkpoint_lsn == before.checkpoint_lsn
    cluster.crash()
    cluster.log_lines()
    cluster.start()
    lines = cluster.log_lines()
    assert lines[0].startswith("LOG:  database system was interrupted while in recovery at ")
    assert lines[1].startswith("HINT:  This probably means that some data is corrupted")


def test_replay_again_gives_the_same_bytes(cluster: RecoveryCluster, tmp_path: Path) -> None:
    crashed_with_work(cluster)
    once = cluster.copy(tmp_path / "once")
    once.start()
    once.stop()
    for passes in (10, 25, 1):
        cluster.host.die_at_point = (Point.REDO_RECORD_APPLIED, passes)
        with pytest.raises(Struck):
            cluster.start()
        cluster.startup.buffers.flush_all()
        cluster.crash()
    cluster.start()
    cluster.stop()
    assert cluster.files() == once.files()


def test_crash_at_each_write_of_recovery_is_harmless(
    cluster: RecoveryCluster, tmp_path: Path
) -> None:
    crashed_with_work(cluster)
    undisturbed = cluster.copy(tmp_path / "undisturbed")
    undisturbed.start()
    wanted = undisturbed.rows()
    write = 1
    while True:
        attempt = cluster.copy(tmp_path / f"write{write}")
        attempt.host.die_at_write = write
        try:
            attempt.start()
        except Struck:
            attempt.crash()
            attempt.start()
            assert attempt.rows() == wanted
            write += 1
            continue
        break
    assert write > 5


# a damaged cluster -------------------------------------------------------------------------------


def test_missing_segment_with_the_checkpoint_is_a_panic(cluster: RecoveryCluster) -> None:
    cluster.crash()
    (cluster.root / FIRST_SEGMENT).unlink()
    cluster.log_lines()
    with pytest.raises(PanicError, match="could not locate a valid checkpoint record"):
        cluster.start()
    assert cluster.log_lines()[1:] == [
        f'LOG:  could not open file "{FIRST_SEGMENT}": No such file or directory',
        "LOG:  invalid primary checkpoint record",
    ]


def test_damaged_checkpoint_record_is_a_panic(cluster: RecoveryCluster) -> None:
    lsn = cluster.control().checkpoint_lsn
    cluster.crash()
    path = cluster.root / FIRST_SEGMENT
    data = bytearray(path.read_bytes())
    data[lsn % SEGMENT + 50] ^= 1
    path.write_bytes(data)
    cluster.log_lines()
    with pytest.raises(PanicError, match="could not locate a valid checkpoint record"):
        cluster.start()
    assert "LOG:  invalid primary checkpoint record" in cluster.log_lines()


def test_wal_that_is_lost_between_redo_point_and_checkpoint_is_refused(
    cluster: RecoveryCluster,
) -> None:
    cluster.commit_rows(b"one")
    cluster.checkpoint()
    control = cluster.control()
    cluster.crash()
    assert control.checkpoint.redo < control.checkpoint_lsn
    path = cluster.root / FIRST_SEGMENT
    data = bytearray(path.read_bytes())
    data[control.checkpoint.redo % SEGMENT] ^= 1
    path.write_bytes(data)
    with pytest.raises(FatalError, match=r"could not find redo location 0/\w+ referenced"):
        cluster.start()


def test_failed_sync_before_replay_is_a_panic(cluster: RecoveryCluster) -> None:
    cluster.commit_rows(b"one")
    cluster.crash()
    cluster.host.fail_sync = errno.EIO
    with pytest.raises(PanicError, match="could not fsync file"):
        cluster.start()


def test_what_is_no_file_in_the_data_directory_is_not_synced(
    cluster: RecoveryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.commit_rows(b"one")
    cluster.crash()
    # A relative name, since a socket's may have 107 bytes only.
    monkeypatch.chdir(cluster.root)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(".s.PGSQL.5432")
        os.mkfifo("pipe")
        cluster.start()
    assert cluster.rows() == [b"one"]


@pytest.mark.parametrize(
    ("at", "message"),
    [(100, "incorrect checksum in control file"), (8, "database files are incompatible with")],
)
def test_corrupt_control_file_is_fatal(cluster: RecoveryCluster, at: int, message: str) -> None:
    cluster.crash()
    path = cluster.root / "global/pg_control"
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(FatalError, match=message):
        cluster.start()


def test_missing_wal_directory_is_fatal(cluster: RecoveryCluster) -> None:
    cluster.crash()
    (cluster.root / "pg_wal").rename(cluster.root / "elsewhere")
    with pytest.raises(FatalError, match='required WAL directory "pg_wal" does not exist'):
        cluster.start()


def test_record_cut_short_is_given_up_and_work_goes_on_behind_it(
    cluster: RecoveryCluster,
) -> None:
    cluster.commit_rows(b"one")
    wal = cluster.backend.wal
    end = wal.insert(0, 0x20, bytes(30_000))
    cut_lsn = wal.last_record_lsn()
    wal.flush(end)
    cluster.crash()
    path = cluster.root / FIRST_SEGMENT
    data = bytearray(path.read_bytes())
    cut = end % SEGMENT // 8192 * 8192
    data[cut:] = bytes(len(data) - cut)
    path.write_bytes(data)
    cluster.start()
    cluster.commit_rows(b"two")
    assert cluster.rows() == [b"one", b"two"]
    # A reader that comes from before the cut passes over it, and says so.
    control = cluster.control()
    assert control.checkpoint.redo > cut_lsn
    cluster.crash()
    cluster.start()
    assert cluster.rows() == [b"one", b"two"]


def test_cut_record_between_redo_point_and_end_is_passed_over(
    cluster: RecoveryCluster, tmp_path: Path
) -> None:
    cluster.commit_rows(b"one")
    wal = cluster.backend.wal
    end = wal.insert(0, 0x20, bytes(30_000))
    cut_lsn = wal.last_record_lsn()
    wal.flush(end)
    cluster.crash()
    path = cluster.root / FIRST_SEGMENT
    data = bytearray(path.read_bytes())
    cut = end % SEGMENT // 8192 * 8192
    data[cut:] = bytes(len(data) - cut)
    path.write_bytes(data)
    # Dies after OVERWRITE_CONTRECORD is in the WAL and before pg_control names a new redo point.
    cluster.host.die_at_point = (Point.CHECKPOINT_RECORD_FLUSHED, 1)
    with pytest.raises(Struck):
        cluster.start()
    cluster.crash()
    cluster.log_lines()
    cluster.start()
    assert any(
        line.startswith(
            f"LOG:  successfully skipped missing contrecord at 0/{cut_lsn:X}, overwritten at 20"
        )
        for line in cluster.log_lines()
    )
    assert cluster.rows() == [b"one"]
