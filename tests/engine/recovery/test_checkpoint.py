"""Checkpoints: the order of their steps, what they wait for, what a crash or an error leaves."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from engine.config import Config
from engine.errors import PanicError, SqlError, SqlState
from engine.host.api import Buffer
from engine.host.points import Point
from engine.recovery.checkpoint_log import CheckpointStatistics, describe_end, describe_start
from engine.recovery.checkpoint_pace import CheckpointPace
from engine.recovery.checkpoint_request import CheckpointFlags
from engine.recovery.control_file import CheckPoint, ClusterState
from engine.transaction.clog import COMMITTED
from engine.wal.record import WalRecord
from engine.wal.rmgr import Rmgr
from engine.wal.segments import SegmentCounts
from tests.engine.recovery.recovery_cluster import (
    SEGMENT,
    FaultyHost,
    RecoveryCluster,
    Struck,
    commit_record_without_files,
)
from tests.engine.wal.wal_cluster import read_all, reader_of

STEPS = [
    Point.CHECKPOINT_REDO_TAKEN,
    Point.CHECKPOINT_BUFFERS_WRITTEN,
    Point.CHECKPOINT_FILES_SYNCED,
    Point.CHECKPOINT_RECORD_FLUSHED,
    Point.CHECKPOINT_CONTROL_FILE_WRITTEN,
    Point.CHECKPOINT_WAL_RECYCLED,
]


@pytest.fixture
def cluster(tmp_path: Path) -> RecoveryCluster:
    """A new cluster that runs."""
    cluster = RecoveryCluster(tmp_path / "data").initialize()
    cluster.start()
    return cluster


def records(cluster: RecoveryCluster, start: int) -> list[WalRecord]:
    """The records on disk from `start` on."""
    reader = reader_of(cluster.root, start)
    reader._system_identifier = 0
    return list(read_all(reader))


# order --------------------------------------------------------------------------------------------


def test_steps_come_in_their_order(cluster: RecoveryCluster) -> None:
    cluster.commit_rows(b"one")
    cluster.host.passes.clear()
    assert cluster.checkpoint()
    assert [point for point in cluster.host.passes if point in STEPS] == STEPS


def test_checkpoint_leaves_nothing_for_replay_before_its_redo_point(
    cluster: RecoveryCluster,
) -> None:
    cluster.commit_rows(b"one", b"two")
    cluster.checkpoint()
    control = cluster.control()
    found = records(cluster, control.checkpoint.redo)
    assert [(record.rmid, record.opcode) for record in found] == [
        (Rmgr.STANDBY, 0x10),
        (Rmgr.XLOG, 0x10),
    ]
    assert found[1].lsn == control.checkpoint_lsn
    assert CheckPoint.unpack(found[1].main) == control.checkpoint
    assert b"one" in (cluster.root / "base/5/16384").read_bytes()
    assert cluster.rows() == [b"one", b"two"]


@pytest.mark.parametrize("point", STEPS)
def test_crash_between_any_two_steps_loses_nothing(cluster: RecoveryCluster, point: Point) -> None:
    cluster.commit_rows(b"before" * 20)
    cluster.checkpoint()
    for number in range(40):
        cluster.commit_rows(b"%d" % number * 300)
    wanted = cluster.rows()
    cluster.host.die_at_point = (point, 1)
    with pytest.raises(Struck):
        cluster.checkpoint()
    cluster.crash()
    cluster.start()
    assert cluster.rows() == wanted


def test_wal_is_recycled_only_when_pg_control_names_the_new_redo_point(
    cluster: RecoveryCluster,
) -> None:
    while cluster.backend.wal.end_lsn() < 3 * SEGMENT:
        cluster.commit_rows(b"x" * 3000)
    first = cluster.root / "pg_wal/000000010000000000000001"
    cluster.host.die_at_point = (Point.CHECKPOINT_CONTROL_FILE_WRITTEN, 1)
    with pytest.raises(Struck):
        cluster.checkpoint()
    assert first.exists()
    cluster.host.die_at_point = None
    cluster.backend.locks.release_all()
    cluster.checkpoint()
    assert not first.exists()


def test_idle_system_gets_no_timed_checkpoint_but_a_forced_one(cluster: RecoveryCluster) -> None:
    cluster.commit_rows(b"one")
    assert cluster.checkpoint(CheckpointFlags.CAUSE_TIME)
    assert not cluster.checkpoint(CheckpointFlags.CAUSE_TIME)
    assert cluster.checkpoint(CheckpointFlags.FORCE)
    cluster.commit_rows(b"two")
    assert cluster.checkpoint(CheckpointFlags.CAUSE_TIME)


def test_shutdown_checkpoint_is_its_own_redo_point(cluster: RecoveryCluster) -> None:
    cluster.commit_rows(b"one")
    cluster.stop()
    control = cluster.control()
    assert control.state == ClusterState.SHUT_DOWN
    assert control.checkpoint.redo == control.checkpoint_lsn
    assert control.checkpoint.oldest_active_xid == 0


def test_wal_written_during_the_shutdown_checkpoint_is_a_panic(cluster: RecoveryCluster) -> None:
    class Intruder(FaultyHost):
        def point(self, point: Point, value: int = 0) -> None:
            if point is Point.CHECKPOINT_FILES_SYNCED:
                cluster.backend.wal.insert(Rmgr.XLOG, 0x20, b"late")

    cluster.commit_rows(b"one")
    cluster.checkpoints._host = Intruder(str(cluster.root))
    with pytest.raises(PanicError, match="concurrent write-ahead log activity while database"):
        cluster.checkpoint(CheckpointFlags.IS_SHUTDOWN)


# what it waits for --------------------------------------------------------------------------------


def test_commit_between_its_record_and_clog_is_waited_for(cluster: RecoveryCluster) -> None:
    xid = cluster.begin()
    cluster.insert(xid, b"one")
    backend = cluster.backend
    backend.procs.delay_checkpoint[9] = 17
    backend.wal.flush(
        backend.wal.insert(Rmgr.TRANSACTION, 0, commit_record_without_files(), (), xid)
    )
    naps = []

    class Sleepy(FaultyHost):
        def sleep(self, milliseconds: float) -> None:
            naps.append(milliseconds)
            if len(naps) == 3:
                backend.clog.set_status(xid, (), COMMITTED, 0)
                backend.procs.delay_checkpoint[9] = 0

    cluster.checkpoints._host = Sleepy(str(cluster.root))
    cluster.checkpoint()
    assert len(naps) == 3
    cluster.crash()
    cluster.start()
    assert cluster.rows() == [b"one"]


def test_next_commit_of_the_same_process_is_not_waited_for(cluster: RecoveryCluster) -> None:
    cluster.backend.procs.delay_checkpoint[9] = 17

    class Sleepy(FaultyHost):
        def sleep(self, milliseconds: float) -> None:
            cluster.backend.procs.delay_checkpoint[9] += 1

    cluster.checkpoints._host = Sleepy(str(cluster.root))
    assert cluster.checkpoint()


def test_running_transactions_are_logged(cluster: RecoveryCluster) -> None:
    xid = cluster.begin()
    cluster.checkpoint()
    control = cluster.control()
    assert control.checkpoint.oldest_active_xid == xid
    running = records(cluster, control.checkpoint.redo)[0]
    assert running.main[24:] == xid.to_bytes(4, "little")


# errors -------------------------------------------------------------------------------------------


def test_data_that_cannot_be_written_fails_the_checkpoint_and_leaves_pg_control(
    cluster: RecoveryCluster,
) -> None:
    cluster.commit_rows(b"one")
    before = cluster.control()
    cluster.checkpointer.checkpoint_requests.request(CheckpointFlags.IMMEDIATE)
    pwrite = cluster.host.pwrite

    def full(fd: int, data: Buffer, offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    cluster.host.pwrite = full  # type: ignore[method-assign]
    with pytest.raises(SqlError) as caught:
        cluster.schedule().round()
    assert caught.value.sqlstate == SqlState.DISK_FULL
    assert cluster.control() == before
    cluster.host.pwrite = pwrite  # type: ignore[method-assign]
    cluster.checkpointer.recover_from_error(caught.value)
    assert cluster.checkpoint()
    assert cluster.control() != before


def test_failed_sync_is_a_panic_and_leaves_the_checkpoint_where_it_was(
    cluster: RecoveryCluster,
) -> None:
    cluster.commit_rows(b"one")
    before = cluster.control()
    cluster.host.fail_sync = errno.EIO
    with pytest.raises(PanicError, match="could not fsync file"):
        cluster.checkpoint()
    assert cluster.control() == before


# settings -----------------------------------------------------------------------------------------


def test_change_of_full_page_writes_is_logged_and_takes_effect(cluster: RecoveryCluster) -> None:
    schedule = cluster.schedule()
    start = cluster.backend.wal.insert_lsn()
    schedule.replace_config(cluster.config.replace(full_page_writes=False))
    assert not cluster.backend.wal.full_page_writes()
    schedule.replace_config(cluster.config)
    assert cluster.backend.wal.full_page_writes()
    cluster.backend.wal.flush(cluster.backend.wal.end_lsn())
    found = [(record.opcode, record.main) for record in records(cluster, start)]
    assert found == [(0x80, b"\x00"), (0x80, b"\x01")]


def test_changed_settings_that_standbys_must_match_are_logged_and_kept(
    cluster: RecoveryCluster,
) -> None:
    cluster.stop()
    start = cluster.control().checkpoint_lsn
    cluster.config = cluster.config.replace(max_connections=7)
    cluster.start()
    assert cluster.control().max_connections == 7
    assert [record.opcode for record in records(cluster, start)] == [0x00, 0x60]


# the checkpointer's rounds ------------------------------------------------------------------------


def test_round_serves_a_request_and_says_when_the_next_is_due(cluster: RecoveryCluster) -> None:
    cluster.commit_rows(b"one")
    before = cluster.control().checkpoint_lsn
    schedule = cluster.schedule()
    assert 0 < schedule.round() <= 300_000
    assert cluster.control().checkpoint_lsn == before
    cluster.backend.checkpoint_requests.request(CheckpointFlags.FORCE | CheckpointFlags.IMMEDIATE)
    schedule.round()
    assert cluster.control().checkpoint_lsn > before


def test_request_that_came_during_a_checkpoint_is_served_without_sleep(
    cluster: RecoveryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.commit_rows(b"one")
    schedule = cluster.schedule()
    request = cluster.backend.checkpoint_requests.request
    request(CheckpointFlags.FORCE | CheckpointFlags.IMMEDIATE)
    create = cluster.checkpoints.create

    def create_while_somebody_asks(flags: CheckpointFlags) -> bool:
        monkeypatch.undo()
        request(CheckpointFlags.FORCE | CheckpointFlags.IMMEDIATE)
        # The wake-up ends one of the checkpoint's own pauses, and is gone.
        cluster.host.wait(0)
        return create(flags)

    monkeypatch.setattr(cluster.checkpoints, "create", create_while_somebody_asks)
    assert schedule.round() == 0
    assert schedule.round() > 0
    assert not cluster.checkpointer.checkpoint_requests.is_pending()


def test_checkpoint_is_made_when_the_time_has_come(tmp_path: Path) -> None:
    cluster = RecoveryCluster(tmp_path / "data", checkpoint_timeout=30).initialize()
    cluster.start()
    cluster.commit_rows(b"one")
    schedule = cluster.schedule()
    schedule._last_us -= 31_000_000
    cluster.checkpointer.checkpoint_requests.request(CheckpointFlags.IMMEDIATE)
    cluster.log_lines()
    schedule.round()
    assert cluster.log_lines()[0] == "LOG:  checkpoint starting: immediate time"


def test_checkpoints_that_volume_triggers_too_often_are_complained_of(
    cluster: RecoveryCluster,
) -> None:
    cluster.commit_rows(b"one")
    schedule = cluster.schedule()
    cluster.backend.checkpoint_requests.request(CheckpointFlags.IMMEDIATE)
    cluster.backend.checkpoint_requests.request_for_wal_volume()
    cluster.log_lines()
    schedule.round()
    lines = cluster.log_lines()
    assert lines[0] == "LOG:  checkpoints are occurring too frequently (0 seconds apart)"
    assert lines[1].startswith("HINT:  Consider increasing")
    assert lines[2] == "LOG:  checkpoint starting: immediate wal"


def test_no_checkpoint_but_the_last_one_is_made_in_recovery(cluster: RecoveryCluster) -> None:
    cluster.crash()
    cluster.boot()
    cluster.checkpointer.checkpoint_requests.request(CheckpointFlags.FORCE)
    cluster.schedule().round()
    assert not cluster.checkpointer.checkpoint_requests.is_pending()
    with pytest.raises(SqlError, match="can't create a checkpoint during recovery"):
        cluster.checkpoint()


# pace and log -------------------------------------------------------------------------------------


class Clock(FaultyHost):
    """A host whose clock the test moves."""

    now = 0
    lsn = 0
    waits = 0

    def monotonic_us(self) -> int:
        return self.now

    def wait(self, *arguments: object, **options: object) -> None:  # type: ignore[override]
        self.waits += 1


def pace(host: Clock, *, immediate: bool = False, urgent: bool = False) -> CheckpointPace:
    config = Config().replace(checkpoint_timeout=100, max_wal_size=38)
    return CheckpointPace(
        host,
        lambda: config,
        is_immediate=immediate,
        start_lsn=0,
        insert_lsn=lambda: host.lsn,
        segment_size=SEGMENT,
        absorb=lambda: None,
        is_urgent=lambda: urgent,
    )


def test_writing_ahead_of_schedule_pauses_and_behind_it_does_not(tmp_path: Path) -> None:
    host = Clock(str(tmp_path))
    paced = pace(host)
    host.now = 10_000_000
    paced.after_write(0.5)
    assert host.waits == 1
    host.now = 60_000_000
    paced.after_write(0.5)
    assert host.waits == 1


def test_volume_of_wal_hurries_the_checkpoint(tmp_path: Path) -> None:
    host = Clock(str(tmp_path))
    paced = pace(host)
    host.lsn = 11 * SEGMENT
    assert not paced.is_on_schedule(0.5)
    host.lsn = 9 * SEGMENT
    assert paced.is_on_schedule(0.55)


@pytest.mark.parametrize(("immediate", "urgent"), [(True, False), (False, True)])
def test_immediate_and_urgent_checkpoints_do_not_pause(
    tmp_path: Path, immediate: bool, urgent: bool
) -> None:
    host = Clock(str(tmp_path))
    pace(host, immediate=immediate, urgent=urgent).after_write(1.0)
    assert host.waits == 0


def test_log_lines_are_postgresqls() -> None:
    flags = CheckpointFlags.IMMEDIATE | CheckpointFlags.FORCE | CheckpointFlags.WAIT
    assert describe_start(flags) == "checkpoint starting: immediate force wait"
    statistics = CheckpointStatistics(
        start_us=0,
        write_us=1_000,
        sync_us=3_000,
        sync_end_us=10_500,
        end_us=2_012_000,
        buffers_written=3,
        files_synced=2,
        longest_sync_us=5_000,
        total_sync_us=7_000,
        segments=SegmentCounts(added=1, removed=2, recycled=3),
    )
    assert describe_end(statistics, 128, 4096.0, 8192.0) == (
        "checkpoint complete: wrote 3 buffers (2.3%); "
        "1 WAL file(s) added, 2 removed, 3 recycled; "
        "write=0.002 s, sync=0.007 s, total=2.012 s; "
        "sync files=2, longest=0.005 s, average=0.003 s; distance=4 kB, estimate=8 kB"
    )
