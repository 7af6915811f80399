"""Draws power losses: where the power goes, where it goes again while the server recovers, and how
the disk decides about what was not synced.

A power loss teaches most where much was written and little synced, or where the order of two
syncs matters: within a checkpoint, between a write of WAL and its sync, around the rename or the
creation of a file, and in recovery, which writes all that again.
"""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from chaos.faults.drawing import draw_count
from chaos.faults.places import ALL, KILL, Action, Place, PlacedFault
from chaos.faults.reach import CRASH, LOAD, SHUTDOWN, START

SHARE_BY_HAND: Final = 0.1
"""At any moment, or in the midst of a checkpoint."""
SHARES_OF_MORE: Final = (0.6, 0.28, 0.12)
"""Of no further power loss in the recovery, one, and two."""


class Spot(NamedTuple):
    """A place worth a power loss: how often it is drawn, and about how often it is reached."""

    weight: int
    occasion: str
    role: str
    call: str
    about: int


FIRST: Final = (
    Spot(14, LOAD, "checkpointer", "pwrite", 12),
    Spot(26, LOAD, "checkpointer", "fsync", 3),
    Spot(14, LOAD, "checkpointer", "buffer-written", 12),
    Spot(2, LOAD, "checkpointer", "fsync_directory", 4),
    Spot(1, LOAD, "checkpointer", "rename", 1),
    Spot(1, LOAD, "checkpointer", "unlink", 1),
    Spot(1, LOAD, "checkpointer", "checkpoint-redo-taken", 1),
    Spot(30, LOAD, "checkpointer", "checkpoint-buffers-written", 1),
    Spot(2, LOAD, "checkpointer", "checkpoint-files-synced", 1),
    Spot(2, LOAD, "checkpointer", "checkpoint-record-flushed", 1),
    Spot(3, LOAD, "checkpointer", "checkpoint-control-file-written", 1),
    Spot(2, LOAD, "checkpointer", "checkpoint-wal-recycled", 1),
    Spot(2, LOAD, "checkpointer", "wal-segment-recycled", 1),
    Spot(2, LOAD, "checkpointer", "wal-segment-created", 1),
    Spot(4, LOAD, "bgwriter", "pwrite", 3),
    Spot(4, LOAD, "bgwriter", "buffer-written", 3),
    Spot(1, LOAD, "bgwriter", "wait", 8),
    Spot(2, LOAD, "walwriter", "pwrite", 8),
    Spot(3, LOAD, "walwriter", "fsync", 4),
    Spot(3, LOAD, "walwriter", "wal-written-not-synced", 4),
    Spot(2, LOAD, "backend", "pwrite", 40),
    Spot(3, LOAD, "backend", "fsync", 60),
    Spot(4, LOAD, "backend", "wal-written-not-synced", 50),
    Spot(3, LOAD, "backend", "commit-record-inserted", 60),
    Spot(3, LOAD, "backend", "commit-record-flushed", 60),
    Spot(2, LOAD, "backend", "commit-clog-marked", 60),
    Spot(3, LOAD, "backend", "send", 400),
    Spot(4, LOAD, "backend", "buffer-written", 6),
    Spot(3, LOAD, "backend", "relation-extended", 10),
    Spot(2, LOAD, "backend", "wal-segment-created", 1),
    Spot(2, LOAD, "backend", "wal-segment-recycled", 1),
    Spot(1, LOAD, "backend", "heap-page-changed", 150),
    Spot(2, CRASH, "startup", "redo-record-applied", 200),
    Spot(1, CRASH, "startup", "buffer-written", 2),
    Spot(1, CRASH, "startup", "pwrite", 4),
    Spot(1, CRASH, "startup", "fsync", 15),
    Spot(1, CRASH, "startup", "recovery-started", 1),
    Spot(2, CRASH, "startup", "recovery-ended", 1),
    Spot(1, SHUTDOWN, "checkpointer", "pwrite", 10),
    Spot(2, SHUTDOWN, "checkpointer", "fsync", 6),
    Spot(1, SHUTDOWN, "checkpointer", "checkpoint-record-flushed", 1),
    Spot(2, SHUTDOWN, "checkpointer", "checkpoint-control-file-written", 1),
)

AGAIN: Final = (
    Spot(1, START, "startup", "recovery-started", 1),
    Spot(5, START, "startup", "redo-record-applied", 200),
    Spot(1, START, "startup", "redo-finished", 1),
    Spot(3, START, "startup", "pwrite", 4),
    Spot(4, START, "startup", "fsync", 15),
    Spot(2, START, "startup", "fsync_directory", 10),
    Spot(2, START, "startup", "buffer-written", 2),
    Spot(2, START, "startup", "relation-extended", 2),
    Spot(1, START, "startup", "wal-written-not-synced", 1),
    Spot(3, START, "startup", "recovery-ended", 1),
    Spot(1, START, "startup", "exit", 1),
    Spot(1, START, "postmaster", "pwrite", 4),
    Spot(1, START, "checkpointer", "begin", 1),
)
"""Where the power goes once more."""


class Outage(NamedTuple):
    """What of a fault is about the power: fields of `chaos/plan.py: Fault`."""

    placed: str
    occasion: str
    then: tuple[str, ...]
    choice: int


def draw_outage(chance: random.Random) -> Outage:
    """Always draws the same number of times."""
    placed, occasion = _draw_spot(chance, FIRST)
    by_hand = chance.random() < SHARE_BY_HAND
    again = [_draw_spot(chance, AGAIN)[0] for _ in SHARES_OF_MORE[1:]]
    (more,) = chance.choices(range(len(SHARES_OF_MORE)), SHARES_OF_MORE)
    choice = chance.getrandbits(32)
    if by_hand:
        placed, occasion = "", ""
    return Outage(placed, occasion, tuple(again[:more]), choice)


def _draw_spot(chance: random.Random, spots: tuple[Spot, ...]) -> tuple[str, str]:
    (spot,) = chance.choices(spots, [spot.weight for spot in spots])
    place = Place(spot.role, spot.call, draw_count(chance, spot.about))
    return str(PlacedFault(place, Action(KILL, (ALL,)))), spot.occasion
