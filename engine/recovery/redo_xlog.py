"""Replay of the log's own records: counters, page images, settings.

Source: PostgreSQL 15, `xlog_redo`, xlog.c; `xlogrecovery_redo`, xlogrecovery.c.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from engine.errors import FatalError, PanicError, SqlState
from engine.recovery.control_file import CheckPoint
from engine.recovery.end_of_recovery import OVERWRITE, PARAMETERS, apply_parameters
from engine.recovery.redo_services import RedoServices
from engine.recovery.redo_table import Redo, not_replayable
from engine.recovery.times import log_time
from engine.storage.redo_context import RESTORED, RedoContext
from engine.transaction.xids import NEXT_FULL_XID
from engine.types import format_lsn
from engine.wal.record import WalRecord

CHECKPOINT_SHUTDOWN: Final = 0x00
CHECKPOINT_ONLINE: Final = 0x10
NOOP: Final = 0x20
NEXTOID: Final = 0x30
SWITCH: Final = 0x40
PARAMETER_CHANGE: Final = 0x60
RESTORE_POINT: Final = 0x70
FPW_CHANGE: Final = 0x80
END_OF_RECOVERY: Final = 0x90
FPI_FOR_HINT: Final = 0xA0
FPI: Final = 0xB0
OVERWRITE_CONTRECORD: Final = 0xD0

_NOTHING_TO_DO: Final = (NOOP, SWITCH, RESTORE_POINT, FPW_CHANGE, END_OF_RECOVERY)
_U32: Final = Struct("<I")


def xlog_redo(services: RedoServices) -> Redo:
    """The redo function of resource manager XLOG."""

    def redo(record: WalRecord, context: RedoContext) -> None:
        opcode = record.info & 0xF0
        if opcode in (FPI_FOR_HINT, FPI):
            _restore_images(record, context, must_have_image=opcode == FPI)
        elif opcode == CHECKPOINT_ONLINE:
            _take_counters(services, CheckPoint.unpack(record.main), is_shutdown=False)
        elif opcode == CHECKPOINT_SHUTDOWN:
            _take_counters(services, CheckPoint.unpack(record.main), is_shutdown=True)
        elif opcode == NEXTOID:
            services.xids.replay_next_oid(_U32.unpack_from(record.main)[0])
        elif opcode == PARAMETER_CHANGE:
            with services.control.change() as control:
                apply_parameters(control, PARAMETERS.unpack_from(record.main))
        elif opcode == OVERWRITE_CONTRECORD:
            _verify_overwrite(services, record)
        elif opcode not in _NOTHING_TO_DO:
            raise not_replayable(record)

    return redo


def _take_counters(services: RedoServices, checkpoint: CheckPoint, *, is_shutdown: bool) -> None:
    """Next xid and oid only ever move up, but after a shutdown, when nobody could use more."""
    if checkpoint.timeline != services.timeline:
        kind = "shutdown" if is_shutdown else "online"
        raise PanicError(
            SqlState.INTERNAL_ERROR,
            f"unexpected timeline ID {checkpoint.timeline} (should be {services.timeline}) "
            f"in {kind} checkpoint record",
        )
    words = services.xids.words
    if is_shutdown:
        words[NEXT_FULL_XID] = checkpoint.next_full_xid
        services.xids.replay_next_oid(checkpoint.next_oid)
    elif words[NEXT_FULL_XID] < checkpoint.next_full_xid:
        words[NEXT_FULL_XID] = checkpoint.next_full_xid


def _verify_overwrite(services: RedoServices, record: WalRecord) -> None:
    """The reader passed over a cut record; this one must speak of the same."""
    overwritten, time_us = OVERWRITE.unpack_from(record.main)
    passed_over = services.overwritten_record_lsn()
    if overwritten != passed_over:
        raise FatalError(
            SqlState.INTERNAL_ERROR,
            f"mismatching overwritten LSN {format_lsn(overwritten)} -> {format_lsn(passed_over)}",
        )
    services.log.log(
        f"successfully skipped missing contrecord at {format_lsn(overwritten)}, "
        f"overwritten at {log_time(time_us)}"
    )


def _restore_images(record: WalRecord, context: RedoContext, *, must_have_image: bool) -> None:
    for number, block in enumerate(record.blocks):
        if block.image is None:
            if must_have_image:
                raise FatalError(
                    SqlState.INTERNAL_ERROR, "XLOG_FPI record did not contain a full-page image"
                )
            continue
        action, buffer = context.read_for_redo(record, number)
        if action != RESTORED:
            raise FatalError(
                SqlState.INTERNAL_ERROR,
                "unexpected XLogReadBufferForRedo result when restoring backup block "
                f"at {format_lsn(record.lsn)}",
            )
        context.unchanged(buffer)
