"""The bracket around commands: where a transaction command starts, ends, and fails.

Several protocol messages may share one transaction command: it starts with the first that needs it
and ends at Sync, at the end of a simple query, or at once after BEGIN, COMMIT and the like. Portals
end before their transaction does (PORTAL-1).

Source: PostgreSQL 15, `tcop/postgres.c` (start_xact_command, finish_xact_command).
"""

from __future__ import annotations

from typing import Any, Final

from engine.backend.abc import Settings, Transactions
from engine.backend.error_response import failed_transaction
from engine.backend.portals import Portals
from engine.backend.prepared_statements import PreparedStatements
from engine.host.api import Host
from engine.shmem.interrupts import Interrupts

_EXITS: Final = (
    "TRANS_STMT_COMMIT",
    "TRANS_STMT_ROLLBACK",
    "TRANS_STMT_ROLLBACK_TO",
    "TRANS_STMT_PREPARE",
)
_ENDS: Final = ("TRANS_STMT_COMMIT", "TRANS_STMT_ROLLBACK")


class CommandBracket:
    """Whether a transaction command is under way, and its statement time-out."""

    def __init__(
        self,
        host: Host,
        transactions: Transactions,
        settings: Settings,
        interrupts: Interrupts,
        statements: PreparedStatements,
        portals: Portals,
    ) -> None:
        self._host = host
        self._transactions = transactions
        self._settings = settings
        self._interrupts = interrupts
        self._statements = statements
        self._portals = portals
        self._is_started = False

    def start(self) -> None:
        """Start the transaction command unless it is under way."""
        if not self._is_started:
            self._transactions.start_command()
            self._is_started = True
        if self._interrupts.deadline_us is None:
            timeout_ms = self._settings.get("statement_timeout")
            if timeout_ms:
                self._interrupts.deadline_us = self._host.monotonic_us() + timeout_ms * 1000

    def finish(self) -> None:
        """End the transaction command: outside a block this commits."""
        self._interrupts.deadline_us = None
        if self._is_started:
            if not self._transactions.in_block():
                self._portals.close_all()
            self._transactions.commit_command()
            self._is_started = False

    def next_command(self) -> None:
        """One statement of several is done; the next sees its effects."""
        self._interrupts.deadline_us = None
        self._transactions.command_counter_increment()
        # Its snapshot is gone, so vacuum may go on with what only that one saw.
        self._transactions.set_active_snapshot(None)

    def fail(self) -> None:
        """The command failed: abort."""
        self._interrupts.deadline_us = None
        self._portals.close_all()
        self._transactions.abort_current()
        self._is_started = False

    def check_not_failed(self, raw: Any) -> None:
        """25P02 in a failed transaction, unless the statement ends it."""
        if self._transactions.is_aborted_block() and not is_transaction_exit(raw):
            raise failed_transaction()

    def before_execution(self, raw: Any) -> None:
        """COMMIT and ROLLBACK end the portals before the transaction ends."""
        if raw.kind == "TransactionStmt" and raw.body.get("kind") in _ENDS:
            self._portals.close_all()


def is_transaction_exit(raw: Any) -> bool:
    """Whether a failed transaction accepts the statement (`IsTransactionExitStmt`)."""
    return raw is not None and raw.kind == "TransactionStmt" and raw.body.get("kind") in _EXITS
