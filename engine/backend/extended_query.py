"""The extended query protocol: Parse, Bind, Describe, Execute, Close.

Source: PostgreSQL 15, `tcop/postgres.c` (exec_parse_message and its neighbours).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.backend.command_bracket import is_transaction_exit
from engine.backend.context import SessionContext
from engine.backend.error_response import failed_transaction
from engine.backend.portals import Portal, describe_columns, format_of
from engine.backend.prepared_statements import PreparedStatement
from engine.errors import SqlError, SqlState
from engine.protocol.backend import (
    BIND_COMPLETE,
    CLOSE_COMPLETE,
    EMPTY_QUERY_RESPONSE,
    NO_DATA,
    PARSE_COMPLETE,
    PORTAL_SUSPENDED,
    command_complete,
    parameter_description,
)
from engine.protocol.frontend import (
    Bind,
    parse_bind,
    parse_close,
    parse_describe,
    parse_execute,
    parse_parse,
)
from engine.sql.types import input_function


class ExtendedQuery:
    """Executes the extended-query messages of one session; each takes a message body."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context

    # Parse ----------------------------------------------------------------------------------------

    def parse(self, body: bytes) -> None:
        """`P`: make a prepared statement."""
        context = self._context
        message = parse_parse(body)
        context.activity.running(message.text)
        context.activity.executing("ParseStmt")
        context.bracket.start()
        statements = context.sql.parse(message.text)
        if len(statements) > 1:
            raise SqlError(
                SqlState.SYNTAX_ERROR,
                "cannot insert multiple commands into a prepared statement",
            )
        if message.statement:
            context.statements.check_new(message.statement)
        raw = statements[0] if statements else None
        analyzed = None
        if raw is not None:
            context.bracket.check_not_failed(raw)
            analyzed = context.sql.analyze(raw, message.parameter_types)
        context.statements.store(
            PreparedStatement(
                message.statement, message.text, raw, analyzed, message.parameter_types
            )
        )
        if context.transactions.is_active:
            context.transactions.command_counter_increment()
        context.client.out += PARSE_COMPLETE

    # Bind -----------------------------------------------------------------------------------------

    def bind(self, body: bytes) -> None:
        """`B`: make a portal of a prepared statement and its parameters."""
        context = self._context
        message = parse_bind(body)
        statement = context.statements.get(message.statement)
        context.activity.running(statement.text)
        context.bracket.start()
        self._check_failed(statement, message)
        self._refresh(statement)
        parameters = self._parameters(statement, message)
        portal = Portal(
            message.portal, statement.raw, statement.analyzed, parameters, message.result_formats
        )
        context.portals.store(portal)
        context.client.out += BIND_COMPLETE

    def _check_failed(self, statement: PreparedStatement, message: Bind) -> None:
        if self._context.transactions.is_aborted_block() and (
            statement.raw is None or not is_transaction_exit(statement.raw) or message.parameters
        ):
            raise failed_transaction()

    def _refresh(self, statement: PreparedStatement) -> None:
        """Analyze again what DDL has made stale; the result's shape must stay."""
        analyzed = statement.analyzed
        sql = self._context.sql
        raw = statement.raw
        if raw is None or analyzed is None or sql.is_current(analyzed):
            return
        again = sql.analyze(raw, statement.declared_types)
        if _shape(again) != _shape(analyzed) and raw.kind != "FetchStmt":
            raise SqlError(
                SqlState.FEATURE_NOT_SUPPORTED, "cached plan must not change result type"
            )
        statement.analyzed = again
        statement.input_formats = None

    def _parameters(self, statement: PreparedStatement, message: Bind) -> Sequence[Any]:
        types = statement.analyzed.parameter_types if statement.analyzed is not None else ()
        values = message.parameters
        if len(values) != len(types):
            raise SqlError(
                SqlState.PROTOCOL_VIOLATION,
                f"bind message supplies {len(values)} parameters, but prepared statement "
                f'"{statement.name}" requires {len(types)}',
            )
        if not values:
            return ()
        if statement.input_formats != message.parameter_formats:
            statement.input_functions = _input_functions(types, message.parameter_formats)
            statement.input_formats = message.parameter_formats
        try:
            return [
                None if value is None else read(value)
                for value, read in zip(values, statement.input_functions, strict=True)
            ]
        except SqlError as error:
            raise _located(error, statement, message) from None

    # Describe -------------------------------------------------------------------------------------

    def describe(self, body: bytes) -> None:
        """`D`: the shape of a statement or a portal."""
        context = self._context
        message = parse_describe(body)
        context.bracket.start()
        out = context.client.out
        description: bytes | None
        if message.kind == "S":
            statement = context.statements.get(message.name)
            self._refresh(statement)
            analyzed = statement.analyzed
            has_columns = analyzed is not None and bool(analyzed.columns)
            types = analyzed.parameter_types if analyzed is not None else ()
            self._check_describable(has_columns)
            out += parameter_description(types)
            description = describe_columns(analyzed) if analyzed and has_columns else None
        else:
            description = context.portals.get(message.name).row_description()
            self._check_describable(description is not None)
        out += description if description is not None else NO_DATA

    def _check_describable(self, has_columns: bool) -> None:
        """In a failed transaction the catalogs must not be asked what a result looks like."""
        if has_columns and self._context.transactions.is_aborted_block():
            raise failed_transaction()

    # Execute --------------------------------------------------------------------------------------

    def execute(self, body: bytes) -> None:
        """`E`: run a portal, to its end or up to the row limit."""
        context = self._context
        message = parse_execute(body)
        portal = context.portals.get(message.portal)
        client = context.client
        if portal.raw is None:
            client.out += EMPTY_QUERY_RESPONSE
            return
        raw = portal.raw
        context.activity.executing(raw.kind, raw.body.get("kind", ""))
        context.bracket.start()
        context.bracket.check_not_failed(raw)
        context.interrupts.check()
        context.bracket.before_execution(raw)
        limit = message.max_rows or None
        count = portal.send_rows(context.sql, limit, client.out, client.flush_if_large)
        if not portal.is_done:
            client.out += PORTAL_SUSPENDED
            return
        if raw.kind == "TransactionStmt":
            context.bracket.finish()
        else:
            context.bracket.next_command()
        client.out += command_complete(portal.completion_tag(count))

    # Close ----------------------------------------------------------------------------------------

    def close(self, body: bytes) -> None:
        """`C`: forget a statement or a portal; that there is none is no error."""
        message = parse_close(body)
        if message.kind == "S":
            self._context.statements.close(message.name)
        else:
            self._context.portals.close(message.name)
        self._context.client.out += CLOSE_COMPLETE


