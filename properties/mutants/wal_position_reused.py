"""After recovery the WAL goes on where the last record began, with no checkpoint before.

The next record takes the last one's place: a second crash finds pages that are newer than the WAL,
or the commit gone.

Breaks REDO-6. In real life: none known: the end of the log taken for the last record's start, and
no checkpoint that covers it.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, Final

from engine.recovery.redo import RedoLoop, RedoResult
from engine.recovery.startup import StartupSequence
from engine.types import WAL_BLOCK_SIZE
from engine.wal.record import WalRecord
from engine.wal.wal import Wal
from properties.mutants.api import NO_RECOVERY, WRONG_READS, Mutant, replace

MUTANT = Mutant(
    name="wal-position-reused",
    breaks="REDO-6",
    mirrors=(
        "none known: the end of the log taken for the last record's start, and no checkpoint "
        "that covers it"
    ),
    sees=("durability", *WRONG_READS, *NO_RECOVERY),
)


PREVIOUS: Final = Struct("<8xQ")
"""Of a record's header: where the record before begins."""

StartAt = Callable[..., None]
Replay = Callable[[Any, WalRecord], RedoResult]


def apply() -> None:
    """One record back after a replay, if that record begins on the same page."""
    replayed: list[RedoResult] = []

    def noted(run: Replay) -> Replay:
        def replay(self: Any, first: WalRecord) -> RedoResult:
            replayed.append(run(self, first))
            return replayed[-1]

        return replay

    def rewound(start_at: StartAt) -> StartAt:
        def start(self: Any, end: int, last: int, page: bytes = b"", **how: Any) -> None:
            inside = last % WAL_BLOCK_SIZE
            is_last = bool(replayed) and replayed[-1].records > 1 and replayed[-1].end_lsn == end
            if (
                is_last
                and inside + PREVIOUS.size <= len(page)
                and last // WAL_BLOCK_SIZE == (end // WAL_BLOCK_SIZE)
            ):
                end, last, page = last, PREVIOUS.unpack_from(page, inside)[0], page[:inside]
            start_at(self, end, last, page, **how)

        return start

    def without_checkpoint(begin: Callable[..., None]) -> Callable[..., None]:
        def init(self: Any, *arguments: Any, **services: Any) -> None:
            begin(self, *arguments, **services | {"request_checkpoint": lambda flags: None})

        return init

    replace(RedoLoop, "run", noted)
    replace(Wal, "start_at", rewound)
    replace(StartupSequence, "__init__", without_checkpoint)
