"""Draws places for faults, from what is known to be reached (chaos/faults/reach.py).

Three ways, since no single one finds both what is rare and what is likely to be wrong:

    by turn        every role, occasion and call of the table in a fixed order, which the seeds walk
                   through: so many seeds in a row as the table has entries strike each of them
    in the midst   where somebody has begun to change what others see, and holds locks
    by kind        any call or point of the role that the cycle's kind of kill is about

By turn and in the midst, the kind says only whether all die.
"""

from __future__ import annotations

import math
import random
from typing import Final

from chaos.faults.places import (
    ALL,
    CLOCK,
    DELAY,
    ERROR,
    ERRORS,
    KILL,
    SELF,
    SHORT,
    STOP,
    Action,
    Place,
    PlacedFault,
)
from chaos.faults.reach import FILLING, HOLDING, INTERLOCK, LOAD, REACH, TRUNCATING

SHARE_OF_LOAD: Final = 0.6
SHARE_OF_POINTS: Final = 0.5
"""An injection point is a place of which somebody thought that a crash there is worth a test."""
SHARE_IN_THE_MIDST: Final = 0.6
"""Of what is not by turn. Crash recovery is there for the changes that were not completed."""
SHARE_OF_FIRST: Final = 0.75
"""By turn it is most often the first time that somebody gets there: many never do twice."""
EVERY_TURN: Final = 4
"""By turn is one cycle of so many."""
SHARE_ALONE: Final = 0.85
ENDS_ALL: Final = ("all", "postmaster+children")
COMPANY: Final = (
    (SELF, "postmaster"),
    (SELF, "checkpointer"),
    (SELF, "walwriter"),
    (SELF, "backend"),
    (ALL,),
)
"""Who may die together with the one that is at the place."""

MIDST: Final = (
    *(("backend", "heap-page-changed"),) * 3,
    *(("backend", "heap-record-inserted"),) * 3,
    *(("backend", "wal-record-copied"),) * 3,
    ("backend", "commit-record-inserted"),
    ("backend", "commit-clog-marked"),
    ("backend", "buffer-victim-chosen"),
    ("backend", "mutex_acquire"),
    ("backend", "mutex_release"),
    ("checkpointer", "buffer-written"),
    ("checkpointer", "checkpoint-redo-taken"),
    ("walwriter", "wal-written-not-synced"),
    ("bgwriter", "buffer-written"),
)
"""Under load: most often a backend between the change of a page and the end of its lock on it."""

TURNS: Final = tuple(
    (role, occasion, call)
    for role in sorted(REACH)
    for occasion in sorted(REACH[role])
    for call in sorted(REACH[role][occasion])
)

BY_TURN_ONLY: Final = (FILLING, TRUNCATING, HOLDING, INTERLOCK)
"""Occasions that take long, each for a few places."""

DISTURBANCES: Final = (
    ("backend", "send", 300, Action(SHORT)),
    ("backend", "receive", 300, Action(SHORT)),
    ("walwriter", "pwrite", 8, Action(SHORT)),
    ("backend", "wait", 300, Action(ERROR, errno=ERRORS["eintr"])),
    ("checkpointer", "wait", 4, Action(ERROR, errno=ERRORS["eintr"])),
    ("postmaster", "wait", 4, Action(ERROR, errno=ERRORS["eintr"])),
    ("backend", "wake", 40, Action(DELAY, duration_us=5_000)),
    ("backend", "mutex_release", 5000, Action(DELAY, duration_us=2_000)),
    ("walwriter", "fsync", 4, Action(DELAY, duration_us=50_000)),
    ("backend", "commit-record-flushed", 50, Action(STOP, (SELF,), duration_us=30_000)),
    ("backend", "heap-page-changed", 100, Action(STOP, (SELF,), duration_us=30_000)),
    ("checkpointer", "checkpoint-redo-taken", 1, Action(STOP, (SELF,), duration_us=100_000)),
    ("checkpointer", "buffer-written", 20, Action(STOP, (SELF,), duration_us=100_000)),
    ("walwriter", "wal-written-not-synced", 4, Action(STOP, (SELF,), duration_us=100_000)),
    ("bgwriter", "wait", 8, Action(CLOCK, duration_us=3_600_000_000)),
    ("backend", "wait", 200, Action(CLOCK, duration_us=-60_000_000)),
)
"""Faults that nobody may notice: role, call, about how often it is made, and what happens.

Of writes only the WAL writer's: WAL is written on where a write ended, but a short write of a page
is an error, as if the disk were full.
"""


