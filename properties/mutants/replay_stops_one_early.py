"""Replay ends with the record before the last.

The WAL goes on there, so the next record overwrites a commit that was flushed.

Breaks the rule that all of the log is replayed, to its last record. In real life: none known: an
end of the log that is found by looking ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.recovery.redo import RedoLoop
from engine.wal.reader import WalReader
from engine.wal.record import WalRecord
from properties.mutants.api import NO_RECOVERY, WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="replay-stops-one-early",
    breaks="all of the log is replayed, to its last record",
    mirrors="none known: an end of the log that is found by looking ahead",
    sees=("durability", *WRONG_READS, *NO_RECOVERY),
)


class _OneShort:
    """A reader that looks one record ahead and keeps the last to itself."""

    def __init__(self, reader: WalReader) -> None:
        self._reader = reader
        self._ahead: WalRecord | None = None
        self._has_begun = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def read(self) -> WalRecord | None:
        if not self._has_begun:
            self._ahead, self._has_begun = self._reader.read(), True
        record, self._ahead = self._ahead, self._reader.read() if self._ahead else None
        return record if self._ahead is not None else None


def apply() -> None:
    """The loop reads through one that is a record short."""

    def short(begin: Callable[..., None]) -> Callable[..., None]:
        def init(self: Any, host: Any, log: Any, reader: Any, *rest: Any) -> None:
            begin(self, host, log, _OneShort(reader), *rest)

        return init

    replace(RedoLoop, "__init__", short)
