"""A stopped server leaves nothing: no process, no socket, no lock file, no shared memory."""

from __future__ import annotations

from collections.abc import Iterable

from chaos.history import Event
from chaos.oracle import Violation
from properties.checkers.words import some


class Leftovers:
    """See the head of this file."""

    name = "leftovers"

    def observe(self, event: Event) -> Iterable[Violation]:
        """Judge what was found after the shutdown."""
        if event.f == "shutdown" and (left := event.value["leftovers"]):
            message = f"left behind after a fast shutdown: {some(left)}"
            facts = {"event": event.index, "leftovers": left}
            yield Violation(self.name, message, facts, "left behind")

    def finish(self) -> Iterable[Violation]:
        """All was said at once."""
        return ()
