"""Where recovery begins: the checkpoint that pg_control names, and whether anything is to be
replayed after it.

Source: PostgreSQL 15, `InitWalRecovery`, `ReadCheckpointRecord`, xlogrecovery.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.errors import FatalError, PanicError, SqlState
from engine.recovery.control_file import CheckPoint, ClusterState, ControlFile
from engine.recovery.times import control_time
from engine.recovery.wal_source import WalSource
from engine.shmem.log import Log
from engine.types import FIRST_NORMAL_XID
from engine.wal.reader import WalReader
from engine.wal.record import WalRecord
from engine.wal.rmgr import Rmgr

CHECKPOINT_SHUTDOWN: Final = 0x00
CHECKPOINT_ONLINE: Final = 0x10

_INTERRUPTED_HINT: Final = (
    "This probably means that some data is corrupted and you will have to use the last backup "
    "for recovery."
)


@dataclass(frozen=True)
class StartPoint:
    """The checkpoint to start from. `record` is its record."""

    checkpoint: CheckPoint
    record: WalRecord
    must_recover: bool


def was_shut_down(control: ControlFile) -> bool:
    """Whether the cluster ended in order."""
    return control.state in (ClusterState.SHUT_DOWN, ClusterState.SHUT_DOWN_IN_RECOVERY)


def log_state(log: Log, control: ControlFile) -> None:
    """Say how the cluster ended last time; FATAL for a state that no server leaves."""
    moment = control_time(control.time)
    state = control.state
    if state == ClusterState.SHUT_DOWN:
        log.log(f"database system was shut down at {moment}")
    elif state == ClusterState.SHUT_DOWN_IN_RECOVERY:
        log.log(f"database system was shut down in recovery at {moment}")
    elif state == ClusterState.SHUTTING_DOWN:
        log.log(f"database system shutdown was interrupted; last known up at {moment}")
    elif state == ClusterState.IN_CRASH_RECOVERY:
        log.log(
            f"database system was interrupted while in recovery at {moment}",
            hint=_INTERRUPTED_HINT,
        )
    elif state == ClusterState.IN_PRODUCTION:
        log.log(f"database system was interrupted; last known up at {moment}")
    else:
        raise FatalError(
            SqlState.DATA_CORRUPTED, "control file contains invalid database cluster state"
        )


def find_start_point(
    log: Log, control: ControlFile, reader: WalReader, source: WalSource
) -> StartPoint:
    """Read and check the checkpoint record; PANIC when there is none."""
    record = _read_checkpoint_record(log, control, reader, source)
    if record is None:
        raise PanicError(SqlState.INTERNAL_ERROR, "could not locate a valid checkpoint record")
    checkpoint = CheckPoint.unpack(record.main)
    is_shutdown = record.opcode == CHECKPOINT_SHUTDOWN
    if checkpoint.next_full_xid & 0xFFFFFFFF < FIRST_NORMAL_XID:
        raise PanicError(SqlState.INTERNAL_ERROR, "invalid next transaction ID")
    if checkpoint.redo > record.lsn:
        raise PanicError(SqlState.INTERNAL_ERROR, "invalid redo in checkpoint record")
    if checkpoint.redo < record.lsn and is_shutdown:
        raise PanicError(SqlState.INTERNAL_ERROR, "invalid redo record in shutdown checkpoint")
    must_recover = checkpoint.redo < record.lsn or control.state != ClusterState.SHUT_DOWN
    if must_recover:
        log.log("database system was not properly shut down; automatic recovery in progress")
    return StartPoint(checkpoint, record, must_recover)


def _read_checkpoint_record(
    log: Log, control: ControlFile, reader: WalReader, source: WalSource
) -> WalRecord | None:
    if control.checkpoint_lsn < control.wal_segment_size:
        log.log("invalid primary checkpoint link in control file")
        return None
    reader.begin(control.checkpoint_lsn)
    record = reader.read()
    if record is None:
        if source.missing_file:
            log.log(f'could not open file "{source.missing_file}": No such file or directory')
        elif reader.end_of_wal:
            log.log(reader.end_of_wal)
        log.log("invalid primary checkpoint record")
        return None
    problem = ""
    if record.rmid != Rmgr.XLOG:
        problem = "invalid resource manager ID in primary checkpoint record"
    elif record.opcode not in (CHECKPOINT_SHUTDOWN, CHECKPOINT_ONLINE):
        problem = "invalid xl_info in primary checkpoint record"
    elif len(record.main) != CheckPoint.SIZE:
        problem = "invalid length of primary checkpoint record"
    if problem:
        log.log(problem)
        return None
    return record
