"""A history in, a verdict with its evidence out: the checkers, usable alone.

    from properties.judging import judge, read_history

    verdict = judge(read_history(Path("bundles/7/history.jsonl")))
    for violation in verdict.violations:
        print(violation.check, violation.kind, violation.message, violation.facts)

A history is a sequence of events (`chaos/history.py`), of a run of chaos or from elsewhere; `facts`
of a violation name the events that show it by their indices. What a suite is, `suites.py` says;
without any, all checkers judge.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from chaos.history import Event, read_history
from chaos.oracle import HarnessBroken, Judge, Suite, Violation
from properties.suites import default

__all__ = ["Event", "HarnessBroken", "Verdict", "Violation", "judge", "read_history"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checkers say of a history; they held their peace if there are no violations."""

    violations: tuple[Violation, ...]
    checkers: tuple[str, ...]
    """Who was asked."""
    events: int

    @property
    def held(self) -> bool:
        """Nothing is wrong that these checkers could see."""
        return not self.violations

    def to_object(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "verdict": "held" if self.held else "violated",
            "violations": [violation.to_object() for violation in self.violations],
            "checkers": list(self.checkers),
            "events": self.events,
        }


def judge(events: Iterable[Event], suite: Suite = default) -> Verdict:
    """All that the suite's checkers say. HarnessBroken when the history itself cannot be: then
    nothing is said about the database.
    """
    history = list(events)
    judged = Judge(suite)
    judged.hear(history)
    judged.close()
    names = tuple(checker.name for checker in judged.checkers)
    return Verdict(tuple(judged.violations), names, len(history))
