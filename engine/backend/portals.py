"""Portals: statements in execution, from Bind (or DECLARE CURSOR) to the end of the transaction.

A SELECT is run as far as its rows are asked for. Anything else that returns rows is run to its end
first and its rows are kept, since an INSERT ... RETURNING must not depend on how many of them the
client reads.

Source: PostgreSQL 15, `tcop/pquery.c`, `utils/mmgr/portalmem.c`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from engine.backend.abc import AnalyzedStatement, Execution, SqlEngine
from engine.errors import SqlError, SqlState
from engine.protocol.backend import FieldDescription, append_data_rows, row_description
from engine.sql.types import output_function

ROWS_AT_A_TIME: Final = 1000


class Portal:
    """One statement in execution. `formats` are the result formats that the client asked for."""

    def __init__(
        self,
        name: str,
        raw: Any | None,
        analyzed: AnalyzedStatement | None,
        parameters: Sequence[Any] = (),
        formats: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.raw = raw
        self.analyzed = analyzed
        self.parameters = parameters
        self.is_done = False
        self.tag = ""
        self._formats = formats
        self._execution: Execution | None = None
        self._kept_rows: Sequence[Sequence[Any]] | None = None
        self._kept_position = 0
        self._outputs: list[Callable[[Any], bytes]] | None = None
        self._is_select = raw is not None and raw.kind == "SelectStmt"
        self.returns_rows = analyzed is not None and (self._is_select or bool(analyzed.columns))
        if analyzed is not None:
            _check_formats(formats, len(analyzed.columns))

    # description ----------------------------------------------------------------------------------

    def row_description(self) -> bytes | None:
        """`T`, or None when the statement returns no rows."""
        if self.analyzed is None or not self.returns_rows:
            return None
        return describe_columns(self.analyzed, self._formats)

    def _output_functions(self) -> list[Callable[[Any], bytes]]:
        if self._outputs is None:
            columns = self.analyzed.columns if self.analyzed is not None else ()
            formats = self._formats
            self._outputs = [
                output_function(column.type_oid, format_of(formats, position) == 1)
                for position, column in enumerate(columns)
            ]
        return self._outputs

    # execution ------------------------------------------------------------------------------------

    def open(self, sql: SqlEngine) -> Execution:
        """Start the statement: what it will see is settled now, if it was not before."""
        execution = self._execution
        if execution is None:
            execution = self._execution = sql.start(self.analyzed, self.parameters)
        return execution

    def fetch(self, sql: SqlEngine, limit: int | None) -> Sequence[Sequence[Any]]:
        """Up to `limit` more rows; fewer mean that the end was reached and `tag` is known."""
        analyzed = self.analyzed
        if analyzed is None or self.is_done:
            return ()
        if self._kept_rows is not None:
            return self._fetch_kept(limit)
        execution = self.open(sql)
        rows = execution.fetch(limit if self._is_select else None)
        if self._is_select:
            if limit is None or len(rows) < limit:
                self._finish(execution.tag)
            return rows
        tag = execution.tag
        if limit is None or not self.returns_rows:
            self._finish(tag)
            return rows
        self._kept_rows = rows
        self.tag = tag
        return self._fetch_kept(limit)

    def send_rows(
        self,
        sql: SqlEngine,
        limit: int | None,
        out: bytearray,
        flush_if_large: Callable[[], None],
    ) -> int:
        """Append up to `limit` rows to `out`, in portions; how many there were."""
        if not self.returns_rows:
            self.fetch(sql, limit)
            return 0
        outputs = self._output_functions()
        count = 0
        while not self.is_done:
            portion = ROWS_AT_A_TIME if limit is None else min(limit - count, ROWS_AT_A_TIME)
            if not portion:
                break
            rows = self.fetch(sql, portion)
            append_data_rows(out, rows, outputs)
            count += len(rows)
            flush_if_large()
        return count

    def completion_tag(self, count: int) -> str:
        """What CommandComplete says: its number is that of the rows of the last run alone."""
        if self.returns_rows and self.tag[-1:].isdigit():
            return f"{self.tag.rpartition(' ')[0]} {count}"
        return self.tag

    def _fetch_kept(self, limit: int | None) -> Sequence[Sequence[Any]]:
        kept = self._kept_rows or ()
        end = len(kept) if limit is None else min(len(kept), self._kept_position + limit)
        rows = kept[self._kept_position : end]
        self._kept_position = end
        if limit is None or len(rows) < limit:
            self._finish(self.tag)
        return rows

    def _finish(self, tag: str) -> None:
        self.tag = tag
        self.is_done = True
        self.close()

    def close(self) -> None:
        """End the execution, finished or not."""
        execution, self._execution = self._execution, None
        self._kept_rows = None
        if execution is not None:
            execution.close()


class Portals:
    """The portals of a session, by name. PORTAL-1: none outlives its transaction."""

    def __init__(self) -> None:
        self._by_name: dict[str, Portal] = {}

    def store(self, portal: Portal) -> None:
        """Keep a portal; only the unnamed one may replace another."""
        if portal.name in self._by_name:
            if portal.name:
                raise SqlError(SqlState.DUPLICATE_CURSOR, f'cursor "{portal.name}" already exists')
            self.close("")
        self._by_name[portal.name] = portal

    def find(self, name: str) -> Portal | None:
        return self._by_name.get(name)

    def get(self, name: str, kind: str = "portal") -> Portal:
        """The portal, or 34000."""
        portal = self._by_name.get(name)
        if portal is None:
            raise SqlError(SqlState.INVALID_CURSOR_NAME, f'{kind} "{name}" does not exist')
        return portal

    def close(self, name: str) -> bool:
        """End a portal; whether there was one."""
        portal = self._by_name.pop(name, None)
        if portal is None:
            return False
        portal.close()
        return True

    def close_all(self) -> None:
        """End all portals."""
        while self._by_name:
            _, portal = self._by_name.popitem()
            portal.close()


def describe_columns(analyzed: AnalyzedStatement, formats: Sequence[int] = ()) -> bytes:
    """`T` for a statement's columns."""
    return row_description(
        FieldDescription(
            column.name,
            column.table_oid,
            column.attribute_number,
            column.type_oid,
            column.type_length,
            column.typmod,
            format_of(formats, position),
        )
        for position, column in enumerate(analyzed.columns)
    )


def format_of(formats: Sequence[int], position: int) -> int:
    """Format codes: none is text, one is for all columns, else one each."""
    if not formats:
        return 0
    return formats[0] if len(formats) == 1 else formats[position]


def _check_formats(formats: Sequence[int], columns: int) -> None:
    if len(formats) > 1 and len(formats) != columns:
        raise SqlError(
            SqlState.PROTOCOL_VIOLATION,
            f"bind message has {len(formats)} result formats but query has {columns} columns",
        )
    for code in formats:
        if code not in (0, 1):
            raise SqlError(SqlState.INVALID_PARAMETER_VALUE, f"unsupported format code: {code}")
