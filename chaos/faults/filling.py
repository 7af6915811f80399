"""Writes much WAL, so that what happens only where a segment of it ends does happen.

A segment is made by whoever comes first to where it begins: a backend whose WAL finds no room in
the WAL buffers, the WAL writer on its round, the background writer when it writes a page whose WAL
is not written, or, before it is needed, a checkpoint that finds the last one three quarters full.
The clients of a run write a tenth of a segment between two faults. A `Filler` is one more session:
in a transaction it makes a table of its own, fills it piece by piece, and rolls back, so that
nobody ever sees what it wrote; the rollback cuts the table's file to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chaos.connection import Connection, ConnectionLost, State
from chaos.driver import Driver
from chaos.waiting.api import READABLE, WRITABLE
from chaos.workloads.api import Answer

SEGMENT_BYTES: Final = 1 << 20
"""Larger ones are not filled: it would take longer than all the rest of a run."""
ANSWER_BOUND_S: Final = 3.0
LOOK_S: Final = 0.001
BEGIN: Final = "BEGIN; CREATE TABLE filling (number int, line text)"
PIECE: Final = (
    "INSERT INTO filling SELECT number, repeat('x', 2000) FROM generate_series(1, 16) AS number;"
    " SELECT pg_current_wal_insert_lsn()"
)
"""Less than the smallest WAL buffers hold, so that it can be left to others to write it."""


class Filler:
    """One session that writes, beside the clients or while they rest. Whoever made it closes it.

    As soon as `is_enough` says so, or the session ends, nothing is done any more.
    """

    def __init__(
        self, conninfo: Callable[[], str], driver: Driver, is_enough: Callable[[], bool]
    ) -> None:
        self._conninfo = conninfo
        self._driver = driver
        self._waiting = driver.waiting
        self._is_enough = is_enough
        self._connection: Connection | None = None
        self._fd = -1
        self.segment = 0
        """How many segments were begun since the first piece."""
        self.share = 0.0
        """How full the segment is."""

    def begin(self) -> bool:
        """Connect, and begin; whether that went well."""
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
        return self._ask(BEGIN) is not None

    def write(self, pieces: int, pause_s: float, until: Callable[[], bool]) -> bool:
        """Write piece after piece, with a pause after each, until that holds; whether it does."""
        first = None
        for _ in range(pieces):
            answer = self._ask(PIECE)
            if answer is None or self._driver.pump(pause_s, self._is_enough):
                return False
            high, low = str(answer.rows[0][0]).split("/")
            number, offset = divmod(int(high, 16) << 32 | int(low, 16), SEGMENT_BYTES)
            first = number if first is None else first
            self.segment, self.share = number - first, offset / SEGMENT_BYTES
            if until():
                return True
        return False

    def roll_back(self) -> None:
        """As if nothing had been."""
        self._ask("ROLLBACK")

    def close(self) -> None:
        """Let the session go."""
        self._forget()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, text: str) -> Answer | None:
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
