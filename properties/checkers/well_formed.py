"""The history itself: every operation begun is completed once, and nothing is missing.

This judges the harness and not the target: what it finds is raised, and makes the verdict *harness
broken*.
"""

from __future__ import annotations

from collections.abc import Iterable

from chaos.history import NEMESIS, Event, Process
from chaos.oracle import Violation


class MalformedHistory(ValueError):
    """The harness recorded nonsense."""


class WellFormed:
    """HIST-1 and the numbering of HIST-2."""

    name = "well_formed"

    def __init__(self) -> None:
        self._next = 0
        self._open: dict[Process, Event] = {}
        self._finished: set[Process] = set()

    def observe(self, event: Event) -> Iterable[Violation]:
        """Raise on the first event that cannot be."""
        if event.index != self._next:
            raise MalformedHistory(f"event {event.index} where {self._next} was due")
        self._next += 1
        process = event.process
        if process == NEMESIS:
            return ()
        if process in self._finished:
            raise MalformedHistory(f"process {process} acts again after an unknown outcome")
        if event.type == "invoke":
            if process in self._open:
                raise MalformedHistory(f"process {process} does two things at once")
            self._open[process] = event
            return ()
        begun = self._open.pop(process, None)
        if begun is None or begun.f != event.f or begun.transaction != event.transaction:
            raise MalformedHistory(f"event {event.index} completes nothing that was begun")
        if event.type == "info" and isinstance(process, int):
            self._finished.add(process)
        return ()

    def finish(self) -> Iterable[Violation]:
        """Nothing may be open at the end."""
        if self._open:
            open_events = sorted(event.index for event in self._open.values())
            raise MalformedHistory(f"operations begun at {open_events} were never completed")
        return ()
