"""Judges what a recovered crash image holds: was everything kept that had been promised?

The workload's own audit is read, the same SQL as in a run that goes on after a crash; its answers
become the last operation of a history that was cut off where the power was, and the suite's
checkers judge that history. Beside it stand what the history cannot say: the recovery failed, or
pages are damaged.

EXPLORE-2  A recovered image is judged by the suite's checkers, by their names, on a history; what
           is known of the database is what its answers to SQL say.
EXPLORE-3  One image is judged at the latest place at which it may be left: what had been
           acknowledged there includes all that had been at any earlier one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from chaos.explore.recorded import Known, Recorded, after
from chaos.history import Event
from chaos.oracle import HarnessBroken, Judge, Suite, Violation
from chaos.targets.log import differences_in
from chaos.workloads.api import Answer, RolledBack, Statement, WrongAnswer
from chaos.workloads.catalogue import WORKLOADS

RECOVERY: Final = "recovery"
PAGES: Final = "pages"
COMMIT: Final = Answer([], "COMMIT")
"""What every statement of an audit can be told while it is only asked what it wants to know."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one image: why its recovery failed, or else the audit's answers, up to the one
    that was an error; and what is wrong with its pages.
    """

    failure: str = ""
    answers: tuple[Answer, ...] = ()
    error: str = ""
    pages: tuple[str, ...] = ()

    def key(self) -> str:
        """The same for images in which the same was found."""
        return repr((self.failure, self.answers, self.error, self.pages))


class Audit:
    """The audit of a workload, without a connection."""

    def __init__(self, workload: str, mix: dict[str, dict[str, Any]]) -> None:
        self._workload = WORKLOADS[workload](mix)
        self.statements: list[Statement] = []
        body = self._workload.audit().body({})
        try:
            statement = next(body)
            while True:
                self.statements.append(statement)
                statement = body.send(COMMIT)
        except StopIteration:
            pass

    def read(self, answers: Sequence[Answer]) -> tuple[dict[str, Any], str | None]:
        """The value of the audit with these answers, and its error, if an answer was wrong."""
        value: dict[str, Any] = {}
        body = self._workload.audit().body(value)
        try:
            next(body)
            for answer in answers:
                body.send(answer)
        except StopIteration:
            return value, None
        except RolledBack:
            return value, "rolled back"
        except WrongAnswer as wrong:
            return value, f"wrong answer: {wrong}"
        return value, "the audit was not answered to its end"


class Checker:
    """Judges what was found at places of one recorded run; equal cases are judged once."""

    def __init__(self, recorded: Recorded, suite: Suite) -> None:
        self.audit = Audit(recorded.workload, recorded.mix)
        self._recorded = recorded
        self._suite = suite
        self._judged: dict[tuple[Known, str], tuple[Violation, ...]] = {}
        self._histories: dict[Known, list[Event]] = {}

    def judge(self, place: int, found: Found) -> tuple[Violation, ...]:
        """What is wrong when this was found after a crash at this place; () when nothing is."""
        if found.failure:
            differs = bool(differences_in([found.failure]))
            kind = "replay differs" if differs else "fails"
            return (Violation(RECOVERY, f"recovery fails: {found.failure}", {}, kind),)
        key = (self._recorded.known_at(place), found.key())
        if key not in self._judged:
            self._judged[key] = self._judge(self._history_at(place), found)
        return self._judged[key]

    def history(self, place: int, found: Found) -> list[Event]:
        """The history that is judged."""
        history = self._history_at(place)
        if found.failure:
            return history
        value, error = self.audit.read(found.answers)
        return after(history, "audit", value, found.error or error)

    def _judge(self, history: list[Event], found: Found) -> tuple[Violation, ...]:
        value, error = self.audit.read(found.answers)
        judge = Judge(self._suite)
        events = after(history, "audit", value, found.error or error)
        judge.hear(events)
        judge.close()
        violations = list(judge.violations)
        if (found.error or error) and not violations:
            why = found.error or error
            violations.append(Violation("audit", f"the audit fails: {why}", {}, "fails"))
        if found.pages:
            message = f"damaged pages: {'; '.join(found.pages[:3])}"
            violations.append(Violation(PAGES, message, {"pages": list(found.pages)}, "damaged"))
        return tuple(violations)

    def _history_at(self, place: int) -> list[Event]:
        known = self._recorded.known_at(place)
        if known not in self._histories:
            self._histories[known] = self._recorded.history_at(place)
        return self._histories[known]


def verify_recording(recorded: Recorded, suite: Suite) -> None:
    """The recorded run itself must hold, or nothing that comes of it means anything."""
    judge = Judge(suite)
    judge.hear(recorded.events)
    if judge.violations:
        raise HarnessBroken(f"the recorded run is itself wrong: {judge.violations[0].message}")
