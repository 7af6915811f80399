"""The startup process.

Job: bring the cluster from what the last server left on disk to a state that clients may use.
Started by: the postmaster, at its start and after each crash.
Ends on: the end of recovery, with status 0; TERM, with status 1.
If it dies: the postmaster gives up, since another one would meet the same WAL. The next start
replays again, from the same redo point, and gets the same bytes.
"""

from __future__ import annotations

from engine.errors import ProcessExit
from engine.instance import Instance
from engine.recovery.redo_functions import redo_functions
from engine.recovery.redo_services import RedoServices
from engine.recovery.startup import StartupSequence
from engine.storage.redo_context import RedoContext

_TERMINATED_STATUS = 1


def main(instance: Instance) -> None:
    """All of start-up, once."""
    services = RedoServices(
        host=instance.host,
        log=instance.log,
        control=instance.control,
        clog=instance.clog,
        xids=instance.shared.xids,
        buffers=instance.buffers,
        smgr=instance.smgr,
        pages=RedoContext(instance.buffers, instance.smgr, instance.log),
    )

    def leave_if_terminated() -> None:
        instance.interrupts.poll()
        if instance.interrupts.shutdown_requested:
            raise ProcessExit(_TERMINATED_STATUS)

    StartupSequence(
        instance.host,
        instance.log,
        instance.config,
        control=instance.control,
        wal=instance.wal,
        clog=instance.clog,
        services=services,
        table=redo_functions(services),
        request_checkpoint=instance.checkpoint_requests.request,
        check_interrupts=leave_if_terminated,
    ).run()
