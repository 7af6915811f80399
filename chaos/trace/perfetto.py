"""A trace as Chrome trace JSON, which https://ui.perfetto.dev and chrome://tracing open.

A lane per process, in order of birth. In a lane, a slice is a time for which the process had the
turn, with its calls as slices in it; injection points, births and deaths are instant events. Time
is virtual; each step takes some, so steps never lie upon each other. What a slice is about stands
in its arguments, with the number of the step, by which the text has it too.

A trace of more than ALL_UP_TO steps is shown without the calls in DETAILS, which are most of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any, Final

from chaos.scheduler.calls import CALL_NAMES, FIRST_POINT, Call
from chaos.scheduler.layout import TICK_US
from chaos.trace.recording import Recording
from chaos.trace.steps import Cast, Process, Step, steps
from chaos.trace.text import Wording

ALL_UP_TO: Final = 300_000
DETAILS: Final = frozenset(
    (
        Call.MUTEX_ACQUIRE,
        Call.MUTEX_RELEASE,
        Call.WAIT,
        Call.WAKE,
        Call.RECEIVE,
        Call.SEND,
        Call.PREAD,
        Call.PREAD_INTO,
        Call.FILE_SIZE,
        Call.CLOSE,
        Call.STAT,
        Call.REAP,
    )
)
_WORLD: Final = 1
"""The lanes are the threads of one process of the viewer's."""


def write_perfetto(file: IO[str], recording: Recording, *, is_long: bool) -> None:
    """Write the JSON; `is_long`: without the details."""
    file.write('{"displayTimeUnit":"ms","traceEvents":[\n')
    file.write(json.dumps(_named("process_name", 0, "the world")))
    for event in _events(recording, DETAILS if is_long else frozenset()):
        file.write(",\n")
        file.write(json.dumps(event, separators=(",", ":")))
    file.write("\n]}\n")


def _events(recording: Recording, left_out: frozenset[int]) -> Iterator[dict[str, Any]]:
    """The slices of the turns come when they are over: the format asks for no order."""
    cast = Cast()
    wording = Wording(recording.names, cast)
    known: set[int] = set()
    turn: _Turn | None = None
    for step in steps(recording.entries(), cast):
        process = step.process
        if process.vpid not in known:
            known.add(process.vpid)
            yield from _lane(process)
        if step.call == Call.DEATH:
            yield _instant(step, wording)
        else:
            if turn is None:
                turn = _Turn(step)
            turn.end_us = step.time_us + TICK_US
            if step.call >= FIRST_POINT or step.call == Call.BEGIN:
                yield _instant(step, wording)
            elif step.call not in left_out:
                yield _call(step, wording)
        if step.next is not None and turn is not None:
            yield turn.to_event(step)
            turn = None
    if turn is not None:
        yield turn.to_event(None)


class _Turn:
    """The time for which one process has had the turn."""

    def __init__(self, first: Step) -> None:
        self.first = first
        self.end_us = first.time_us

    def to_event(self, last: Step | None) -> dict[str, Any]:
        """The slice."""
        first = self.first
        about: dict[str, Any] = {"first step": first.number}
        if last is not None:
            about |= {"last step": last.number, "next": str(last.next)}
        return _slice("turn", first, self.end_us - first.time_us, about)


def _lane(process: Process) -> list[dict[str, Any]]:
    order = _named("thread_sort_index", process.vpid, None)
    order["args"] = {"sort_index": process.vpid}
    return [_named("thread_name", process.vpid, str(process)), order]


def _named(kind: str, lane: int, name: str | None) -> dict[str, Any]:
    return {"ph": "M", "pid": _WORLD, "tid": lane, "name": kind, "args": {"name": name}}


def _slice(name: str, step: Step, duration_us: int, about: dict[str, Any]) -> dict[str, Any]:
    return {
        "ph": "X",
        "pid": _WORLD,
        "tid": step.process.vpid,
        "ts": step.time_us,
        "dur": duration_us,
        "name": name,
        "args": about,
    }


def _call(step: Step, wording: Wording) -> dict[str, Any]:
    about = {"step": step.number, "call": wording.call(step)}
    return _slice(CALL_NAMES.get(step.call, f"call {step.call}"), step, TICK_US, about)


def _instant(step: Step, wording: Wording) -> dict[str, Any]:
    return {
        "ph": "i",
        "s": "t",
        "pid": _WORLD,
        "tid": step.process.vpid,
        "ts": step.time_us,
        "name": wording.call(step),
        "args": {"step": step.number},
    }
