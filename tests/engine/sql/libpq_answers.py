"""Asking a server over libpq, by the simple protocol, for answers to compare."""

from __future__ import annotations

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus

from tests.engine.sql.answers import Answer, in_order


class LibpqSession:
    """A connection that gives `Answer`s."""

    def __init__(self, conninfo: str) -> None:
        self._connection = psycopg.connect(conninfo, autocommit=True)

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    def answer(self, statement: str) -> Answer:
        """Run one statement."""
        result = self._connection.pgconn.exec_(statement.encode())
        if result.status == ExecStatus.FATAL_ERROR:
            position = result.error_field(DiagnosticField.STATEMENT_POSITION)
            return Answer(
                error=(
                    (result.error_field(DiagnosticField.SQLSTATE) or b"").decode(),
                    (result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b"").decode(),
                    int(position) if position else None,
                )
            )
        rows = [
            tuple(
                None if (cell := result.get_value(row, column)) is None else cell.decode()
                for column in range(result.nfields)
            )
            for row in range(result.ntuples)
        ]
        return Answer(
            tag=(result.command_status or b"").decode(),
            columns=tuple((result.fname(at) or b"").decode() for at in range(result.nfields)),
            types=tuple(result.ftype(at) for at in range(result.nfields)),
            rows=in_order(statement, rows),
        )
