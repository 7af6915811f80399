"""No surprises: a client sees only errors that a correct server may give to this workload.

These are serialization failures and deadlocks, the loss of the connection, and what the workload
does on purpose. An internal error, a table that is not there, an answer that makes no sense: each
is a violation, whatever became of the data, unless something that was done to the disk licenses it
(`licences.py`). (Whether a connection may be lost just then is judged by `reaction`.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from chaos.history import Event
from chaos.oracle import Violation
from properties.checkers.licences import Licences

SQLSTATE: Final = re.compile(r"^([0-9A-Z]{5}) ")
EXPECTED: Final = frozenset(
    {
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now
    }
)
WRONG: Final = "wrong answer: "


class Errors:
    """See the head of this file."""

    name = "errors"

    def __init__(self) -> None:
        self._licences = Licences()

    def observe(self, event: Event) -> Iterable[Violation]:
        """One violation per kind of error."""
        self._licences.observe(event)
        error = event.error
        if error is None or event.type == "invoke":
            return
        if error.startswith(WRONG):
            message = f"{event.f} got an answer that no correct server gives: "
            yield self._violation(event, message + error.removeprefix(WRONG), "wrong answer")
        elif (
            (found := SQLSTATE.match(error))
            and found[1] not in EXPECTED
            and not self._licences.allow(event, found[1], error)
        ):
            message = f"{event.f} failed with an unexpected error: {error}"
            yield self._violation(event, message, f"error {found[1]}")

    def _violation(self, event: Event, message: str, kind: str) -> Violation:
        return Violation(self.name, message, {"event": event.index}, kind)

    def finish(self) -> Iterable[Violation]:
        """All was said at once."""
        return ()
