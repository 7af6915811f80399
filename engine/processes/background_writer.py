"""The background writer.

Job: write dirty buffers that the clock hand will soon reach, so that backends find clean victims.
Started by: the postmaster, with the startup process; again whenever it is gone.
Ends on: TERM, with status 0.
If it dies: it held locks and pins perhaps, so the postmaster restarts everything (PM-2).
"""

from __future__ import annotations

from engine.errors import SqlError
from engine.instance import Instance

_PAUSE_AFTER_ERROR_MS = 1000


def main(instance: Instance) -> None:
    """One round every bgwriter_delay."""
    cycle = instance.shared.sync.cycle
    while True:
        instance.interrupts.poll()
        if instance.interrupts.shutdown_requested:
            return
        instance.reload_if_asked()
        try:
            instance.buffers.background_sweep()
            if instance.shared.sync.cycle != cycle:
                # Dropped files keep their space on the disk for as long as somebody has them open.
                cycle = instance.shared.sync.cycle
                instance.smgr.close_all()
            delay = float(instance.config.bgwriter_delay)
        except SqlError as error:
            instance.recover_from_error(error)
            delay = _PAUSE_AFTER_ERROR_MS
        instance.host.wait(delay)
