"""One libpq connection that never blocks: whoever owns it owns the waiting.

    CONNECTING --(established)--> IDLE --(send)--> PREPARING --(prepared)--> EXECUTING --> IDLE
        |                          |                  |                          |
        +--------------------------+------------------+--------------------------+--(lost)--> CLOSED

A statement is prepared at its first use; `ask` prepares nothing and goes straight to EXECUTING. The
end of a connection is always an exception, `ConnectionLost`; an error that the session survives is
a value, `Refusal`.
"""

from __future__ import annotations

import contextlib
import re
from enum import Enum, auto
from typing import Final

import psycopg
from psycopg import pq

from chaos.workloads.api import Answer, Statement

LEVELS_THAT_END_A_SESSION: Final = frozenset({"FATAL", "PANIC"})
_SIGNS_OF_THE_END: Final = ("FATAL", "server closed the connection", " failed: ")
_WHERE_IT_FAILED: Final = re.compile(r"^connection to server .* failed: ")
_RESULT_OK: Final = frozenset(
    {pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK, pq.ExecStatus.EMPTY_QUERY}
)


class ConnectionLost(Exception):
    """The server closed the connection, or never opened it."""

    def __init__(self, message: str, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate

    def __str__(self) -> str:
        return f"{self.sqlstate} {self.message}" if self.sqlstate else self.message


class Refusal:
    """An ERROR: the statement failed, the session goes on."""

    __slots__ = ("message", "sqlstate")

    def __init__(self, sqlstate: str, message: str) -> None:
        self.sqlstate = sqlstate
        self.message = message

    def __str__(self) -> str:
        return f"{self.sqlstate} {self.message}"


class State(Enum):
    """Where a connection is; see the diagram above."""

    CONNECTING = auto()
    IDLE = auto()
    PREPARING = auto()
    EXECUTING = auto()
    CLOSED = auto()


class Connection:
    """A connection being made or in use."""

    def __init__(self, conninfo: str) -> None:
        self.state = State.CONNECTING
        self.wants_write = True
        self.backend_pid = 0
        self._prepared: dict[str, bytes] = {}
        self._statement: Statement | None = None
        self._answer: pq.abc.PGresult | None = None
        self._warned: str | None = None
        self._libpq = pq.PGconn.connect_start(conninfo.encode())
        if self._libpq.status == pq.ConnStatus.BAD:
            raise self._lost()
        self._libpq.notice_handler = self._notice

    @property
    def fileno(self) -> int:
        """The socket, to be watched; it may change while CONNECTING."""
        return self._libpq.socket

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction block is open, failed or not."""
        return self._libpq.transaction_status != pq.TransactionStatus.IDLE

    def advance_connecting(self) -> bool:
        """Go on connecting when the socket is ready; True once the connection is IDLE."""
        poll = self._libpq.connect_poll()
        if poll == pq.PollingStatus.FAILED:
            raise self._lost()
        if poll == pq.PollingStatus.OK:
            self._libpq.nonblocking = 1
            self.backend_pid = self._libpq.backend_pid
            self.state = State.IDLE
            self.wants_write = False
            return True
        self.wants_write = poll == pq.PollingStatus.WRITING
        return False

    def send(self, statement: Statement) -> None:
        """Begin a statement; `receive` has the answer."""
        self._statement = statement
        name = self._prepared.get(statement.text)
        try:
            if name is None:
                name = b"s%d" % len(self._prepared)
                self._libpq.send_prepare(name, statement.text.encode())
                self.state = State.PREPARING
            else:
                self._libpq.send_query_prepared(name, statement.parameters)
                self.state = State.EXECUTING
            self._flush()
        except psycopg.OperationalError as error:
            raise self._lost() from error

    def ask(self, text: str) -> None:
        """Begin statements by the simple protocol; `receive` has the answer to the last."""
        self._statement = None
        try:
            self._libpq.send_query(text.encode())
            self.state = State.EXECUTING
            self._flush()
        except psycopg.OperationalError as error:
            raise self._lost() from error

    def receive(self) -> Answer | Refusal | None:
        """What came when the socket is ready: the answer, an error, or None when there is more."""
        libpq = self._libpq
        try:
            if self.wants_write:
                self._flush()
            libpq.consume_input()
            while not libpq.is_busy():
                result = libpq.get_result()
                if result is None:
                    if self.state is State.IDLE:
                        return None
                    answer = self._finish()
                    if answer is not None:
                        return answer
                else:
                    self._answer = result
        except psycopg.OperationalError as error:
            raise self._lost() from error
        return None

    def close(self) -> None:
        """Let go, at once; an open transaction is the server's to roll back."""
        if self.state is not State.CLOSED:
            self.state = State.CLOSED
            self._libpq.notice_handler = None
            self._libpq.finish()

    def _flush(self) -> None:
        self.wants_write = self._libpq.flush() == 1

    def _finish(self) -> Answer | Refusal | None:
        """One answer is complete; None when it was that of a prepare and the statement now runs."""
        result, self._answer = self._answer, None
        if result is None:
            raise self._lost()
        if result.status not in _RESULT_OK:
            return self._refused(result)
        statement = self._statement
        if self.state is State.PREPARING and statement is not None:
            self._prepared[statement.text] = b"s%d" % len(self._prepared)
            self.send(statement)
            return None
        self.state = State.IDLE
        types: tuple[int, ...] = ()
        if statement is not None and statement.is_typed:
            types = tuple(result.ftype(column) for column in range(result.nfields))
        return Answer(_rows(result), (result.command_status or b"").decode(), types)

    def _refused(self, result: pq.abc.PGresult) -> Refusal:
        field = result.error_field
        level = (field(pq.DiagnosticField.SEVERITY_NONLOCALIZED) or b"").decode()
        sqlstate = (field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        message = (field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")
        if level in LEVELS_THAT_END_A_SESSION or self._libpq.status == pq.ConnStatus.BAD:
            self._warned = sqlstate or self._warned
            raise self._lost(f"{level}: {message}" if message else None)
        self.state = State.IDLE
        return Refusal(sqlstate, message)

    def _lost(self, message: str | None = None) -> ConnectionLost:
        if message is None:
            message = _reason(self._libpq.get_error_message("utf-8"))
        with contextlib.suppress(psycopg.OperationalError):
            self.close()
        return ConnectionLost(message, self._warned)

    def _notice(self, result: pq.abc.PGresult) -> None:
        """A server that ends a session because of a crash says so in a warning (57P02)."""
        sqlstate = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        if sqlstate.startswith("57P"):
            self._warned = sqlstate


def _reason(text: str) -> str:
    """The line of libpq's message that tells of the end; lines before it may be of other errors."""
    lines = text.strip().splitlines() or ["connection lost"]
    for sign in _SIGNS_OF_THE_END:
        for line in lines:
            if sign in line:
                return _WHERE_IT_FAILED.sub("", line)
    return _WHERE_IT_FAILED.sub("", lines[-1])


def _rows(result: pq.abc.PGresult) -> list[tuple[str | None, ...]]:
    width = result.nfields
    get = result.get_value
    return [
        tuple(
            None if (cell := get(row, column)) is None else cell.decode(errors="backslashreplace")
            for column in range(width)
        )
        for row in range(result.ntuples)
    ]
