"""XLOG records as text.

Source: PostgreSQL 15, `catalog/pg_control.h`, `access/xlog_internal.h`, `rmgrdesc/xlogdesc.c`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from engine.recovery.control_file import CheckPoint
from engine.types import format_lsn
from engine.wal.describe import format_timestamp
from engine.wal.record import WalRecord

CHECKPOINT_SHUTDOWN: Final = 0x00
CHECKPOINT_ONLINE: Final = 0x10
NOOP: Final = 0x20
NEXTOID: Final = 0x30
SWITCH: Final = 0x40
BACKUP_END: Final = 0x50
PARAMETER_CHANGE: Final = 0x60
RESTORE_POINT: Final = 0x70
FPW_CHANGE: Final = 0x80
END_OF_RECOVERY: Final = 0x90
FPI_FOR_HINT: Final = 0xA0
FPI: Final = 0xB0
OVERWRITE_CONTRECORD: Final = 0xD0

NEXTOID_BODY: Final = Struct("<I")
PARAMETER_CHANGE_BODY: Final = Struct("<6i??2x")
RESTORE_POINT_BODY: Final = Struct("<q64s")
END_OF_RECOVERY_BODY: Final = Struct("<qII")
OVERWRITE_CONTRECORD_BODY: Final = Struct("<Qq")

_NAMES: Final = {
    CHECKPOINT_SHUTDOWN: "CHECKPOINT_SHUTDOWN",
    CHECKPOINT_ONLINE: "CHECKPOINT_ONLINE",
    NOOP: "NOOP",
    NEXTOID: "NEXTOID",
    SWITCH: "SWITCH",
    BACKUP_END: "BACKUP_END",
    PARAMETER_CHANGE: "PARAMETER_CHANGE",
    RESTORE_POINT: "RESTORE_POINT",
    FPW_CHANGE: "FPW_CHANGE",
    END_OF_RECOVERY: "END_OF_RECOVERY",
    FPI_FOR_HINT: "FPI_FOR_HINT",
    FPI: "FPI",
    OVERWRITE_CONTRECORD: "OVERWRITE_CONTRECORD",
}
WAL_LEVELS: Final = ("minimal", "replica", "logical")
_LSN: Final = Struct("<Q")


def identify(info: int) -> str | None:
    return _NAMES.get(info & 0xF0)


def describe(record: WalRecord) -> str:
    main = record.main
    opcode = record.opcode
    if opcode in (CHECKPOINT_SHUTDOWN, CHECKPOINT_ONLINE):
        return _describe_checkpoint(CheckPoint.unpack(main), opcode == CHECKPOINT_SHUTDOWN)
    if opcode == NEXTOID:
        return f"{NEXTOID_BODY.unpack_from(main)[0]}"
    if opcode == RESTORE_POINT:
        name = RESTORE_POINT_BODY.unpack_from(main)[1]
        return bytes(name).split(b"\x00")[0].decode(errors="replace")
    if opcode == BACKUP_END:
        return format_lsn(_LSN.unpack_from(main)[0])
    if opcode == PARAMETER_CHANGE:
        return _describe_parameters(main)
    if opcode == FPW_CHANGE:
        return "true" if main[0] else "false"
    if opcode == END_OF_RECOVERY:
        ended, timeline, previous = END_OF_RECOVERY_BODY.unpack_from(main)
        return f"tli {timeline}; prev tli {previous}; time {format_timestamp(ended)}"
    if opcode == OVERWRITE_CONTRECORD:
        lsn, when = OVERWRITE_CONTRECORD_BODY.unpack_from(main)
        return f"lsn {format_lsn(lsn)}; time {format_timestamp(when)}"
    return ""


def _describe_checkpoint(checkpoint: CheckPoint, shutdown: bool) -> str:
    epoch, xid = checkpoint.next_full_xid >> 32, checkpoint.next_full_xid & 0xFFFFFFFF
    return (
        f"redo {format_lsn(checkpoint.redo)}; tli {checkpoint.timeline}; "
        f"prev tli {checkpoint.previous_timeline}; "
        f"fpw {'true' if checkpoint.full_page_writes else 'false'}; xid {epoch}:{xid}; "
        f"oid {checkpoint.next_oid}; multi {checkpoint.next_multi}; "
        f"offset {checkpoint.next_multi_offset}; "
        f"oldest xid {checkpoint.oldest_xid} in DB {checkpoint.oldest_xid_database}; "
        f"oldest multi {checkpoint.oldest_multi} in DB {checkpoint.oldest_multi_database}; "
        f"oldest/newest commit timestamp xid: {checkpoint.oldest_commit_ts_xid}/"
        f"{checkpoint.newest_commit_ts_xid}; "
        f"oldest running xid {checkpoint.oldest_active_xid}; "
        f"{'shutdown' if shutdown else 'online'}"
    )


def _describe_parameters(main: bytes) -> str:
    connections, workers, senders, prepared, locks, level, hints, timestamps = (
        PARAMETER_CHANGE_BODY.unpack_from(main)
    )
    level_name = WAL_LEVELS[level] if 0 <= level < len(WAL_LEVELS) else "?"
    return (
        f"max_connections={connections} max_worker_processes={workers} "
        f"max_wal_senders={senders} max_prepared_xacts={prepared} "
        f"max_locks_per_xact={locks} wal_level={level_name} "
        f"wal_log_hints={'on' if hints else 'off'} "
        f"track_commit_timestamp={'on' if timestamps else 'off'}"
    )
