"""The simple query protocol: one message, any number of statements, one answer.

Several statements in one message are one transaction, an *implicit block*, unless they contain
BEGIN or COMMIT themselves.

Source: PostgreSQL 15, `tcop/postgres.c` (exec_simple_query).
"""

from __future__ import annotations

from typing import Any

from engine.backend.context import SessionContext
from engine.backend.portals import Portal
from engine.protocol.backend import EMPTY_QUERY_RESPONSE, command_complete


class SimpleQuery:
    """Executes Query messages of one session."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context

    def run(self, text: str) -> None:
        """Execute the statements and append the answer up to, not including, ReadyForQuery."""
        context = self._context
        bracket = context.bracket
        context.activity.running(text)
        bracket.start()
        context.statements.close("")
        statements = context.sql.parse(text)
        if not statements:
            context.client.out += EMPTY_QUERY_RESPONSE
        last = len(statements) - 1
        for number, raw in enumerate(statements):
            self._run_statement(raw, is_single=last == 0, is_last=number == last)
        bracket.finish()

    def _run_statement(self, raw: Any, *, is_single: bool, is_last: bool) -> None:
        context = self._context
        bracket, transactions, client = context.bracket, context.transactions, context.client
        bracket.check_not_failed(raw)
        bracket.start()
        if not is_single:
            transactions.begin_implicit_block()
        context.interrupts.check()
        context.activity.executing(raw.kind, raw.body.get("kind", ""))
        portal = Portal("", raw, context.sql.analyze(raw, None))
        context.portals.close("")
        bracket.before_execution(raw)
        context.portals.store(portal)
        description = portal.row_description()
        if description is not None:
            client.out += description
        count = portal.send_rows(context.sql, None, client.out, client.flush_if_large)
        context.portals.close("")
        if is_last:
            if not is_single:
                transactions.end_implicit_block()
            bracket.finish()
        elif raw.kind == "TransactionStmt":
            bracket.finish()
        else:
            bracket.next_command()
        # Only now: a commit that fails must not be reported as complete.
        client.out += command_complete(portal.completion_tag(count))
