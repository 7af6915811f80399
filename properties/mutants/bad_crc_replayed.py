"""Replay goes on past a record whose checksum is wrong.

Breaks the rule that the first record with a wrong CRC ends the log. In real life: none known: the
negation of what ends the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.wal import reader
from engine.wal.reader import WalReader
from engine.wal.record import WalRecord
from properties.mutants.api import NO_RECOVERY, WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="bad-crc-replayed",
    breaks="the first record with a wrong CRC ends the log",
    mirrors="none known: the negation of what ends the log",
    sees=("durability", *WRONG_READS, *NO_RECOVERY),
    faults=("power-loss",),
)


Accept = Callable[[Any, bytes, int, int], WalRecord]


def apply() -> None:
    """The checksum is taken to be what the record says it is."""

    def trusting(accept: Accept) -> Accept:
        def accept_any(self: Any, raw: bytes, lsn: int, end: int) -> WalRecord:
            known = vars(reader)["crc32c"]
            claimed = reader._unpack_header(raw)[5]
            vars(reader)["crc32c"] = lambda *_: claimed
            try:
                return accept(self, raw, lsn, end)
            finally:
                vars(reader)["crc32c"] = known

        return accept_any

    replace(WalReader, "_accept", trusting)
