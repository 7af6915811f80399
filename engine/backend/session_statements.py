"""The statements that act on the session itself: cursors, prepared statements, DISCARD.

They stand beside the SQL engine behind the same interface, so the message loops need not know which
of the two serves a statement.

Source: PostgreSQL 15, `commands/portalcmds.c`, `commands/prepare.c`, `commands/discard.c`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from engine.backend.abc import (
    AnalyzedStatement,
    Column,
    Execution,
    Settings,
    SqlEngine,
    Transactions,
)
from engine.backend.portals import Portal, Portals
from engine.backend.prepared_statements import PreparedStatements
from engine.errors import SqlError, SqlState, not_supported

_FETCH_ALL: Final = 0x7FFFFFFFFFFFFFFF
_CURSOR_SCROLL: Final = 0x0002
_CURSOR_HOLD: Final = 0x0020


class SessionStatement:
    """An analyzed statement of this module. `run` executes it: (rows, tag)."""

    parameter_types: Sequence[int] = ()

    def __init__(
        self,
        run: Callable[[Sequence[Any]], tuple[Sequence[Sequence[Any]], str]],
        columns: Sequence[Column] = (),
        parameter_types: Sequence[int] = (),
    ) -> None:
        self.run = run
        self.columns = columns
        self.parameter_types = parameter_types


class SessionExecution:
    """One run of such a statement."""

    def __init__(self, statement: SessionStatement, parameters: Sequence[Any]) -> None:
        self._statement = statement
        self._parameters = parameters
        self.tag = ""

    def fetch(self, limit: int | None) -> Sequence[Sequence[Any]]:
        rows, self.tag = self._statement.run(self._parameters)
        return rows

    def close(self) -> None:
        """There is nothing to end."""


class SessionSql:
    """The SQL engine with the statements of the session added."""

    def __init__(
        self,
        engine: SqlEngine,
        transactions: Transactions,
        settings: Settings,
        statements: PreparedStatements,
        portals: Portals,
    ) -> None:
        self._engine = engine
        self._transactions = transactions
        self._settings = settings
        self._statements = statements
        self._portals = portals
        self._analyzers: dict[str, Callable[[Any, Any], SessionStatement]] = {
            "DeallocateStmt": self._deallocate,
            "DiscardStmt": self._discard,
            "ClosePortalStmt": self._close_portal,
            "UnlistenStmt": self._unlisten,
            "DeclareCursorStmt": self._declare_cursor,
            "FetchStmt": self._fetch,
        }
        self.parse = engine.parse

    def analyze(self, raw: Any, parameter_types: Sequence[int] | None = ()) -> AnalyzedStatement:
        """As the engine's; `parameter_types` None means that parameters are not allowed."""
        analyzer = self._analyzers.get(raw.kind)
        if analyzer is not None:
            return analyzer(raw, parameter_types)
        analyzed: AnalyzedStatement = self._engine.analyze(raw, parameter_types)
        return analyzed

    def start(self, analyzed: Any, parameters: Sequence[Any] = ()) -> Execution:
        if isinstance(analyzed, SessionStatement):
            return SessionExecution(analyzed, parameters)
        return self._engine.start(analyzed, parameters)

    def is_current(self, analyzed: Any) -> bool:
        """Whether the analysis still holds; FETCH looks at its portal each time."""
        return not isinstance(analyzed, SessionStatement) and self._engine.is_current(analyzed)

    # prepared statements and DISCARD --------------------------------------------------------------

    def _deallocate(self, raw: Any, _: Any) -> SessionStatement:
        name = raw.body.get("name")

        def run(_: Sequence[Any]) -> tuple[Sequence[Sequence[Any]], str]:
            if name is None:
                self._statements.close_all()
                return (), "DEALLOCATE ALL"
            self._statements.get(name)
            self._statements.close(name)
            return (), "DEALLOCATE"

        return SessionStatement(run)

    def _discard(self, raw: Any, _: Any) -> SessionStatement:
        what = str(raw.body.get("target", "DISCARD_ALL")).removeprefix("DISCARD_")

        def run(_: Sequence[Any]) -> tuple[Sequence[Sequence[Any]], str]:
            if what == "ALL":
                self._transactions.prevent_in_block("DISCARD ALL")
                self._portals.close_all()
                self._settings.reset_all()
                self._statements.close_all()
            return (), f"DISCARD {what}"

        return SessionStatement(run)

    def _unlisten(self, _raw: Any, _: Any) -> SessionStatement:
        return SessionStatement(lambda _: ((), "UNLISTEN"))

    # cursors --------------------------------------------------------------------------------------

    def _close_portal(self, raw: Any, _: Any) -> SessionStatement:
        name = raw.body.get("portalname")

        def run(_: Sequence[Any]) -> tuple[Sequence[Sequence[Any]], str]:
            if name is None:
                self._portals.close_all()
                return (), "CLOSE CURSOR ALL"
            self._portals.get(name, "cursor")
            self._portals.close(name)
            return (), "CLOSE CURSOR"

        return SessionStatement(run)

    def _declare_cursor(self, raw: Any, parameter_types: Any) -> SessionStatement:
        name = raw.body.get("portalname", "")
        options = raw.body.get("options", 0)
        ((kind, body),) = raw.body["query"].items()
        query_raw = type(raw)(kind, body, raw.text, raw.source)
        query = self._engine.analyze(query_raw, parameter_types)

        def run(parameters: Sequence[Any]) -> tuple[Sequence[Sequence[Any]], str]:
            if options & _CURSOR_HOLD:
                raise not_supported("DECLARE CURSOR ... WITH HOLD")
            if options & _CURSOR_SCROLL:
                raise not_supported("DECLARE SCROLL CURSOR")
            if not self._transactions.in_block():
                raise SqlError(
                    SqlState.NO_ACTIVE_SQL_TRANSACTION,
                    "DECLARE CURSOR can only be used in transaction blocks",
                )
            portal = Portal(name, query_raw, query, parameters)
            self._portals.store(portal)
            portal.open(self._engine)
            return (), "DECLARE CURSOR"

        return SessionStatement(run, (), query.parameter_types)

    def _fetch(self, raw: Any, _: Any) -> SessionStatement:
        body = raw.body
        name = body.get("portalname", "")
        is_move = bool(body.get("ismove"))
        count = body.get("howMany", 0)
        portal = self._portals.find(name)
        columns: Sequence[Column] = ()
        if portal is not None and portal.analyzed is not None and not is_move:
            columns = portal.analyzed.columns

        def run(_: Sequence[Any]) -> tuple[Sequence[Sequence[Any]], str]:
            cursor = self._portals.get(name, "cursor")
            if body.get("direction") != "FETCH_FORWARD" or count < 0:
                raise SqlError(
                    SqlState.OBJECT_NOT_IN_PREREQUISITE_STATE,
                    "cursor can only scan forward",
                    hint="Declare it with SCROLL option to enable backward scan.",
                )
            if count == 0:
                raise not_supported("FETCH 0")
            limit = None if count == _FETCH_ALL else count
            rows = cursor.fetch(self._engine, limit)
            if is_move:
                return (), f"MOVE {len(rows)}"
            return rows, f"FETCH {len(rows)}"

        return SessionStatement(run, columns)
