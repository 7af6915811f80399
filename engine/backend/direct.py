"""A session without a client: statements in, rows as text out, by way of no protocol.

The steps are those of the simple query protocol (`statement_sequence.py` has them for both), and a
value reads as psql would print it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.backend.abc import SessionServices, SqlEngine
from engine.backend.command_bracket import CommandBracket
from engine.backend.error_response import stack_depth_exceeded
from engine.backend.portals import Portal, Portals
from engine.backend.prepared_statements import PreparedStatements
from engine.backend.session_statements import SessionSql
from engine.backend.statement_sequence import StatementSequence
from engine.errors import SqlError
from engine.host.api import Host
from engine.shmem.interrupts import Interrupts
from engine.shmem.log import Log
from engine.sql.types import output_function

Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one statement returned: its command tag, the names of its columns, and its rows."""

    tag: str
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()


class DirectSession:
    """The session of a process that runs alone."""

    def __init__(
        self,
        host: Host,
        services: SessionServices,
        engine: SqlEngine,
        interrupts: Interrupts,
        log: Log,
    ) -> None:
        self._log = log
        self._transactions = services.transactions
        statements, self._portals = PreparedStatements(), Portals()
        settings = services.settings
        self._sql = SessionSql(engine, self._transactions, settings, statements, self._portals)
        self._bracket = CommandBracket(
            host, self._transactions, settings, interrupts, statements, self._portals
        )
        self._sequence = StatementSequence(
            self._sql, self._bracket, self._transactions, statements, self._portals, interrupts
        )
        self._transactions.at_end.append(
            lambda committed: settings.at_transaction_end(committed=committed)
        )

    def execute(self, text: str) -> list[Answer]:
        """The answers to the statements of a text; SqlError after the first that fails."""
        received = _Answers(self._sql)
        try:
            self._sequence.run(text, received)
        except SqlError as error:
            self._fail(error, text)
            raise
        except RecursionError:
            too_deep = stack_depth_exceeded()
            self._fail(too_deep, text)
            raise too_deep from None
        return received.answers

    def end(self) -> None:
        """Roll back what is open."""
        self._portals.close_all()
        self._transactions.abort_out_of_any()

    def _fail(self, error: SqlError, text: str) -> None:
        self._bracket.fail()
        self._log.error(error, text)


class _Answers:
    """Collects what the statements of one text return."""

    def __init__(self, sql: SessionSql) -> None:
        self._sql = sql
        self._rows: tuple[Row, ...] = ()
        self.answers: list[Answer] = []

    def starting(self, raw: Any) -> None:
        """Nobody looks on."""

    def execute(self, portal: Portal) -> int:
        """Take the rows. Some values are made of what the transaction still holds: text before its
        end.
        """
        self._rows = _as_text(portal, portal.fetch(self._sql, None))
        return len(self._rows)

    def completed(self, portal: Portal, count: int) -> None:
        """Its answer is complete."""
        tag = portal.completion_tag(count)
        self.answers.append(Answer(tag, _column_names(portal), self._rows))


def _column_names(portal: Portal) -> tuple[str, ...]:
    if portal.analyzed is None or not portal.returns_rows:
        return ()
    return tuple(column.name for column in portal.analyzed.columns)


def _as_text(portal: Portal, rows: Sequence[Sequence[Any]]) -> tuple[Row, ...]:
    if portal.analyzed is None or not portal.returns_rows:
        return ()
    outputs = [output_function(column.type_oid, False) for column in portal.analyzed.columns]
    return tuple(
        tuple(
            None if value is None else output(value).decode()
            for value, output in zip(row, outputs, strict=True)
        )
        for row in rows
    )
