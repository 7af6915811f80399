"""What the controller asks of a suite of checkers, and nothing of how they do it.

A suite is named by a `module:attribute` string and is a callable without arguments that makes fresh
checkers for one run. A checker is a fold over the history: it sees each event once, in order, and
says at once what it finds. It is independent of the target and of the engine: what it knows, it
knows from the history.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from chaos.history import Event


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken: which checker says so, in one sentence, and the facts.

    `kind` is what is wrong in a word or two, the same whenever it is the same thing that is wrong:
    runs are compared by it (chaos/shrink/signature.py), never by messages.
    """

    check: str
    message: str
    facts: dict[str, Any] = field(default_factory=dict)
    kind: str = ""

    def to_object(self) -> dict[str, Any]:
        """For `--json`."""
        shown: dict[str, Any] = {"check": self.check, "message": self.message}
        shown |= {"kind": self.kind} if self.kind else {}
        return shown | ({"facts": self.facts} if self.facts else {})


class Checker(Protocol):
    """One property."""

    name: str

    def observe(self, event: Event) -> Iterable[Violation]: ...

    def finish(self) -> Iterable[Violation]: ...


Suite = Callable[[], Sequence[Checker]]
DEFAULT_SUITE: Final = "properties.suites:default"
DEFAULT_INVARIANTS: Final = "properties.invariants:check_directory"
"""What looks at the files of a stopped server whose format it knows: see `files_note`."""


class HarnessBroken(Exception):
    """The harness itself is wrong, or the machine under it; nothing is said about the target."""


class UnknownName(ValueError):
    """A `module:attribute` string names nothing."""


def load(name: str) -> Any:
    """What a `module:attribute` string names; UnknownName when there is no such thing."""
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise UnknownName(f"{name!r} is not of the form module:attribute")
    try:
        found = importlib.import_module(module_name)
    except ImportError as error:
        raise UnknownName(f"there is no module {module_name!r} ({error})") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UnknownName(f"{module_name} has no {attribute!r}")
        found = getattr(found, part)
    return found


def files_note(invariants: str, directory: Path) -> dict[str, Any]:
    """The note about the files of a server that was shut down, by what `invariants` names."""
    report = load(invariants)(directory, is_stopped=True)
    note: dict[str, Any] = report.to_object()
    return note


class Judge:
    """Feeds a history to the checkers of a suite, each event once.

    An exception in a checker is the harness's fault and never swallowed: it becomes
    `HarnessBroken`.
    """

    def __init__(self, suite: Suite) -> None:
        self.checkers = list(suite())
        self.violations: list[Violation] = []
        self._seen = 0
        self._told: set[tuple[str, str]] = set()

    def hear(self, events: Sequence[Event]) -> list[Violation]:
        """Feed what came since the last call; the new violations."""
        fresh = events[self._seen :]
        self._seen = len(events)
        before = len(self.violations)
        for checker in self.checkers:
            observe = checker.observe
            try:
                for event in fresh:
                    self._add(observe(event))
            except Exception as error:
                raise HarnessBroken(f"checker {checker.name} failed: {error!r}") from error
        return self.violations[before:]

    def close(self) -> list[Violation]:
        """The history is complete; the violations that only its end shows."""
        before = len(self.violations)
        for checker in self.checkers:
            try:
                self._add(checker.finish())
            except Exception as error:
                raise HarnessBroken(f"checker {checker.name} failed: {error!r}") from error
        return self.violations[before:]

    def _add(self, found: Iterable[Violation]) -> None:
        for violation in found:
            key = (violation.check, violation.message)
            if key not in self._told:
                self._told.add(key)
                self.violations.append(violation)
