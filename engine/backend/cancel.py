"""Cancel requests: a connection that only says whose query shall end.

CANCEL-1  Only who knows a backend's 32-bit key can cancel it, and a request is never answered.

Source: PostgreSQL 15, `postmaster.c` (processCancelRequest).
"""

from __future__ import annotations

from engine.host.api import Host, Signal
from engine.protocol.startup import CancelRequest
from engine.shmem.log import Log
from engine.shmem.procs import BackendType, ProcTable


def process_cancel(host: Host, procs: ProcTable, log: Log, request: CancelRequest) -> None:
    """Send the backend SIGINT if the key is right."""
    slot = procs.slot_of(request.pid)
    if slot is None or procs.backend_type[slot] != BackendType.CLIENT_BACKEND:
        log.log(f"PID {request.pid} in cancel request did not match any process")
        return
    if procs.cancel_key[slot] != request.key or not request.key:
        log.log(f"wrong key in cancel request for process {request.pid}")
        return
    host.signal(request.pid, Signal.INT)
