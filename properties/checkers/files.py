"""The files of a server that was shut down are in order: the physical invariants.

The controller looks at them after the shutdown and notes what it found as the event `files`
(properties/invariants has the invariants, and finds).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from chaos.history import Event
from chaos.oracle import Violation

SHOWN: Final = 3
UNCHECKED: Final = "unchecked"


class Files:
    """See the head of this file."""

    name = "files"

    def observe(self, event: Event) -> Iterable[Violation]:
        """One violation for each invariant that is broken."""
        if event.f != "files":
            return
        report = event.value
        if unchecked := report["unchecked"]:
            message = f"after a shutdown in order, not to be checked: {'; '.join(unchecked)}"
            yield Violation(self.name, message, {"event": event.index}, UNCHECKED)
        problems = report["problems"]
        counts = Counter(report["left_out"])
        counts.update(problem["invariant"] for problem in problems)
        for invariant in dict.fromkeys(problem["invariant"] for problem in problems):
            found = [problem for problem in problems if problem["invariant"] == invariant]
            first, more = found[0], counts[invariant] - 1
            message = f"{_place(first)}: {first['message']} ({invariant})"
            message += f", and {more} more" if more else ""
            facts = {"event": event.index, "count": counts[invariant], "problems": found[:SHOWN]}
            yield Violation(self.name, message, facts, invariant)

    def finish(self) -> Iterable[Violation]:
        """All was said at once."""
        return ()


def _place(problem: dict[str, Any]) -> str:
    block, item = problem["block"], problem["offset"]
    text = str(problem["path"])
    text += f" block {block}" if block is not None else ""
    return text + (f" item {item}" if item is not None else "")
