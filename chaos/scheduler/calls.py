"""The calls of the door as numbers: what a step may be, and what a place may name.

A name is the call's name in `engine.host.api.Host`; a mutex's two calls carry its name in front.
Injection points follow, by the names in `engine.host.points`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from engine.host.points import Point


class Call(IntEnum):
    """A call of the host. Reads of what no other process can change in between are not steps."""

    BEGIN = 0
    """Not a call: a participant has its first turn. Says its virtual pid and its role."""
    OPEN = 1
    CLOSE = 2
    PREAD = 3
    PREAD_INTO = 4
    PWRITE = 5
    FSYNC = 6
    FSYNC_DIRECTORY = 7
    TRUNCATE = 8
    FILE_SIZE = 9
    RENAME = 10
    UNLINK = 11
    MAKE_DIRECTORY = 12
    LIST_DIRECTORY = 13
    STAT = 14
    LOCK_FILE = 15
    LISTEN_UNIX = 16
    LISTEN_TCP = 17
    ACCEPT = 18
    RECEIVE = 19
    SEND = 20
    PIPE = 21
    REDIRECT_OUTPUT = 22
    WRITE_LOG = 23
    SLEEP = 24
    RANDOM_BYTES = 25
    FORK = 26
    EXIT = 27
    SIGNAL = 28
    TAKE_SIGNALS = 29
    REAP = 30
    PROCESS_EXISTS = 31
    MAP_SHARED = 32
    CREATE_MUTEXES = 33
    CREATE_LATCHES = 34
    MUTEX_ACQUIRE = 35
    MUTEX_RELEASE = 36
    WAKE = 37
    WAIT = 38
    DEATH = 39
    """Not a call: a participant has died, or is about to."""


FIRST_POINT: Final = 48
CALLS: Final = 128
"""How many numbers there are, for calls and points together."""

POINT_NUMBERS: Final = {point: FIRST_POINT + index for index, point in enumerate(Point)}
CALL_NAMES: Final = {call.value: call.name.lower() for call in Call} | {
    number: point.value for point, number in POINT_NUMBERS.items()
}
CALL_NUMBERS: Final = {name: number for number, name in CALL_NAMES.items()}
LSN_POINTS: Final = frozenset(
    (POINT_NUMBERS[Point.WAL_RECORD_COPIED], POINT_NUMBERS[Point.REDO_RECORD_APPLIED])
)
"""Points whose value is an LSN that the world has just reached."""

ROLES: Final = (
    "controller",
    "postmaster",
    "startup",
    "checkpointer",
    "bgwriter",
    "walwriter",
    "logger",
    "backend",
    "dead-end",
    "archiver",
    "autovacuum launcher",
    "autovacuum worker",
    "walsender",
    "walreceiver",
    "background worker",
    "other",
)
ROLE_NUMBERS: Final = {name: number for number, name in enumerate(ROLES)}
CONTROLLER: Final = ROLE_NUMBERS["controller"]
POSTMASTER: Final = ROLE_NUMBERS["postmaster"]