def draw_count(chance: random.Random, about: int) -> int:
    """Which time: the first ones are as likely as all the later ones."""
    return min(about, int(10 ** chance.uniform(0, math.log10(about + 1))))


def turn_of(seed: int, number: int) -> int | None:
    """Which entry of TURNS the cycle of that number is about, if it is one by turn.

    The first time that the seeds walk through the table it is the first cycle of four, on a server
    that is new; the next time the second, and so on.
    """
    fours, place = divmod(number - 1, EVERY_TURN)
    if place != seed // len(TURNS) % EVERY_TURN:
        return None
    return (seed + fours * (len(TURNS) // 3)) % len(TURNS)


def draw_place(
    chance: random.Random, seed: int, number: int, kind: str, *, strictly: bool = False
) -> tuple[str, str]:
    """For a kind of kill in the cycle of that number: the placed fault as text, and its occasion.
    `strictly`: only of the kind's own role.
    """
    in_the_midst = chance.random() < SHARE_IN_THE_MIDST
    where = _draw_by_kind(chance, kind)
    midst, first = chance.choice(MIDST), chance.random() < SHARE_OF_FIRST
    turn = turn_of(seed, number)
    if turn is not None and not strictly:
        where = TURNS[turn]
    elif in_the_midst and not strictly:
        where, first = (midst[0], LOAD, midst[1]), False
    else:
        first = False
    role, occasion, call = where
    count = draw_count(chance, REACH[role][occasion][call])
    alone, company = chance.random() < SHARE_ALONE, chance.choice(COMPANY)
    who = (ALL,) if kind in ENDS_ALL else (SELF,) if alone else company
    action = Action(KILL, who)
    hold_us = chance.choice((5_000, 120_000))
    if kind.startswith("stop:") and role == kind.removeprefix("stop:"):
        action = Action(STOP, (SELF,), duration_us=hold_us)
    return str(PlacedFault(Place(role, call, 1 if first else count), action)), occasion


def _draw_by_kind(chance: random.Random, kind: str) -> tuple[str, str, str]:
    """Role, occasion and call; always draws the same number of times."""
    drawn = chance.choice(sorted(REACH))
    instead = chance.random()
    role = kind.removeprefix("stop:")
    role = role if role in REACH else drawn
    if kind == "backend" and instead < 0.1:
        role = "dead-end"
    occasions = REACH[role]
    others = sorted(set(occasions) - {LOAD, *BY_TURN_ONLY})
    in_load, other = chance.random() < SHARE_OF_LOAD, chance.random()
    occasion = LOAD if LOAD in occasions and (in_load or not others) else ""
    occasion = occasion or others[int(other * len(others))]
    calls = sorted(occasions[occasion])
    points = [call for call in calls if "-" in call]
    at_point, which = chance.random() < SHARE_OF_POINTS, chance.random()
    pool = points if points and at_point else calls
    return role, occasion, pool[int(which * len(pool))]


def draw_disturbances(chance: random.Random) -> tuple[str, ...]:
    """Some faults that nobody may notice, in about every second cycle."""
    drawn = []
    for _ in range(3):
        role, call, about, action = chance.choice(DISTURBANCES)
        drawn.append(str(PlacedFault(Place(role, call, draw_count(chance, about)), action)))
    return tuple(drawn[: chance.choice((0, 0, 0, 1, 2, 3))])
