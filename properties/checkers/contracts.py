"""What a server must do after a fault, by the process that was struck.

- backend, checkpointer, bgwriter, walwriter killed: the postmaster survives, ends all others but
  the logger, makes shared memory anew and replays; clients lose their connections.
- logger killed: it alone is replaced; nobody notices.
- startup killed: the postmaster gives up and exits with status 1; PostgreSQL 15 may have to be
  woken for that (`chaos/faults/hunting.py`).
- postmaster killed: its children leave by themselves; while one of them lives, no other postmaster
  starts; then one starts and replays.
- postmaster+children, all: another postmaster starts and replays.
- several at once, or one while the server starts or stops: it comes back; so it does if the disk
  was to fail at a place that nobody reached.
- stopped and continued: nothing happens.

What a disk that fails demands is in `disk_contracts.py`.

Source: PostgreSQL 15, postmaster.c (`reaper`, `HandleChildCrash`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from properties.checkers.words import some

Facts = dict[str, Any]
Problem = tuple[str, str]
"""What kind of thing is wrong, and what."""

AUXILIARY: Final = ("checkpointer", "bgwriter", "walwriter")
CRASH_ENDINGS: Final = re.compile(
    r"^57P02$|server closed the connection|closed an idle connection|reset by peer|Broken pipe"
)
ORPHAN_ENDINGS: Final = re.compile(
    CRASH_ENDINGS.pattern + r"|^57P01$|due to unexpected postmaster exit"
)
REFUSALS: Final = re.compile(
    r"starting up|in recovery mode|not yet accepting connections|shutting down|Connection refused"
    r"|No such file or directory|server closed the connection|reset by peer|Broken pipe"
)
SHUTDOWN_REFUSALS: Final = re.compile(REFUSALS.pattern + r"|due to administrator command")
"""Who was let in a moment before, and had not been told yet that it may ask."""


def replayed(seen: Facts) -> Iterator[Problem]:
    """Every crash is followed by a recovery."""
    if not {"redo_started", "redo_not_required"} & set(seen["marks"]):
        yield "no recovery", "the log tells of no recovery"


def crash_restart(_strike: Facts, seen: Facts) -> Iterator[Problem]:
    """All others end, shared memory is made anew, WAL is replayed."""
    if seen["postmaster_exits"]:
        what = f"the postmaster ended (exit status {seen['postmaster_exits'][0]})"
        yield "postmaster ended", what
        return
    if stayed := [role for role in AUXILIARY if role not in seen["replaced"]]:
        yield "no crash restart", f"there was no crash restart: {some(stayed)} went on"
    if seen["backends_kept"]:
        what = f"there was no crash restart: {seen['backends_kept']} backends went on"
        yield "no crash restart", what
    if "logger" not in seen["kept"]:
        yield "logger gone", "the logger did not survive"
    if "crash_restart" not in seen["marks"] or "reinitialized" not in seen["marks"]:
        yield "no crash restart", "the log tells of no crash restart"
    yield from replayed(seen)
    yield from ended_well(seen, CRASH_ENDINGS)


def alone(_strike: Facts, seen: Facts) -> Iterator[Problem]:
    """Only the killed process is replaced."""
    yield from undisturbed(seen, but=("logger",))
    if "logger" not in seen["replaced"]:
        yield "logger not replaced", "the logger was not started again"


def nothing(_strike: Facts, seen: Facts) -> Iterator[Problem]:
    """Nothing happens."""
    yield from undisturbed(seen, but=())


def undisturbed(seen: Facts, but: tuple[str, ...]) -> Iterator[Problem]:
    """Nobody is replaced, and no client is disconnected."""
    if seen["postmaster_exits"]:
        what = f"the postmaster ended (exit status {seen['postmaster_exits'][0]})"
        yield "postmaster ended", what
    if gone := [role for role in seen["replaced"] + seen["missing"] if role not in but]:
        yield "others replaced", f"{some(gone)} did not survive"
    if "crash_restart" in seen["marks"]:
        yield "crash restart", "there was a crash restart"
    if seen["lost"]:
        yield "connections lost", f"clients lost their connections: {some(seen['lost'])}"


def gave_up(strike: Facts, seen: Facts) -> Iterator[Problem]:
    """A killed startup process ends its postmaster."""
    killed = [hunt for hunt in strike["hunts"] if hunt["killed"]]
    for hunt in killed:
        if hunt["exit"] is None:
            what = f"the postmaster went on after its startup process was killed{_with_whom(hunt)}"
            yield "did not give up", what
        elif hunt["exit"] != 1:
            what = f"the postmaster did not give up with exit status 1 but with {hunt['exit']}"
            yield "gave up otherwise", what
    if killed and "gave_up" not in seen["marks"]:
        yield "gave up otherwise", "the log does not say that the postmaster gave up"
    if odd := unexplained_exits(strike, killed, seen):
        yield "postmaster ended", f"a postmaster ended by itself (exit status {some(odd)})"
    yield from orphans_left(seen)
    yield from replayed(seen)
    yield from ended_well(seen, ORPHAN_ENDINGS)


def _with_whom(hunt: Facts) -> str:
    """What was left of a server that was to be gone, and what it logged last."""
    left, lines = hunt.get("left", []), hunt.get("last_lines", [])
    said = f"; its children then: {some(left)}" if left else ""
    return said + (f"; it logged last: {lines[-1]}" if lines else "")


def unexplained_exits(strike: Facts, killed: list[Facts], seen: Facts) -> list[int]:
    """How postmasters ended that neither we killed nor a killed startup process ended."""
    explained: list[int] = [-9] * strike["kills"].get("all", 0)
    explained += [hunt["exit"] for hunt in killed if hunt["exit"] is not None]
    exits: Counter[int] = Counter(seen["postmaster_exits"])
    return sorted((exits - Counter(explained)).elements())


def started_anew(strike: Facts, seen: Facts) -> Iterator[Problem]:
    """The postmaster is dead, its children leave, another one starts."""
    if not seen["launches"]:
        yield "postmaster did not die", "the postmaster did not die"
        return
    if seen["launches"] > 1:
        exits = seen["postmaster_exits"][1:]
        what = f"the server did not start at once; a postmaster exited with status {some(exits)}"
        yield "no start", what
    if seen["refused_while_orphans"] is False:
        yield "two servers", "another postmaster started while a process of the old one was alive"
    if seen["refused_while_orphans"] and "old_processes" not in seen["marks"]:
        what = "a start while a process of the old postmaster was alive failed for another reason"
        yield "refused otherwise", what
    yield from orphans_left(seen)
    yield from replayed(seen)
    yield from ended_well(seen, ORPHAN_ENDINGS)


def came_back(_strike: Facts, seen: Facts) -> Iterator[Problem]:
    """Several died, or one while the server started or stopped: it came back, and nobody stayed."""
    yield from orphans_left(seen)
    yield from ended_well(seen, ORPHAN_ENDINGS, SHUTDOWN_REFUSALS)


def lit_again(strike: Facts, seen: Facts) -> Iterator[Problem]:
    """Each start either loses the power too, or goes through. There is no recovery after a shutdown
    that was complete.
    """
    yield from came_back(strike, seen)
    explained = (-9, 0)  # killed with all others; shut down before that
    if odd := [status for status in seen["postmaster_exits"] if status not in explained]:
        what = f"the server did not start at once; a postmaster exited with status {some(odd)}"
        yield "no start", what


def orphans_left(seen: Facts) -> Iterator[Problem]:
    """Children of a dead postmaster notice, and leave."""
    if seen["orphans_left"]:
        yield "orphans", f"the postmaster was dead, but these stayed: {some(seen['orphans_left'])}"


def ended_well(
    seen: Facts, endings: re.Pattern[str], refusals: re.Pattern[str] = REFUSALS
) -> Iterator[Problem]:
    """Clients are disconnected and refused in no other way than a crash explains."""
    if odd := [why for why in seen["lost"] if not endings.search(why)]:
        yield "connections ended otherwise", f"connections ended in an unexpected way: {some(odd)}"
    if odd := [why for why in seen["refusals"] if not refusals.search(why)]:
        what = f"connections were refused in an unexpected way: {some(odd)}"
        yield "connections refused otherwise", what


CONTRACTS: Final[dict[str, Callable[[Facts, Facts], Iterator[Problem]]]] = {
    "backend": crash_restart,
    "checkpointer": crash_restart,
    "bgwriter": crash_restart,
    "walwriter": crash_restart,
    "logger": alone,
    "startup": gave_up,
    "stop:startup": gave_up,
    "postmaster": started_anew,
    "postmaster+children": started_anew,
    "all": started_anew,
    "place": came_back,
    "fsync-fails": came_back,
    "io-error": came_back,
    "disk-full": came_back,
    "short-io": came_back,
    "bit-rot": came_back,
    "wal-rot": came_back,
    "misdirected-write": came_back,
    "lost-write": came_back,
    "power-loss": lit_again,
}
