"""The WAL writer.

Job: write and flush WAL behind asynchronous commits, at the latest every wal_writer_delay.
Started by: the postmaster, when recovery has ended; again whenever it is gone.
Ends on: TERM, with status 0.
If it dies: it may have held WAL locks, so the postmaster restarts everything (PM-2).
"""

from __future__ import annotations

from engine.errors import SqlError
from engine.instance import Instance

_PAUSE_AFTER_ERROR_MS = 1000


def main(instance: Instance) -> None:
    """One background flush every wal_writer_delay, or when woken."""
    while True:
        instance.interrupts.poll()
        if instance.interrupts.shutdown_requested:
            return
        instance.reload_if_asked()
        try:
            instance.wal.background_flush()
            delay = float(instance.config.wal_writer_delay)
        except SqlError as error:
            instance.recover_from_error(error)
            delay = _PAUSE_AFTER_ERROR_MS
        instance.host.wait(delay)
