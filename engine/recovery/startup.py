"""Start-up: from pg_control to a database that everybody may use.

    1  how did it end last time?                       pg_control
    2  after a crash: clear leftovers, sync everything  REDO-3
    3  the checkpoint to start from, and its counters
    4  replay from its redo point, if need be           redo.py
    5  the WAL goes on at the end of the last record
    6  end-of-recovery checkpoint; settings             end_of_recovery.py
    7  pg_control: in production; open to all

A crash at any moment leaves pg_control naming the old redo point or, after 6, the new one, and
nothing that replay from there does not do again (REDO-6).

Source: PostgreSQL 15, `StartupXLOG`, xlog.c; `FinishWalRecovery`, xlogrecovery.c.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from engine.config import Config
from engine.errors import FatalError, SqlError, SqlState
from engine.host.api import Host
from engine.host.points import Point
from engine.recovery.checkpoint_request import CheckpointFlags
from engine.recovery.control import Control
from engine.recovery.control_file import ClusterState, ControlFile
from engine.recovery.data_directory_sync import sync_data_directory
from engine.recovery.end_of_recovery import (
    log_overwrite,
    report_parameters,
    update_full_page_writes,
)
from engine.recovery.redo import RedoLoop, RedoResult
from engine.recovery.redo_services import RedoServices
from engine.recovery.redo_table import Redo
from engine.recovery.start_point import StartPoint, find_start_point, log_state, was_shut_down
from engine.recovery.wal_source import WalSource
from engine.shmem.log import Log
from engine.types import WAL_BLOCK_SIZE, format_lsn
from engine.wal.file_error import file_error
from engine.wal.reader import WalReader
from engine.wal.segments import WAL_DIRECTORY, SegmentCounts
from engine.wal.wal import Wal

END_OF_RECOVERY_FLAGS: Final = (
    CheckpointFlags.END_OF_RECOVERY | CheckpointFlags.IMMEDIATE | CheckpointFlags.WAIT
)


class StartsClog(Protocol):
    """What start-up needs of the commit log."""

    def startup(self, next_xid: int) -> None:
        """The xid counter is set; before any replay."""

    def trim(self, next_xid: int) -> None:
        """Replay is over: nothing is known of xids from here on."""


class StartupSequence:
    """Start-up, as the startup process does it.

    `request_checkpoint` asks the checkpointer and waits; a process that runs alone makes the
    checkpoint itself.
    """

    def __init__(
        self,
        host: Host,
        log: Log,
        config: Config,
        *,
        control: Control,
        wal: Wal,
        clog: StartsClog,
        services: RedoServices,
        table: Mapping[int, Redo],
        request_checkpoint: Callable[[CheckpointFlags], object],
        check_interrupts: Callable[[], None] = lambda: None,
    ) -> None:
        self._host = host
        self._log = log
        self._config = config
        self._control = control
        self._wal = wal
        self._clog = clog
        self._services = services
        self._table = table
        self._request_checkpoint = request_checkpoint
        self._check_interrupts = check_interrupts
        self._source = WalSource(host, wal.segments)

    def run(self) -> RedoResult:
        """All of it; what was replayed. An ERROR on the way is FATAL: it ends start-up."""
        try:
            return self._run()
        except SqlError as error:
            raise FatalError(
                error.sqlstate,
                error.message,
                detail=error.detail,
                hint=error.hint,
                context=error.context,
            ) from error

    def _run(self) -> RedoResult:
        control = self._control.read()
        log_state(self._log, control)
        self._prepare_directories(control)
        reader = WalReader(
            self._source.page,
            control.wal_segment_size,
            control.system_identifier,
            control.checkpoint.timeline,
        )
        start = find_start_point(self._log, control, reader, self._source)
        self._take_over(start)
        result = RedoResult(last_record_lsn=start.record.lsn, end_lsn=start.record.end_lsn)
        if start.must_recover:
            result = self._recover(start, reader, result)
        self._open_wal(start, reader, result)
        return result

    def _prepare_directories(self, control: ControlFile) -> None:
        try:
            status = self._host.stat(WAL_DIRECTORY)
        except OSError as error:
            raise file_error(error, f'could not stat directory "{WAL_DIRECTORY}"') from error
        if status is None or not status.is_directory:
            raise FatalError(
                SqlState.UNDEFINED_FILE,
                f'required WAL directory "{WAL_DIRECTORY}" does not exist',
            )
        if was_shut_down(control):
            return
        self._wal.segments.remove_temporary()
        if self._config.fsync:
            sync_data_directory(self._host, skip=(str(self._config.log_directory),))

    def _take_over(self, start: StartPoint) -> None:
        """Step 3: counters as the checkpoint has them."""
        checkpoint = start.checkpoint
        self._services.timeline = checkpoint.timeline
        self._services.xids.initialize(
            checkpoint.next_full_xid,
            checkpoint.next_oid,
            checkpoint.oldest_xid,
            checkpoint.oldest_xid_database,
        )
        self._wal.set_redo_lsn(checkpoint.redo)
        self._wal.set_full_page_writes(checkpoint.full_page_writes)
        self._clog.startup(checkpoint.next_full_xid & 0xFFFFFFFF)

    def _recover(self, start: StartPoint, reader: WalReader, nothing: RedoResult) -> RedoResult:
        """Step 4."""
        # The redo point stays what it was: a crash from here on starts over (REDO-6).
        with self._control.change() as control:
            control.state = ClusterState.IN_CRASH_RECOVERY
            control.checkpoint_lsn = start.record.lsn
            control.checkpoint = start.checkpoint
        self._services.overwritten_record_lsn = lambda: reader.overwritten_record_lsn
        first = None
        if start.checkpoint.redo < start.record.lsn:
            reader.begin(start.checkpoint.redo)
            first = reader.read()
            if first is None:
                self._complain_of_redo_point(start, reader)
        else:
            first = reader.read()
        if first is None:
            if reader.end_of_wal:
                self._log.log(reader.end_of_wal)
            self._log.log("redo is not required")
            return nothing
        loop = RedoLoop(
            self._host, self._log, reader, self._table, self._services, self._check_interrupts
        )
        result = loop.run(first)
        if result.end_lsn < start.record.end_lsn:
            # REDO-5: the checkpoint record was on disk, and so was all WAL before it.
            raise FatalError(
                SqlState.DATA_CORRUPTED,
                "WAL ends before consistent recovery point",
                detail=f"Replay ended at {format_lsn(result.end_lsn)}, but the checkpoint record "
                f"is at {format_lsn(start.record.lsn)}.",
            )
        self._services.pages.check_invalid_pages()
        return result

    def _open_wal(self, start: StartPoint, reader: WalReader, result: RedoResult) -> None:
        """Steps 5 to 7."""
        wal, aborted, end = self._wal, 0, result.end_lsn
        if start.must_recover and reader.aborted_record_lsn:
            # The next record goes behind the page on which the cut one should have gone on.
            aborted, end = reader.aborted_record_lsn, reader.missing_contrecord_lsn
        wal.start_at(
            end,
            result.last_record_lsn,
            self._last_page(end),
            overwritten_page=end if aborted else 0,
        )
        self._source.close()
        wal.segments.preallocate(end, SegmentCounts())
        next_xid = self._services.xids.next_full_xid & 0xFFFFFFFF
        self._services.xids.finish_recovery()
        self._clog.trim(next_xid)
        before = wal.allow_insert(True)
        if aborted:
            log_overwrite(self._host, wal, aborted, end)
        update_full_page_writes(wal, self._config)
        if start.must_recover:
            self._request_checkpoint(END_OF_RECOVERY_FLAGS)
        report_parameters(wal, self._control, self._config)
        wal.allow_insert(before)
        with self._control.change() as control:
            control.state = ClusterState.IN_PRODUCTION
        # Not before: WAL behind a checkpoint of a cluster that says it was shut down is ignored.
        wal.open_to_all()
        self._host.point(Point.RECOVERY_ENDED, end)

    def _last_page(self, end: int) -> bytes:
        """The bytes before `end` on its page: the rest is taken to be zero (WAL-8)."""
        inside = end % WAL_BLOCK_SIZE
        if not inside:
            return b""
        page = self._source.page(end - inside)
        if page is None:
            raise FatalError(
                SqlState.DATA_CORRUPTED, f"could not read the last WAL page at {format_lsn(end)}"
            )
        return page[:inside]

    def _complain_of_redo_point(self, start: StartPoint, reader: WalReader) -> None:
        if self._source.missing_file:
            path = self._source.missing_file
            self._log.log(f'could not open file "{path}": No such file or directory')
        elif reader.end_of_wal:
            self._log.log(reader.end_of_wal)
        raise FatalError(
            SqlState.DATA_CORRUPTED,
            f"could not find redo location {format_lsn(start.checkpoint.redo)} referenced by "
            f"checkpoint record at {format_lsn(start.record.lsn)}",
        )