def _located(error: SqlError, statement: PreparedStatement, message: Bind) -> SqlError:
    """The error with the parameter that it is about: the first that still fails."""
    for number, value in enumerate(message.parameters, 1):
        try:
            if value is not None:
                statement.input_functions[number - 1](value)
        except SqlError:
            portal = f'portal "{message.portal}"' if message.portal else "unnamed portal"
            code = format_of(message.parameter_formats, number - 1)
            is_text = code == 0 and error.sqlstate != SqlState.CHARACTER_NOT_IN_REPERTOIRE
            shown = " = '...'" if is_text else ""
            error.context = f"{portal} parameter ${number}{shown}"
            if error.sqlstate == SqlState.INVALID_BINARY_REPRESENTATION:
                error.message = f"incorrect binary data format in bind parameter {number}"
            break
    return error


def _shape(analyzed: Any) -> list[tuple[str, int, int]]:
    return [(column.name, column.type_oid, column.typmod) for column in analyzed.columns]


def _input_functions(types: Sequence[int], formats: Sequence[int]) -> list[Callable[[bytes], Any]]:
    functions: list[Callable[[bytes], Any]] = []
    for position, type_oid in enumerate(types):
        code = format_of(formats, position)
        if code in (0, 1):
            functions.append(input_function(type_oid, code == 1))
        else:
            functions.append(_refuse_format(code))
    return functions


def _refuse_format(code: int) -> Callable[[bytes], Any]:
    def refuse(_: bytes) -> Any:
        raise SqlError(SqlState.INVALID_PARAMETER_VALUE, f"unsupported format code: {code}")

    return refuse
