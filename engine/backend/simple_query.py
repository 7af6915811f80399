"""The simple query protocol: one message, any number of statements, one answer.

Source: PostgreSQL 15, `tcop/postgres.c` (exec_simple_query).
"""

from __future__ import annotations

from typing import Any

from engine.backend.context import SessionContext
from engine.backend.portals import Portal
from engine.backend.statement_sequence import StatementSequence
from engine.protocol.backend import EMPTY_QUERY_RESPONSE, command_complete


class SimpleQuery:
    """Executes Query messages of one session."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._sequence = StatementSequence(
            context.sql,
            context.bracket,
            context.transactions,
            context.statements,
            context.portals,
            context.interrupts,
        )

    def run(self, text: str) -> None:
        """Execute the statements and append the answer up to, not including, ReadyForQuery."""
        self._context.activity.running(text)
        if not self._sequence.run(text, self):
            self._context.client.out += EMPTY_QUERY_RESPONSE

    # what the sequence calls ----------------------------------------------------------------------

    def starting(self, raw: Any) -> None:
        """Show others what is under way."""
        self._context.activity.executing(raw.kind, raw.body.get("kind", ""))

    def execute(self, portal: Portal) -> int:
        """Send the rows, what they look like first."""
        context = self._context
        client = context.client
        description = portal.row_description()
        if description is not None:
            client.out += description
        return portal.send_rows(context.sql, None, client.out, client.flush_if_large)

    def completed(self, portal: Portal, count: int) -> None:
        """SESSION-4."""
        self._context.client.out += command_complete(portal.completion_tag(count))
