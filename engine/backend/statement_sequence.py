"""The statements of one text, one after the other: what comes before each, and how it ends.

Several statements in one text are one transaction, an *implicit block*, unless they contain BEGIN
or COMMIT themselves. What becomes of the rows is for a `Receiver` to say: a client's answer, a
list.

Source: PostgreSQL 15, `tcop/postgres.c` (exec_simple_query).
"""

from __future__ import annotations

from typing import Any, Protocol

from engine.backend.abc import Transactions
from engine.backend.command_bracket import CommandBracket
from engine.backend.portals import Portal, Portals
from engine.backend.prepared_statements import PreparedStatements
from engine.backend.session_statements import SessionSql
from engine.shmem.interrupts import Interrupts


class Receiver(Protocol):
    """Takes what the statements give."""

    def starting(self, raw: Any) -> None:
        """A statement is about to be analysed and executed."""

    def execute(self, portal: Portal) -> int:
        """Fetch all its rows, while its transaction lasts; their number."""

    def completed(self, portal: Portal, count: int) -> None:
        """It has ended, and with it its transaction, if it was to end here (SESSION-4)."""


class StatementSequence:
    """Executes texts for one session."""

    def __init__(
        self,
        sql: SessionSql,
        bracket: CommandBracket,
        transactions: Transactions,
        statements: PreparedStatements,
        portals: Portals,
        interrupts: Interrupts,
    ) -> None:
        self._sql = sql
        self._bracket = bracket
        self._transactions = transactions
        self._statements = statements
        self._portals = portals
        self._interrupts = interrupts

    def run(self, text: str, receiver: Receiver) -> int:
        """Execute the statements of a text; how many there were."""
        bracket = self._bracket
        bracket.start()
        self._statements.close("")
        statements = self._sql.parse(text)
        last = len(statements) - 1
        for number, raw in enumerate(statements):
            self._run_statement(raw, receiver, is_single=last == 0, is_last=number == last)
        bracket.finish()
        return len(statements)

    def _run_statement(
        self, raw: Any, receiver: Receiver, *, is_single: bool, is_last: bool
    ) -> None:
        bracket, transactions, portals = self._bracket, self._transactions, self._portals
        bracket.check_not_failed(raw)
        bracket.start()
        if not is_single:
            transactions.begin_implicit_block()
        self._interrupts.check()
        receiver.starting(raw)
        portal = Portal("", raw, self._sql.analyze(raw, None))
        portals.close("")
        bracket.before_execution(raw)
        portals.store(portal)
        count = receiver.execute(portal)
        portals.close("")
        if is_last:
            if not is_single:
                transactions.end_implicit_block()
            bracket.finish()
        elif raw.kind == "TransactionStmt":
            bracket.finish()
        else:
            bracket.next_command()
        # Only now: a commit that fails must not be reported as complete.
        receiver.completed(portal, count)
