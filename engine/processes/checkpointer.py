"""The checkpointer.

Job: make checkpoints, when asked and when checkpoint_timeout has passed; fsync for everybody; the
last checkpoint at shutdown, and the one that ends recovery. Started by: the postmaster, before the
startup process; again whenever it is gone. Ends on: USR2, with a shutdown checkpoint and status 0.
TERM does not end it: it outlives all others. If it dies: sync requests may be lost with it, so the
postmaster restarts everything (PM-2) and replay writes those pages again.
"""

from __future__ import annotations

from engine.errors import FatalError, SqlError
from engine.host.api import Signal
from engine.instance import Instance
from engine.recovery.checkpoint import Checkpoints
from engine.recovery.checkpoint_schedule import CheckpointSchedule

_PAUSE_AFTER_ERROR_MS = 1000


def main(instance: Instance) -> None:
    """Rounds of the schedule until told to shut down."""
    checkpoints = Checkpoints(
        instance.host,
        instance.log,
        instance.config,
        wal=instance.wal,
        control=instance.control,
        buffers=instance.buffers,
        clog=instance.clog,
        sync=instance.sync,
        xids=instance.xids,
        proc_array=instance.proc_array,
        procs=instance.procs,
        requests=instance.checkpoint_requests,
        is_shutting_down=lambda: _is_told_to_shut_down(instance),
    )
    schedule = CheckpointSchedule(
        instance.host,
        instance.log,
        instance.config,
        checkpoints=checkpoints,
        requests=instance.checkpoint_requests,
        sync=instance.sync,
        wal=instance.wal,
        close_files=instance.smgr.close_all,
    )
    instance.on_reload.append(schedule.replace_config)
    while not _is_told_to_shut_down(instance):
        instance.reload_if_asked()
        try:
            delay = schedule.round()
        except SqlError as error:
            instance.recover_from_error(error)
            delay = _PAUSE_AFTER_ERROR_MS
        if not _is_told_to_shut_down(instance):
            instance.host.wait(delay)
    try:
        schedule.shut_down()
    except SqlError as error:
        # Nobody is left who could wait for another attempt: the next start will recover.
        raise FatalError(
            error.sqlstate, error.message, detail=error.detail, hint=error.hint
        ) from error


def _is_told_to_shut_down(instance: Instance) -> bool:
    instance.interrupts.poll()
    return Signal.USR2 in instance.interrupts.user_signals
