"""What a fault of the disk allows clients to be told, and for how long.

A note `licence` opens one before anything is done to the disk; the note `reaction` about the strike
closes it, or a note `licence-ends` if nothing was done. An error is licensed if its operation was
under way at some time while the licence was open: what failed then may be told a little later.

    {"number": 3, "fault": "io-error", "label": "recoverable",
     "errors": [{"sqlstate": "58030", "message": "Input/output error", "at_most": 2}], "log": ...}

`at_most` is how many operations may end so (null: any number), `message` a regular expression.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from chaos.history import Event, Process


@dataclass(slots=True)
class _Licence:
    """One licence; `closed_at` is the index of the event that closed it."""

    errors: list[dict[str, Any]]
    closed_at: int | None = None
    used: dict[int, int] = field(default_factory=dict)

    def take(self, sqlstate: str, error: str) -> bool:
        """Whether it allows this error once more."""
        for number, allowed in enumerate(self.errors):
            at_most, used = allowed["at_most"], self.used.get(number, 0)
            fits = allowed["sqlstate"] == sqlstate and re.search(allowed["message"], error)
            if fits and (at_most is None or used < at_most):
                self.used[number] = used + 1
                return True
        return False


class Licences:
    """Follows a history; every event goes through `observe` before `allow` is asked about it."""

    def __init__(self) -> None:
        self._licences: list[_Licence] = []
        self._open: _Licence | None = None
        self._begun_at: dict[Process, int] = {}

    def observe(self, event: Event) -> None:
        """Learn who is at what, and which licence is open."""
        if event.type == "invoke":
            self._begun_at[event.process] = event.index
        elif event.f == "licence":
            self._open = _Licence(event.value["errors"])
            self._licences.append(self._open)
        elif self._open is not None and _ends_licence(event):
            self._open.closed_at = event.index
            self._open = None

    def allow(self, event: Event, sqlstate: str, error: str) -> bool:
        """Whether a licence covers the error with which this operation ended; that uses it up."""
        begun_at = self._begun_at.get(event.process, event.index)
        for licence in self._licences:
            was_open = licence.closed_at is None or licence.closed_at > begun_at
            if was_open and licence.take(sqlstate, error):
                return True
        return False


def _ends_licence(event: Event) -> bool:
    is_answer = event.f == "reaction" and bool(event.value["strike"].get("disk"))
    return is_answer or event.f == "licence-ends"
