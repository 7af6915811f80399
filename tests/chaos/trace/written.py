"""Traces written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chaos.scheduler.calls import CALL_NUMBERS, ROLE_NUMBERS, Call
from chaos.scheduler.layout import TICK_US
from chaos.scheduler.trace import ENTRY, NOBODY
from chaos.trace.recording import Recording

Line = tuple[int, int, int, int, int, int]
"""Slot, call, a, b, checksum, next slot."""

NAMES = ("pg_wal/000000010000000000000001", "base/5/16384")
CONTROLLER, POSTMASTER, BACKEND, OTHER = range(4)


def line(
    slot: int, call: int | str, a: int = 0, b: int = 0, check: int = 0, then: int = NOBODY
) -> Line:
    """A line of a trace; a call may be given by its name."""
    return slot, CALL_NUMBERS[call] if isinstance(call, str) else call, a, b, check, then


def beginning() -> list[Line]:
    """A controller, a postmaster, and two backends: the second one's first turn comes before the
    postmaster hears of it.
    """
    backend = ROLE_NUMBERS["backend"]
    return [
        line(CONTROLLER, Call.BEGIN, 1001, ROLE_NUMBERS["controller"]),
        line(CONTROLLER, Call.WAIT, 5000, then=POSTMASTER),
        line(POSTMASTER, Call.BEGIN, 1002, ROLE_NUMBERS["postmaster"]),
        line(POSTMASTER, Call.FORK, backend, 7),
        line(POSTMASTER, "child-forked", 1003),
        line(POSTMASTER, Call.FORK, backend, 8, then=OTHER),
        line(OTHER, Call.BEGIN, 1004, backend, then=POSTMASTER),
        line(POSTMASTER, "child-forked", 1004, then=BACKEND),
        line(BACKEND, Call.BEGIN, 1003, backend),
    ]


def write(path: Path, lines: Sequence[Line], names: tuple[str, ...] = NAMES) -> Recording:
    """The trace file of these steps, each a tick after the one before."""
    entries = [bytes(ENTRY.size)]
    for number, (slot, call, a, b, check, then) in enumerate(lines, 1):
        entries.append(ENTRY.pack(number * TICK_US, slot, call, then, 0, check, a, b))
    path.write_bytes(b"".join(entries))
    return Recording(path, names)
