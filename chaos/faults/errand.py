"""One session of the controller's own that does what must be done for a fault, beside the clients
or while they rest.

It is no client: nothing of it is in the history, and nobody but itself ever sees what it wrote. As
soon as it is told that it is enough, or the session ends, it does nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chaos.connection import Connection, ConnectionLost, State
from chaos.driver import Driver
from chaos.waiting.api import READABLE, WRITABLE
from chaos.workloads.api import Answer

ANSWER_BOUND_S: Final = 8.0
LOOK_S: Final = 0.001


class Errand:
    """See the head of this file. Whoever made it closes it."""

    def __init__(
        self, conninfo: Callable[[], str], driver: Driver, is_enough: Callable[[], bool]
    ) -> None:
        self._conninfo = conninfo
        self._driver = driver
        self._waiting = driver.waiting
        self._is_enough = is_enough
        self._connection: Connection | None = None
        self._fd = -1

    def begin(self) -> bool:
        """Connect; whether that went well."""
        try:
            connection = self._connection = Connection(self._conninfo())
            self._know(connection)
            while connection.state is State.CONNECTING:
                if not self._is_ready(connection):
                    return False
                connection.advance_connecting()
                self._know(connection)
        except ConnectionLost:
            return False
        return True

    def pause(self, seconds: float) -> bool:
        """Let the others go on for so long; whether it is enough now."""
        return self._driver.pump(seconds, self._is_enough)

    def close(self) -> None:
        """Let the session go."""
        self._forget()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def ask(self, text: str) -> Answer | None:
        """The answer, if there is one in time."""
        connection = self._connection
        if connection is None or connection.state is not State.IDLE or self._is_enough():
            return None
        try:
            connection.ask(text)
            while self._is_ready(connection):
                answer = connection.receive()
                if answer is not None:
                    return answer if isinstance(answer, Answer) else None
        except ConnectionLost:
            pass  # it ends as the others' connections end: that is judged with theirs
        return None

    def _is_ready(self, connection: Connection) -> bool:
        """Wait until the socket is ready; False when there is nothing to wait for any more."""
        mask = READABLE | (WRITABLE if connection.wants_write else 0)
        deadline = self._waiting.now_s() + ANSWER_BOUND_S
        while not self._waiting.is_ready(self._fd, mask):
            if self._driver.pump(LOOK_S, self._is_enough) or self._waiting.now_s() >= deadline:
                return False
        return True

    def _know(self, connection: Connection) -> None:
        """libpq may change the socket while it connects."""
        if connection.fileno != self._fd:
            self._forget()
            self._fd = connection.fileno
            self._waiting.watch(self._fd, 0)

    def _forget(self) -> None:
        if self._fd != -1:
            self._waiting.unwatch(self._fd)
            self._fd = -1
