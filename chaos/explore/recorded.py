"""What was recorded of a run: the log of its I/O, and what the clients knew at each place of it.

A *place* is a number of operations of the log: a crash at place 7 comes when operations 0 to 6 have
been done and operation 7 has not. Each event of the history has the place at which the controller
saw it; whatever the server does between two operations is the same place.

EXPLORE-1  What must survive a crash at a place is what had been acknowledged when the crash came: a
           transaction whose answer came at a later place may be there or not. A transaction whose
           COMMIT had not yet been sent has failed.
"""

from __future__ import annotations

import copy
import dataclasses
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chaos.disk.image import Image
from chaos.disk.operations import Operation as DiskOperation
from chaos.history import NEMESIS, Event, EventType, History, Process
from chaos.suffix import is_asynchronous
from chaos.workloads.api import Body, Operation

STRIKE: Final = "power cut"
CUT: Final = "the power was cut"
"""The error of what was under way."""


Known = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Moment:
    """A statement that a transaction was about to send: where, what the transaction had seen until
    then, and whether the statement is one that commits.
    """

    place: int
    value: Any
    commits: bool


class PlacedHistory(History):
    """A history whose events have places."""

    def __init__(self, now_s: Callable[[], float], place: Callable[[], int]) -> None:
        super().__init__(now_s)
        self.places: list[int] = []
        self.moments: dict[int, list[Moment]] = {}
        self._place = place

    def _add(
        self,
        kind: EventType,
        process: Process,
        f: str,
        value: Any,
        transaction: int | None,
        isolation: str | None,
        error: str | None,
    ) -> Event:
        self.places.append(self._place())
        return super()._add(kind, process, f, value, transaction, isolation, error)

    def watched(self, operation: Operation) -> Operation:
        """The same operation; each statement that it sends is noted."""
        body = operation.body

        def watched_body(value: Any) -> Body:
            # The driver has just recorded the invocation.
            moments = self.moments.setdefault(len(self.events) - 1, [])
            inner, answer = body(value), None
            try:
                while True:
                    try:
                        statement = next(inner) if answer is None else inner.send(answer)
                    except StopIteration:
                        return
                    moments.append(Moment(self._place(), copy.deepcopy(value), statement.commits))
                    answer = yield statement
            finally:
                inner.close()

        return dataclasses.replace(operation, body=watched_body)


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the recorded run, from a place on."""

    name: str
    place: int


@dataclass(slots=True)
class Recorded:
    """One recorded run.

    `base` is the data directory before operation 0. From place `first` on the workload's tables are
    there. `workload` and `mix` say whose audit is to be read.
    """

    base: Image
    operations: list[DiskOperation]
    events: list[Event]
    places: list[int]
    moments: dict[int, list[Moment]]
    first: int
    workload: str
    mix: dict[str, dict[str, Any]]
    settings: dict[str, str]
    phases: list[Phase] = field(default_factory=list)
    checkpoints: int = 0
    acknowledged: int = 0
    steps: int = 0
    virtual_s: float = 0.0
    _statement_places: list[int] | None = None

    def heard(self, place: int) -> int:
        """How many events had been seen when the crash came at this place."""
        return bisect_right(self.places, place)

    def known_at(self, place: int) -> Known:
        """Equal for places with the same history: how many events and statements there had been."""
        if self._statement_places is None:
            noted = (one.place for moments in self.moments.values() for one in moments)
            self._statement_places = sorted(noted)
        return self.heard(place), bisect_right(self._statement_places, place)

    def history_at(self, place: int) -> list[Event]:
        """The history of a run that was cut off at this place (EXPLORE-1)."""
        events = self.events[: self.heard(place)]
        open_events: dict[Process, Event] = {}
        for event in events:
            if event.type == "invoke":
                open_events[event.process] = event
            else:
                open_events.pop(event.process, None)
        for invocation in list(open_events.values()):
            events.append(self._cut(invocation, place, len(events)))
        if not self.is_synchronous:
            events.append(_power_loss(events))
        return events

    @property
    def is_synchronous(self) -> bool:
        """Whether what is acknowledged is durable: else the checkers must know of the crash, since
        it may take some of that.
        """
        return not is_asynchronous(self.settings)

    def phase_at(self, place: int) -> str:
        """What the run was at."""
        return next((phase.name for phase in reversed(self.phases) if phase.place <= place), "")

    def _cut(self, invocation: Event, place: int, index: int) -> Event:
        """How an operation ended that was under way."""
        sent = [one for one in self.moments.get(invocation.index, ()) if one.place <= place]
        doubtful = bool(sent) and sent[-1].commits
        return dataclasses.replace(
            invocation,
            index=index,
            type="info" if doubtful else "fail",
            value=sent[-1].value if sent else invocation.value,
            error=CUT,
        )


def _power_loss(events: Sequence[Event]) -> Event:
    """The note that everything ended here, and came back with nothing to be said against it."""
    time_us = events[-1].time_us if events else 0
    nothing = ("postmaster_exits", "replaced", "missing", "kept", "marks", "lost", "refusals",
               "orphans_left", "crashes")  # fmt: skip
    seen: dict[str, Any] = {name: [] for name in nothing} | {"recovered": True}
    strike = {"name": STRIKE, "kills": {STRIKE: 1}, "at_us": time_us}
    value = {"cycle": 0, "strike": strike, "reaction": seen}
    return Event(len(events), time_us, "info", NEMESIS, "reaction", value)


def after(events: Sequence[Event], f: str, value: Any, error: str | None) -> list[Event]:
    """A history with one operation of the controller's behind it."""
    last = events[-1].time_us if events else 0
    begun = Event(len(events), last, "invoke", "control after the crash", f, {})
    kind: EventType = "ok" if error is None else "fail"
    ended = dataclasses.replace(begun, index=begun.index + 1, type=kind, value=value, error=error)
    return [*events, begun, ended]
