"""A session without a client: statements in, rows as text out, by way of no protocol.

The steps are those of the simple query protocol (`simple_query.py`): several statements of one text
are one transaction, and a value reads as psql would print it.
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
        self._interrupts = interrupts
        self._transactions = services.transactions
        statements, self._portals = PreparedStatements(), Portals()
        settings = services.settings
        self._sql = SessionSql(engine, self._transactions, settings, statements, self._portals)
        self._bracket = CommandBracket(
            host, self._transactions, settings, interrupts, statements, self._portals
        )
        self._transactions.at_end.append(
            lambda committed: settings.at_transaction_end(committed=committed)
        )

    def execute(self, text: str) -> list[Answer]:
        """The answers to the statements of a text; SqlError after the first that fails."""
        try:
            return self._execute(text)
        except SqlError as error:
            self._fail(error, text)
            raise
        except RecursionError:
            too_deep = stack_depth_exceeded()
            self._fail(too_deep, text)
            raise too_deep from None

    def end(self) -> None:
        """Roll back what is open."""
        self._portals.close_all()
        self._transactions.abort_out_of_any()

    def _fail(self, error: SqlError, text: str) -> None:
        self._bracket.fail()
        self._log.error(error, text)

    def _execute(self, text: str) -> list[Answer]:
        bracket = self._bracket
        bracket.start()
        statements = self._sql.parse(text)
        last = len(statements) - 1
        answers = [
            self._run(raw, is_single=last == 0, is_last=number == last)
            for number, raw in enumerate(statements)
        ]
        bracket.finish()
        return answers

    def _run(self, raw: Any, *, is_single: bool, is_last: bool) -> Answer:
        bracket, transactions, portals = self._bracket, self._transactions, self._portals
        bracket.check_not_failed(raw)
        bracket.start()
        if not is_single:
            transactions.begin_implicit_block()
        self._interrupts.check()
        portal = Portal("", raw, self._sql.analyze(raw, None))
        portals.close("")
        bracket.before_execution(raw)
        portals.store(portal)
        # Some values are made of what the transaction still holds: text before its end.
        rows = _as_text(portal, portal.fetch(self._sql, None))
        portals.close("")
        if is_last:
            if not is_single:
                transactions.end_implicit_block()
            bracket.finish()
        elif raw.kind == "TransactionStmt":
            bracket.finish()
        else:
            bracket.next_command()
        return Answer(portal.completion_tag(len(rows)), _column_names(portal), rows)


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
