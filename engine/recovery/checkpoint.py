"""Creating a checkpoint: afterwards recovery need not look at WAL before the redo point.

CKPT-1, the order (README.md says what each step protects):

    1  draw the line for dropped files              sync.pre_checkpoint
    2  take the redo point, under WAL_INSERT
    3  note next xid, next oid
    4  wait for commits that have their record before the redo point and their clog bit not yet set
    5  write dirty clog pages and dirty buffers
    6  fsync every file written since the last checkpoint
    7  log the running transactions (online), then the checkpoint record; flush
    8  pg_control: the new checkpoint, on disk
    9  remove files dropped before 1; recycle WAL before the redo point

Source: PostgreSQL 15, `CreateCheckPoint`, xlog.c.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from engine.config import Config
from engine.errors import PanicError, SqlError, SqlState
from engine.host.api import Host
from engine.host.points import Point
from engine.recovery.checkpoint_log import CheckpointStatistics, describe_end, describe_start
from engine.recovery.checkpoint_pace import CheckpointPace
from engine.recovery.checkpoint_request import CheckpointFlags, CheckpointRequests
from engine.recovery.control import Control, seconds_since_1970
from engine.recovery.control_file import CheckPoint, ClusterState
from engine.recovery.standby_record import log_running_transactions
from engine.shmem.log import Log
from engine.shmem.procs import ProcTable
from engine.storage.sync_requests import SyncRequests
from engine.transaction.proc_array import ProcArray
from engine.transaction.xids import XidGenerator
from engine.wal.rmgr import Rmgr
from engine.wal.segments import keep_from_segment, last_segment_to_recycle_to
from engine.wal.wal import Wal

CHECKPOINT_SHUTDOWN: Final = 0x00
CHECKPOINT_ONLINE: Final = 0x10

_DELAY_POLL_MS: Final = 10


class CheckpointedBuffers(Protocol):
    """What a checkpoint needs of the buffer pool."""

    def flush_all(self, on_progress: Callable[[float], None] | None = None) -> int:
        """Write what is dirty now; how many pages."""


class CheckpointedClog(Protocol):
    """What a checkpoint needs of the commit log."""

    def checkpoint(self) -> int | None:
        """Write what is dirty and have it synced; how many pages."""


class Checkpoints:
    """Makes checkpoints for the process that may: the checkpointer, or a process that runs alone.

    `is_shutting_down` says that whoever writes should hurry.
    """

    def __init__(
        self,
        host: Host,
        log: Log,
        config: Config,
        *,
        wal: Wal,
        control: Control,
        buffers: CheckpointedBuffers,
        clog: CheckpointedClog,
        sync: SyncRequests,
        xids: XidGenerator,
        proc_array: ProcArray,
        procs: ProcTable,
        requests: CheckpointRequests,
        is_shutting_down: Callable[[], bool] = lambda: False,
    ) -> None:
        self._host = host
        self._log = log
        self.config = config
        self._wal = wal
        self._control = control
        self._buffers = buffers
        self._clog = clog
        self._sync = sync
        self._xids = xids
        self._proc_array = proc_array
        self._procs = procs
        self._requests = requests
        self._is_shutting_down = is_shutting_down
        self._distance = 0.0
        self._distance_estimate = 0.0

    def create(self, flags: CheckpointFlags) -> bool:
        """Make a checkpoint; False when nothing has happened that would make it worth its while."""
        is_final = bool(flags & (CheckpointFlags.IS_SHUTDOWN | CheckpointFlags.END_OF_RECOVERY))
        is_end_of_recovery = bool(flags & CheckpointFlags.END_OF_RECOVERY)
        if self._wal.in_recovery() and not is_end_of_recovery:
            raise SqlError(SqlState.INTERNAL_ERROR, "can't create a checkpoint during recovery")
        statistics = CheckpointStatistics(start_us=self._host.monotonic_us())
        self._sync.pre_checkpoint()
        if is_final:
            with self._control.change() as control:
                control.state = ClusterState.SHUTTING_DOWN
        checkpoint = self._begin(flags, is_final)
        if checkpoint is None:
            return False
        before = self._wal.allow_insert(True) if is_end_of_recovery else None
        if self.config.log_checkpoints:
            self._log.log(describe_start(flags))
        self._note_counters(checkpoint, is_final)
        self._wait_for_commits()
        self._write(checkpoint, flags, statistics)
        record = self._log_checkpoint(checkpoint, is_final)
        self._wal.allow_insert(before if is_end_of_recovery else (False if is_final else None))
        prior_redo = self._publish(checkpoint, record, is_final)
        self._clean_up(checkpoint, prior_redo, is_final, statistics)
        statistics.end_us = self._host.monotonic_us()
        if self.config.log_checkpoints:
            self._log.log(
                describe_end(
                    statistics,
                    int(self.config.shared_buffers),
                    self._distance,
                    self._distance_estimate,
                )
            )
        return True

    def _begin(self, flags: CheckpointFlags, is_final: bool) -> CheckPoint | None:
        """Step 2; None when the system is idle."""
        wal = self._wal
        checkpoint = CheckPoint(timeline=wal.timeline, previous_timeline=wal.timeline)
        if not is_final and self.config.wal_level != "minimal":
            checkpoint.oldest_active_xid = self._proc_array.oldest_active_xid()
        idle_since = None
        if not is_final and not flags & CheckpointFlags.FORCE:
            idle_since = self._control.read().checkpoint_lsn
        checkpoint.time = seconds_since_1970(self._host)
        redo = wal.take_redo_point(unless_idle_since=idle_since)
        if redo is None:
            return None
        self._host.point(Point.CHECKPOINT_REDO_TAKEN, redo)
        checkpoint.redo = redo
        checkpoint.full_page_writes = wal.full_page_writes()
        return checkpoint

    def _note_counters(self, checkpoint: CheckPoint, is_final: bool) -> None:
        """Step 3. They may be past the redo point: replay only ever moves them up."""
        xids = self._xids
        checkpoint.next_full_xid = xids.next_full_xid()
        checkpoint.next_oid = xids.next_oid_for_checkpoint(is_shutdown=is_final)
        checkpoint.oldest_xid = xids.shared.oldest_xid
        checkpoint.oldest_xid_database = xids.shared.oldest_xid_database

    def _wait_for_commits(self) -> None:
        """CKPT-2: a commit whose record is before the redo point must have marked clog before clog
        is written, since nobody will replay its record."""
        delay = self._procs.delay_checkpoint
        waiting = {slot: mark for slot, mark in enumerate(delay.tolist()) if mark}
        while any(delay[slot] == mark for slot, mark in waiting.items()):
            self._sync.absorb()
            self._host.sleep(_DELAY_POLL_MS)

    def _write(
        self, checkpoint: CheckPoint, flags: CheckpointFlags, statistics: CheckpointStatistics
    ) -> None:
        """Steps 5 and 6 (`CheckPointGuts`)."""
        host = self._host
        pace = CheckpointPace(
            host,
            lambda: self.config,
            is_immediate=bool(flags & CheckpointFlags.IMMEDIATE),
            start_lsn=checkpoint.redo,
            insert_lsn=self._wal.end_lsn,
            segment_size=self._wal.segment_size,
            absorb=self._sync.absorb,
            is_urgent=self._is_urgent,
        )
        statistics.write_us = host.monotonic_us()
        written = self._clog.checkpoint() or 0
        written += self._buffers.flush_all(pace.after_write)
        statistics.buffers_written = written
        host.point(Point.CHECKPOINT_BUFFERS_WRITTEN, checkpoint.redo)
        statistics.sync_us = host.monotonic_us()
        synced = self._sync.process()
        statistics.files_synced = synced.files
        statistics.longest_sync_us = synced.longest_us
        statistics.total_sync_us = synced.total_us
        statistics.sync_end_us = host.monotonic_us()
        host.point(Point.CHECKPOINT_FILES_SYNCED, checkpoint.redo)

    def _log_checkpoint(self, checkpoint: CheckPoint, is_final: bool) -> int:
        """Step 7; where the record starts."""
        wal = self._wal
        if not is_final and self.config.wal_level != "minimal":
            log_running_transactions(wal, self._proc_array)
        info = CHECKPOINT_SHUTDOWN if is_final else CHECKPOINT_ONLINE
        end = wal.insert(Rmgr.XLOG, info, checkpoint.pack())
        record = wal.last_record_lsn()
        wal.flush(end)
        self._host.point(Point.CHECKPOINT_RECORD_FLUSHED, end)
        if is_final and checkpoint.redo != record:
            raise PanicError(
                SqlState.INTERNAL_ERROR,
                "concurrent write-ahead log activity while database system is shutting down",
            )
        return record

    def _publish(self, checkpoint: CheckPoint, record: int, is_final: bool) -> int:
        """Step 8 (CKPT-3); the redo point of the checkpoint before."""
        with self._control.change() as control:
            prior_redo = control.checkpoint.redo
            if is_final:
                control.state = ClusterState.SHUT_DOWN
            control.checkpoint_lsn = record
            control.checkpoint = checkpoint
            control.min_recovery_point = 0
            control.min_recovery_timeline = 0
        self._host.point(Point.CHECKPOINT_CONTROL_FILE_WRITTEN, checkpoint.redo)
        return prior_redo

    def _clean_up(
        self,
        checkpoint: CheckPoint,
        prior_redo: int,
        is_final: bool,
        statistics: CheckpointStatistics,
    ) -> None:
        """Step 9, CKPT-5: only now is nobody going to start from the old redo point."""
        wal, size = self._wal, self._wal.segment_size
        self._sync.post_checkpoint()
        if prior_redo:
            self._note_distance(checkpoint.redo - prior_redo)
        end = wal.end_lsn()
        keep = keep_from_segment(end // size, checkpoint.redo // size, self.config, size)
        limit = last_segment_to_recycle_to(
            checkpoint.redo, self._distance_estimate, self.config, size
        )
        wal.segments.recycle_or_remove(keep, end, limit, statistics.segments, self._log.log)
        if not is_final:
            wal.segments.preallocate(end, statistics.segments)
        self._host.point(Point.CHECKPOINT_WAL_RECYCLED, checkpoint.redo)

    def _note_distance(self, distance: int) -> None:
        """Follow a rise at once, a fall slowly (`UpdateCheckPointDistanceEstimate`)."""
        self._distance = distance
        if self._distance_estimate < distance:
            self._distance_estimate = distance
        else:
            self._distance_estimate = 0.90 * self._distance_estimate + 0.10 * distance

    def _is_urgent(self) -> bool:
        return self._is_shutting_down() or self._requests.is_immediate_pending()
