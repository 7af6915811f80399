"""Brings a backend to where it sleeps: VACUUM wants to cut off the empty pages at the end of a
table that another session reads, and tries again and again.

Two errands, on a table of their own: one fills and empties it, and runs VACUUM; the other looks at
the emptied table in a transaction that stays open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chaos.driver import Driver
from chaos.faults.errand import Errand

WRITES: Final = (
    "DROP TABLE IF EXISTS emptied",
    "CREATE TABLE emptied (line text NOT NULL)",
    "INSERT INTO emptied SELECT repeat('x', 500) FROM generate_series(1, 40)",
    "DELETE FROM emptied",
)
READS: Final = "BEGIN; SELECT count(*) FROM emptied"
CUTS: Final = "VACUUM emptied"
DROPS: Final = "DROP TABLE emptied"


def let_vacuum_wait(
    conninfo: Callable[[], str], driver: Driver, is_enough: Callable[[], bool]
) -> None:
    """Until VACUUM has given up, or it is enough."""
    writer, reader = Errand(conninfo, driver, is_enough), Errand(conninfo, driver, is_enough)
    try:
        ready = writer.begin() and all(writer.ask(text) is not None for text in WRITES)
        if ready and reader.begin() and reader.ask(READS) is not None:
            writer.ask(CUTS)
            reader.close()
            writer.ask(DROPS)
    finally:
        reader.close()
        writer.close()
