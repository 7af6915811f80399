"""A fault by place: where one process is when it is struck, and what happens to it there.

Both are short texts, as a person writes them in a scenario and as a plan and a bundle keep them.

    the place                            is reached
    checkpointer fsync 3                 when the checkpointer is about to do its third fsync
    backend commit-record-flushed        when any backend first comes to that injection point
    backend of a send 2                  when session a's backend is about to send for the 2nd time
    any pwrite 100                       when any process is about to do the 100th pwrite of all
    time 2.5s                            when the virtual clock has gone so far
    lsn 0/1500000                        when some process comes to a point that is about this LSN
                                         or a later one

    the action
    kill                                 the process that is there dies (SIGKILL)
    kill postmaster+checkpointer         these die, all of them at once; `self` is the one that is
                                         there, `all` is everybody, `children` all but postmaster
    stop 200ms, stop bgwriter 2s         does not run for so long
    eio, enospc 3 times                  the call fails so, this time and the next two
    short                                the call reads or writes half of what it was asked to
    drop                                 the connection that the call is about is reset
    lose                                 the pwrite (or fsync) says that it is done, and is not
    misdirect                            what the pwrite writes goes to the neighbouring 8 kB block
                                         of the file, if it has one
    delay 5ms                            the call takes so long, or the wake-up comes so late
    clock +1h                            the wall clock jumps; the monotonic clock does not

Counts and times begin when the fault is armed. Whole faults are written `PLACE: ACTION`. Names of
calls are those of the engine's door; a name with a hyphen is one of its injection points, and the
target says whether it has it.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import Final

ROLES: Final = (
    "postmaster",
    "startup",
    "checkpointer",
    "bgwriter",
    "walwriter",
    "logger",
    "backend",
    "dead-end",
)
ANY: Final = "any"
SELF: Final = "self"
ALL: Final = "all"
CHILDREN: Final = "children"

CALLS: Final = (
    *("open", "close", "pread", "pread_into", "pwrite", "fsync", "fsync_directory", "truncate"),
    *("file_size", "rename", "unlink", "make_directory", "list_directory", "stat", "lock_file"),
    *("listen_unix", "listen_tcp", "accept", "receive", "send", "pipe", "redirect_output"),
    *("begin", "write_log", "now_us", "monotonic_us", "sleep", "random_bytes"),
    *("fork", "detach", "exit", "last_words", "pid", "parent_pid", "catch_signals", "signal"),
    *("take_signals", "reap", "process_exists", "set_title"),
    *("map_shared", "create_mutexes", "mutex_acquire", "mutex_release", "create_latches", "wake"),
    *("wait", "ready_descriptors"),
)

ERRORS: Final = {
    name.lower(): getattr(errno, name)
    for name in ("EIO", "ENOSPC", "EINTR", "EDQUOT", "ENOMEM", "EMFILE", "EACCES")
}
"""What a call may be made to fail with."""

KILL: Final = "kill"
STOP: Final = "stop"
ERROR: Final = "error"
SHORT: Final = "short"
DROP: Final = "drop"
LOSE: Final = "lose"
MISDIRECT: Final = "misdirect"
DELAY: Final = "delay"
CLOCK: Final = "clock"

_UNITS_US: Final = {"h": 3_600_000_000, "min": 60_000_000, "s": 1_000_000, "ms": 1000, "us": 1}
_DURATION: Final = re.compile(r"(\d+)(?:\.(\d+))?(h|min|s|ms|us)")
_LSN: Final = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")
_POINT: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+")
_SESSION: Final = re.compile(r"[a-z]\w*")
_PLACES: Final = "ROLE [of SESSION] CALL|POINT [N], time DURATION, or lsn X/X"
_ACTIONS: Final = (
    "kill [WHO], stop [WHO] DURATION, "
    + ", ".join(ERRORS)
    + " [N times], short, drop, lose, misdirect, delay DURATION, or clock +|-DURATION"
)
_ONLY_AT: Final = {
    LOSE: ("pwrite", "fsync", "fsync_directory"),
    MISDIRECT: ("pwrite",),
}
"""Actions of a disk, and the calls at which it can do them."""


class PlaceError(ValueError):
    """A text that is no place, or no action; the message says what is allowed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fault strikes: exactly one of a call (or injection point), a time, an LSN.

    `session` narrows the role `backend` to the one that serves this session of a scenario.
    """

    role: str = ANY
    call: str = ""
    count: int = 1
    session: str = ""
    time_us: int | None = None
    lsn: int | None = None

    @property
    def is_point(self) -> bool:
        """Whether `call` is an injection point."""
        return "-" in self.call

    def __str__(self) -> str:
        if self.time_us is not None:
            return f"time {format_duration(self.time_us)}"
        if self.lsn is not None:
            return f"lsn {format_lsn(self.lsn)}"
        role = f"{self.role} of {self.session}" if self.session else self.role
        return f"{role} {self.call}" + (f" {self.count}" if self.count != 1 else "")


@dataclass(frozen=True, slots=True)
class Action:
    """What happens there.

    `who` is for kills and stops: roles, `self`, `children` or `all`. `duration_us` is for stops and
    delays, and may be negative for the clock. `times` is how many calls in a row fail.
    """

    kind: str
    who: tuple[str, ...] = ()
    errno: int = 0
    duration_us: int = 0
    times: int = 1

    def __str__(self) -> str:
        if self.kind == ERROR:
            name = errno.errorcode[self.errno].lower()
            return name + (f" {self.times} times" if self.times != 1 else "")
        words = [self.kind]
        if self.who and self.who != (SELF,):
            words.append("+".join(self.who))
        if self.kind == CLOCK:
            sign = "-" if self.duration_us < 0 else "+"
            words.append(sign + format_duration(abs(self.duration_us)))
        elif self.kind in (STOP, DELAY):
            words.append(format_duration(self.duration_us))
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class PlacedFault:
    """A fault to be armed: it strikes once, when its place is reached."""

    place: Place
    action: Action

    def __post_init__(self) -> None:
        calls = _ONLY_AT.get(self.action.kind, ())
        if calls and self.place.call not in calls:
            raise PlaceError(f"{str(self.action)!r} is done at {' or '.join(calls)} only")

    def __str__(self) -> str:
        return f"{self.place}: {self.action}"


# reading -----------------------------------------------------------------------------------------


def parse_fault(text: str) -> PlacedFault:
    """`PLACE: ACTION`; PlaceError."""
    place, colon, action = text.partition(":")
    if not colon:
        raise PlaceError(f"{text!r} is no fault: write PLACE: ACTION")
    return PlacedFault(parse_place(place), parse_action(action))


def parse_place(text: str) -> Place:
    """A place as the head of this file shows them; PlaceError."""
    match text.split():
        case ["time", duration]:
            return Place(time_us=parse_duration(duration))
        case ["lsn", lsn]:
            return Place(lsn=parse_lsn(lsn))
        case [role, "of", session, call]:
            return _call(role, call, "1", session)
        case [role, "of", session, call, count]:
            return _call(role, call, count, session)
        case [role, call]:
            return _call(role, call, "1")
        case [role, call, count]:
            return _call(role, call, count)
        case _:
            raise PlaceError(f"{text!r} is no place: write {_PLACES}")


def _call(role: str, call: str, count: str, session: str = "") -> Place:
    if role not in (*ROLES, ANY):
        raise PlaceError(f"there is no role {role!r}: there are {', '.join(ROLES)}, and {ANY}")
    if session and (role != "backend" or not _SESSION.fullmatch(session)):
        raise PlaceError(f"{role} of {session}: only a backend is one of a session's")
    if call not in CALLS and not _POINT.fullmatch(call):
        raise PlaceError(
            f"there is no call {call!r}: give a call of the host ({', '.join(CALLS)}), or an "
            "injection point, whose name has a hyphen"
        )
    return Place(role, call, _positive(count), session)


def parse_action(text: str) -> Action:
    """An action as the head of this file shows them; PlaceError."""
    match text.split():
        case ["kill"]:
            return Action(KILL, (SELF,))
        case ["kill", who]:
            return Action(KILL, parse_who(who))
        case ["stop", duration]:
            return Action(STOP, (SELF,), duration_us=parse_duration(duration))
        case ["stop", who, duration]:
            return Action(STOP, parse_who(who), duration_us=parse_duration(duration))
        case ["delay", duration]:
            return Action(DELAY, duration_us=parse_duration(duration))
        case ["clock", jump] if jump[0] in "+-":
            sign = -1 if jump[0] == "-" else 1
            return Action(CLOCK, duration_us=sign * parse_duration(jump[1:]))
        case ["short" | "drop" | "lose" | "misdirect" as kind]:
            return Action(kind)
        case [name] if name in ERRORS:
            return Action(ERROR, errno=ERRORS[name])
        case [name, count, "times"] if name in ERRORS:
            return Action(ERROR, errno=ERRORS[name], times=_positive(count))
        case _:
            raise PlaceError(f"{text.strip()!r} is no action: write {_ACTIONS}")


def parse_who(text: str) -> tuple[str, ...]:
    """`postmaster+checkpointer`; `all` and `children` stand alone."""
    who = tuple(text.split("+"))
    for word in who:
        if word not in (*ROLES, SELF, CHILDREN, ALL):
            raise PlaceError(
                f"there is no {word!r} to strike: there are {', '.join(ROLES)}, {SELF}, "
                f"{CHILDREN} and {ALL}"
            )
    if len(set(who)) < len(who) or (ALL in who and len(who) > 1):
        raise PlaceError(f"{text!r} names a process twice")
    return who


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise PlaceError(f"{text!r} is no count: counting begins with 1")
    return int(text)


# durations and LSNs ------------------------------------------------------------------------------


def parse_duration(text: str) -> int:
    """`2.5s`, `300ms`, `1h` as microseconds."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise PlaceError(f"{text!r} is no duration: write a number and {', '.join(_UNITS_US)}")
    whole, fraction, unit = found[1], found[2] or "", _UNITS_US[found[3]]
    scale: int = 10 ** len(fraction)
    parts, remainder = divmod(int(fraction or "0") * unit, scale)
    if remainder:
        raise PlaceError(f"{text!r} is finer than a microsecond")
    return int(whole) * unit + parts


def format_duration(microseconds: int) -> str:
    """In the largest unit of which it is a whole number: the shortest text that reads back."""
    for name, unit in _UNITS_US.items():
        if microseconds and microseconds % unit == 0:
            return f"{microseconds // unit}{name}"
    return f"{microseconds}us"


def parse_lsn(text: str) -> int:
    """`0/15018A0` as a number."""
    found = _LSN.fullmatch(text)
    if found is None:
        raise PlaceError(f"{text!r} is no LSN: write it as 0/15018A0")
    return int(found[1], 16) << 32 | int(found[2], 16)


def format_lsn(lsn: int) -> str:
    """As PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
