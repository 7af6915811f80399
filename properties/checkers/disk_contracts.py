"""What a server must do when its disk fails it, by which file the call that failed was about.

A server may answer in one of these ways, told by its log and by how its postmaster ended:

    panic       the process that met the error stops everything; a crash restart follows
    gave up     the server was not up yet, and its postmaster ends with status 1
    error       the statement fails, or the session; nobody else notices
    logged      it only says so
    nothing     it does not even say so

and which of them it may choose is the table RULES, the first row that fits. In PostgreSQL's words:
a failed fsync is a PANIC (`data_sync_elevel`, fd.c), and is never tried again, since the kernel may
have dropped what was to be synced. A failed write of WAL is a PANIC (`XLogWrite`), and so is
pg_control's; of a page, an ERROR (md.c); of the commit log, an ERROR (slru.c), which is a PANIC
where it happens in a critical section, as in COMMIT. A WAL segment is made under a temporary name:
what fails then can be tried again, so it is an ERROR, but a PANIC where WAL is written on into it.
Before the server is up there is nobody to whom an ERROR could be told: the process ends, and the
postmaster gives up. Who reads or writes less than was asked for may go on where that ended, and
nobody notices; pages are read and written whole. A checkpoint that fails at the end of recovery is
such a reason to give up as well.

Everything here comes from the history: `strike["disk"]` says what was done and where, and
`strike["disk"]["licence"]` what the log and the clients may say about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from properties.checkers.contracts import (
    ORPHAN_ENDINGS,
    Facts,
    Problem,
    came_back,
    crash_restart,
    ended_well,
    orphans_left,
    undisturbed,
)
from properties.checkers.words import some

PANIC: Final = "panic"
GAVE_UP: Final = "gave up"
ERROR: Final = "error"
LOGGED: Final = "logged"
NOTHING: Final = "nothing"

LEVEL: Final = re.compile(r"\b(LOG|WARNING|ERROR|FATAL|PANIC):  ")
PID: Final = re.compile(r"\[(\d+)\] (?:FATAL|PANIC):  |\(PID (\d+)\) (?:was terminated|exited)")

FILES: Final = (
    ("temporary WAL", re.compile(r"^pg_wal/xlogtemp")),
    ("WAL", re.compile(r"^pg_wal(/|$)")),
    ("control file", re.compile(r"^global/pg_control")),
    ("commit log", re.compile(r"^pg_xact(/|$)")),
    ("relation", re.compile(r"^(base|global)(/|$)")),
)
"""What a file is to the server, by its path in the data directory; "other" is what is left."""


class Rule(NamedTuple):
    """Who met which error at which file, and how the server may answer; empty: any."""

    who: str
    errors: str
    calls: str
    files: str
    answers: tuple[str, ...]


RULES: Final = (
    Rule("postmaster", "", "", "other", (GAVE_UP, LOGGED, NOTHING)),
    Rule("startup postmaster", "short", "pwrite", "WAL,temporary WAL", (NOTHING,)),
    Rule("startup postmaster", "short", "pread pread_into", "", (GAVE_UP, NOTHING)),
    Rule("startup postmaster", "", "", "", (GAVE_UP,)),
    Rule("", "", "fsync fsync_directory", "temporary WAL", (ERROR, PANIC)),
    Rule("", "", "fsync fsync_directory", "", (PANIC,)),
    Rule("", "short", "pwrite", "WAL,temporary WAL", (NOTHING,)),
    Rule("", "", "pwrite", "temporary WAL", (ERROR, PANIC)),
    Rule("", "", "pwrite", "WAL", (PANIC,)),
    Rule("", "", "pwrite", "control file", (PANIC,)),
    Rule("", "", "", "commit log", (ERROR, PANIC)),
    Rule("", "", "pread pread_into pwrite", "relation", (ERROR,)),
    Rule("", "", "", "", (ERROR, PANIC, LOGGED)),
)


def kind_of(path: str) -> str:
    """What the file is to the server."""
    return next((name for name, pattern in FILES if pattern.search(path)), "other")


def allowed(disk: Facts) -> tuple[str, ...]:
    """How the server may answer."""
    given = (disk["role"], disk["error"], disk["call"])
    for rule in RULES:
        wanted = (rule.who, rule.errors, rule.calls)
        fits = all(
            not words or one in words.split() for words, one in zip(wanted, given, strict=True)
        )
        if fits and (not rule.files or kind_of(disk["file"]) in rule.files.split(",")):
            return rule.answers if disk["occasion"] == "load" else (*rule.answers, GAVE_UP)
    raise LookupError(f"no rule for {given}")


def answer(strike: Facts, seen: Facts) -> str:
    """How it has answered."""
    levels = {found[1] for line in seen["reports"] if (found := LEVEL.search(line))}
    if ended_by_itself(strike, seen):
        return GAVE_UP
    if "PANIC" in levels:
        return PANIC
    if levels & {"ERROR", "FATAL"}:
        return ERROR
    return LOGGED if levels else NOTHING


def ended_by_itself(strike: Facts, seen: Facts) -> list[int]:
    """How postmasters ended that we have not killed."""
    exits = list(seen["postmaster_exits"])
    for _ in range(strike["kills"].get("all", 0) + strike["kills"].get("power-loss", 0)):
        if -9 in exits:
            exits.remove(-9)
    return exits


def disk_contract(strike: Facts, seen: Facts) -> Iterator[Problem]:
    """The server answered in a way that is allowed, and did what belongs to it."""
    disk = strike["disk"]
    seen = _without_licensed(disk, seen)
    special = {
        "quota": full_disk,
        "rot": rotten_page,
        "misdirect": page_astray,
    }.get(disk["error"])
    if special is not None:
        yield from special(strike, seen)
    elif disk["error"] == "lose":
        yield from came_back(strike, seen)
    else:
        yield from _answered(strike, seen)


def _answered(strike: Facts, seen: Facts) -> Iterator[Problem]:
    disk = strike["disk"]
    how, may = answer(strike, seen), allowed(disk)
    if how not in may:
        where = f"{disk['error']} in {disk['call']} of {disk['file'] or 'a file'} by {disk['role']}"
        yield (
            f"answered {how}",
            f"{where}: the answer was {how!r}, and had to be {' or '.join(map(repr, may))}",
        )
    if how == GAVE_UP:
        yield from gave_up(strike, seen)
    elif disk["occasion"] != "load" or strike.get("power"):
        yield from came_back(strike, seen)
    elif how == PANIC:
        yield from crash_restart(strike, seen)
    else:
        yield from undisturbed(seen, but=())


def gave_up(strike: Facts, seen: Facts) -> Iterator[Problem]:
    """The postmaster ended with status 1, and its log has the reason."""
    if odd := [status for status in ended_by_itself(strike, seen) if status != 1]:
        yield "gave up otherwise", f"a postmaster ended with exit status {some(odd)}"
    if not any(found[1] in ("FATAL", "PANIC") for line in seen["reports"] if
               (found := LEVEL.search(line))):  # fmt: skip
        yield "gave up without a reason", "a postmaster gave up, and the log does not say why"
    yield from came_back(strike, seen)


def full_disk(strike: Facts, seen: Facts) -> Iterator[Problem]:
    """Any of the answers, as long as it says why, until there is room again; then it is there."""
    if ended_by_itself(strike, seen):
        yield from gave_up(strike, seen)
    elif "crash_restart" in seen["marks"]:
        if answer(strike, seen) != PANIC:
            yield "crash without a reason", "there was a crash restart, and no PANIC says why"
        yield from orphans_left(seen)
        yield from ended_well(seen, ORPHAN_ENDINGS)
    else:
        yield from undisturbed(seen, but=())


def rotten_page(strike: Facts, seen: Facts) -> Iterator[Problem]:
    """It was noticed, unless the page was overwritten, or nobody had to read it."""
    disk = strike["disk"]
    if _is_overlooked(disk):
        where = f"block {disk['block']} of {disk['file']}"
        yield "rot not noticed", f"bit {disk['bit']} of {where} was wrong, and nobody said so"
    yield from _came_back_or_gave_up(strike, seen)


def page_astray(strike: Facts, seen: Facts) -> Iterator[Problem]:
    """The same for the block that was overwritten with another's page."""
    disk = strike["disk"]
    if _is_overlooked(disk):
        told = f"block {disk['block']} of {disk['file']} had the page of block {disk['intended']}"
        yield "misdirected write not noticed", f"{told}, and nobody said so"
    yield from _came_back_or_gave_up(strike, seen)


