"""What the parts of one session share."""

from __future__ import annotations

from dataclasses import dataclass

from engine.backend.abc import Settings, Transactions
from engine.backend.activity import Activity
from engine.backend.client import Client
from engine.backend.command_bracket import CommandBracket
from engine.backend.portals import Portals
from engine.backend.prepared_statements import PreparedStatements
from engine.backend.session_statements import SessionSql
from engine.host.api import Host
from engine.shmem.interrupts import Interrupts
from engine.shmem.log import Log


@dataclass(frozen=True)
class SessionContext:
    """One session's parts."""

    host: Host
    client: Client
    sql: SessionSql
    transactions: Transactions
    settings: Settings
    interrupts: Interrupts
    activity: Activity
    statements: PreparedStatements
    portals: Portals
    bracket: CommandBracket
    log: Log
