"""The backend: one process for one client connection.

Job: authenticate the client, then serve its statements.
Started by: the postmaster, for each accepted connection.
Ends on: the client's Terminate or disappearance, TERM (57P01), or a FATAL error; status 0 or 1.
If it dies otherwise: it may have held locks and left pages half changed, so the postmaster restarts
everything (PM-2).
"""

from __future__ import annotations

from engine.backend.connection import refuse_connection, serve_connection
from engine.config import Config
from engine.errors import FatalError
from engine.host.api import Host, Peer
from engine.instance import Instance, Shared
from engine.processes import child
from engine.processes.backend_services import BackendServices
from engine.shmem.procs import BackendType


def serve(
    host: Host, shared: Shared, config: Config, slot: int, connection: int, peer: Peer
) -> None:
    """Be the backend in that slot; never returns."""
    host.set_title("postgres: client backend ")

    def main(instance: Instance) -> None:
        serve_connection(instance, BackendServices(instance), connection, peer)

    child.run_in_slot(host, shared, config, BackendType.CLIENT_BACKEND, slot, main)


def refuse(
    host: Host,
    shared: Shared | None,
    config: Config,
    connection: int,
    reason: FatalError | None,
) -> None:
    """Be a dead-end child: read what the client asks, say why it may not come in, and end.

    It serves cancel requests: when no slot is free, that is when one is needed.
    """
    host.set_title("postgres: dead-end client backend ")
    if reason is not None:
        procs = shared.procs if shared is not None else None
        refuse_connection(host, config, connection, reason, procs)
    host.exit(0)
