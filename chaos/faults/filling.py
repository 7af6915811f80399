"""Writes much WAL, so that what happens only where a segment of it ends does happen.

A segment is made by whoever comes first to where it begins: a backend whose WAL finds no room in
the WAL buffers, the WAL writer on its round, the background writer when it writes a page whose WAL
is not written, or, before it is needed, a checkpoint that finds the last one three quarters full.
The clients of a run write a tenth of a segment between two faults. A `Filler` is one more session:
in a transaction it makes a table of its own, fills it piece by piece, and rolls back; the rollback
cuts the table's file to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chaos.driver import Driver
from chaos.faults.errand import Errand

SEGMENT_BYTES: Final = 1 << 20
"""Larger ones are not filled: it would take longer than all the rest of a run."""
BEGIN: Final = "BEGIN; CREATE TABLE filling (number int, line text)"
PIECE: Final = (
    "INSERT INTO filling SELECT number, repeat('x', 2000) FROM generate_series(1, 16) AS number;"
    " SELECT pg_current_wal_insert_lsn()"
)
"""Less than the smallest WAL buffers hold, so that it can be left to others to write it."""


class Filler(Errand):
    """A session that writes."""

    def __init__(
        self, conninfo: Callable[[], str], driver: Driver, is_enough: Callable[[], bool]
    ) -> None:
        super().__init__(conninfo, driver, is_enough)
        self.segment = 0
        """How many segments were begun since the first piece."""
        self.share = 0.0
        """How full the segment is."""

    def begin(self) -> bool:
        """Connect, and begin; whether that went well."""
        return super().begin() and self.ask(BEGIN) is not None

    def write(self, pieces: int, pause_s: float, until: Callable[[], bool]) -> bool:
        """Write piece after piece, with a pause after each, until that holds; whether it does."""
        first = None
        for _ in range(pieces):
            answer = self.ask(PIECE)
            if answer is None or self.pause(pause_s):
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
        self.ask("ROLLBACK")
