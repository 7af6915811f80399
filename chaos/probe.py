"""Asks a server again and again whether it answers, without blocking and outside the history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chaos.connection import Connection, ConnectionLost, State
from chaos.waiting.api import READABLE, WRITABLE, Waiting
from chaos.workloads.api import Answer, Statement

AGAIN_AFTER_S: Final = 0.005
QUESTION: Final = Statement("SELECT 1")


class Probe:
    """One connection, made anew whenever it is lost. `answered_at` is 0.0 until a query was
    answered.
    """

    def __init__(self, conninfo: Callable[[], str], waiting: Waiting) -> None:
        self._conninfo = conninfo
        self._waiting = waiting
        self._fd = -1
        self._connection: Connection | None = None
        self._retry_at = 0.0
        self.answered_at = 0.0
        self.refusals: list[str] = []

    @property
    def backend_pid(self) -> int:
        """Who answered; 0 when nobody did."""
        connection = self._connection
        return connection.backend_pid if connection is not None and self.answered_at else 0

    def step(self) -> None:
        """Do what can be done now."""
        try:
            self._step()
        except ConnectionLost as lost:
            self._drop()
            self._retry_at = self._waiting.now_s() + AGAIN_AFTER_S
            if lost.message not in self.refusals:
                self.refusals.append(lost.message)

    def _step(self) -> None:
        connection = self._connection
        if connection is None:
            if self._waiting.now_s() < self._retry_at:
                return
            connection = self._connection = Connection(self._conninfo())
            self._know(connection)
        if connection.state is State.IDLE and self.answered_at == 0.0:
            connection.send(QUESTION)
        if not self._is_ready(connection):
            return
        if connection.state is State.CONNECTING:
            connection.advance_connecting()
            self._know(connection)
        elif (answer := connection.receive()) is not None and self.answered_at == 0.0:
            if isinstance(answer, Answer):
                self.answered_at = self._waiting.now_s()
            elif str(answer) not in self.refusals:
                self.refusals.append(str(answer))  # asked again, but not forgotten

    def _drop(self) -> None:
        self.answered_at = 0.0
        self.close()

    def close(self) -> None:
        """Let the connection go."""
        if self._fd != -1:
            self._waiting.unwatch(self._fd)
            self._fd = -1
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _know(self, connection: Connection) -> None:
        """Make the connection's socket known, which may have changed."""
        if connection.fileno != self._fd:
            if self._fd != -1:
                self._waiting.unwatch(self._fd)
            self._fd = connection.fileno
            self._waiting.watch(self._fd, 0)

    def _is_ready(self, connection: Connection) -> bool:
        return self._waiting.is_ready(self._fd, WRITABLE if connection.wants_write else READABLE)
