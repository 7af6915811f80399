"""Prepared statements of a session, by name; the unnamed one is a name too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.backend.abc import AnalyzedStatement
from engine.errors import SqlError, SqlState


class PreparedStatement:
    """A parsed and analyzed statement. `raw` and `analyzed` are None for an empty one.

    `declared_types` are what the client said of its parameters, kept for when it must be analyzed
    again; `input_functions` caches what Bind needs, by the formats of the last Bind.
    """

    __slots__ = (
        "analyzed", "declared_types", "input_formats", "input_functions", "name", "raw", "text",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        text: str,
        raw: Any | None,
        analyzed: AnalyzedStatement | None,
        declared_types: Sequence[int],
    ) -> None:
        self.name = name
        self.text = text
        self.raw = raw
        self.analyzed = analyzed
        self.declared_types = declared_types
        self.input_formats: tuple[int, ...] | None = None
        self.input_functions: list[Callable[[bytes], Any]] = []


class PreparedStatements:
    """The named statements and the unnamed one of a session; they outlive transactions."""

    def __init__(self) -> None:
        self._by_name: dict[str, PreparedStatement] = {}

    def store(self, statement: PreparedStatement) -> None:
        """Keep a statement; only the unnamed one may replace another."""
        if statement.name:
            self.check_new(statement.name)
        self._by_name[statement.name] = statement

    def check_new(self, name: str) -> None:
        """42P05 when the name is taken."""
        if name in self._by_name:
            raise SqlError(
                SqlState.DUPLICATE_PREPARED_STATEMENT,
                f'prepared statement "{name}" already exists',
            )

    def get(self, name: str) -> PreparedStatement:
        """The statement, or 26000."""
        statement = self._by_name.get(name)
        if statement is None:
            raise SqlError(
                SqlState.INVALID_SQL_STATEMENT_NAME,
                f'prepared statement "{name}" does not exist'
                if name
                else "unnamed prepared statement does not exist",
            )
        return statement

    def close(self, name: str) -> bool:
        """Forget a statement; whether there was one."""
        return self._by_name.pop(name, None) is not None

    def close_all(self) -> None:
        """DEALLOCATE ALL: the named ones."""
        unnamed = self._by_name.get("")
        self._by_name.clear()
        if unnamed is not None:
            self._by_name[""] = unnamed