def _is_overlooked(disk: Facts) -> bool:
    return disk["is_read"] and disk["is_there"] and not disk["noticed"]


def _came_back_or_gave_up(strike: Facts, seen: Facts) -> Iterator[Problem]:
    if odd := [status for status in ended_by_itself(strike, seen) if status != 1]:
        yield "gave up otherwise", f"a postmaster ended with exit status {some(odd)}"
    yield from came_back(strike, seen)


# what the licence forgives -----------------------------------------------------------------------


def _without_licensed(disk: Facts, seen: Facts) -> Facts:
    """What was seen, without the connections that ended or were refused as the licence says."""
    sqlstates = [one["sqlstate"] for one in disk["licence"]["errors"]]
    said = re.compile(disk["licence"]["log"])
    lost = [why for why in seen["lost"] if why not in sqlstates and not said.search(why)]
    refusals = [why for why in seen["refusals"] if not said.search(why)]
    reports = [line for line in seen["reports"] if said.search(line)]
    return seen | {"lost": lost, "refusals": refusals, "reports": reports}


def unexplained_deaths(strike: Facts, seen: Facts) -> list[str]:
    """Deaths that the licence does not cover: not of those whose last words it has."""
    said = re.compile(strike["disk"]["licence"]["log"])
    covered = [
        found[1] or found[2]
        for line in seen["crashes"]
        if said.search(line) and (found := PID.search(line))
    ]
    covered += [
        found[1] for line in seen["reports"] if said.search(line) and (found := PID.search(line))
    ]
    return [
        line
        for line in seen["crashes"]
        if (found := PID.search(line)) is None or (found[1] or found[2]) not in covered
    ]
