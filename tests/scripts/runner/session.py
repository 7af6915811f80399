"""One client session of a script: sends a statement, sees whether it waits, prints the answer."""

from __future__ import annotations

import select
import time
from pathlib import Path

import psycopg
from psycopg import pq

from tests.scripts.runner.masks import Masks
from tests.scripts.runner.script import ScriptError
from tests.server import PATIENCE_S

_POLL_S = 0.005
_MORE = ("DETAIL: ", "HINT: ", "CONTEXT: ")
_HAS_ROWS = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.SINGLE_TUPLE)


class Session:
    """A connection through libpq, simple protocol."""

    def __init__(self, name: str, address: str, masks: Masks) -> None:
        self.name = name
        self._masks = masks
        self._lines: list[str] = []
        self._pending = False
        self._connection = pq.PGconn.connect(address.encode())
        if self._connection.status != pq.ConnStatus.OK:
            raise ScriptError(f"{name}: {self._connection.get_error_message()}")
        self._connection.notice_handler = self._on_notice
        self.pid = self._connection.backend_pid
        masks.name_process(self.pid, name)

    def send(self, statement: str) -> None:
        """Begin a statement; the one before must have ended."""
        if self._pending:
            raise ScriptError(f"{self.name} still waits; write `{self.name}>` where it goes on")
        self._connection.send_query(statement.encode())
        self._pending = True

    def answer(self, *, until_end: bool) -> list[str]:
        """The answer; `waiting` alone when the statement waits for a lock.

        With `until_end` a wait is sat out.
        """
        if not self._pending:
            raise ScriptError(f"{self.name} has no statement that waits")
        deadline = time.monotonic() + PATIENCE_S
        while True:
            if self._collect():
                self._pending = False
                return self._take_lines()
            if not until_end and self._waits():
                return ["waiting"]
            if time.monotonic() > deadline:
                raise ScriptError(f"{self.name} did not get an answer")

    def cancel(self) -> None:
        """Ask the server to cancel the statement, as Ctrl-C in psql does."""
        self._connection.get_cancel().cancel()

    def last_words(self) -> list[str]:
        """What the server said before it closed the connection; waits for that."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._collect_until_lost():
            if time.monotonic() > deadline:
                raise ScriptError(f"{self.name} is still connected")
        self.close()
        said = [line for line in self._take_lines() if not line.startswith(_MORE)]
        return [f"{self.name}: {line}" for line in [*said, "connection lost"]]

    def is_lost(self) -> bool:
        """Whether the server has closed the connection."""
        return not self._pending and self._collect_until_lost(wait_s=0.0)

    def close(self) -> None:
        """Leave."""
        self._connection.notice_handler = None
        self._connection.finish()

    def _collect(self) -> bool:
        """Take results that have arrived; whether the statement has ended."""
        connection = self._connection
        _has_input(connection, _POLL_S)
        try:
            connection.consume_input()
            while not connection.is_busy():
                result = connection.get_result()
                if result is None:
                    return True
                self._lines += self._result_lines(result)
        except psycopg.OperationalError:
            self._lines.append("connection lost")
            return True
        return False

    def _collect_until_lost(self, wait_s: float = _POLL_S) -> bool:
        connection = self._connection
        if connection.status != pq.ConnStatus.OK:
            return True
        if not _has_input(connection, wait_s):
            return False
        try:
            connection.consume_input()
            if connection.is_busy():
                return False
            while (result := connection.get_result()) is not None:
                self._lines += self._result_lines(result)
        except psycopg.OperationalError:
            return True
        return connection.status != pq.ConnStatus.OK

    def _waits(self) -> bool:
        """As `ps` shows it."""
        try:
            title = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return False
        return title.rstrip(b"\0 ").endswith(b" waiting")

    def _take_lines(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines

    def _on_notice(self, result: pq.abc.PGresult) -> None:
        self._lines += self._message_lines(result)

    def _result_lines(self, result: pq.abc.PGresult) -> list[str]:
        if result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE):
            return self._message_lines(result)
        lines = []
        if result.status in _HAS_ROWS:
            columns = range(result.nfields)
            lines.append(" | ".join((result.fname(at) or b"").decode() for at in columns))
            lines += [
                " | ".join(_value(result.get_value(row, at)) for at in columns)
                for row in range(result.ntuples)
            ]
        lines.append((result.command_status or b"").decode())
        return lines

    def _message_lines(self, result: pq.abc.PGresult) -> list[str]:
        def part(name: pq.DiagnosticField) -> str:
            return self._masks.processes((result.error_field(name) or b"").decode())

        code = part(pq.DiagnosticField.SQLSTATE)
        if not code:
            return []
        severity = part(pq.DiagnosticField.SEVERITY)
        lines = [f"{severity} {code}: {part(pq.DiagnosticField.MESSAGE_PRIMARY)}"]
        for label, name in (
            ("DETAIL", pq.DiagnosticField.MESSAGE_DETAIL),
            ("HINT", pq.DiagnosticField.MESSAGE_HINT),
            ("CONTEXT", pq.DiagnosticField.CONTEXT),
        ):
            if text := part(name):
                lines += f"{label}: {text}".splitlines()
        return lines


def _value(value: bytes | None) -> str:
    return "NULL" if value is None else value.decode()


def _has_input(connection: pq.PGconn, seconds: float) -> bool:
    """Whether there is something to read within that time."""
    poll = select.poll()
    poll.register(connection.socket, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
