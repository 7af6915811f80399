"""Suites for tests of the harness."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from chaos.history import Event
from chaos.oracle import Checker, Violation


class Suspicious:
    """Finds fault with the first reaction."""

    name = "suspicious"

    def observe(self, event: Event) -> Iterable[Violation]:
        """A violation at once."""
        if event.f == "reaction":
            yield Violation(self.name, "something happened")

    def finish(self) -> Iterable[Violation]:
        """Nothing."""
        return ()


class Broken(Suspicious):
    """Raises."""

    name = "broken"

    def observe(self, event: Event) -> Iterable[Violation]:
        """An error that is not the target's."""
        return [Violation(self.name, str(1 // 0))]


class Where(Suspicious):
    """Tells on which CPUs it may run."""

    def observe(self, event: Event) -> Iterable[Violation]:
        """A violation, with the CPUs."""
        if event.f == "begin":
            yield Violation("where", "here", {"cpus": sorted(os.sched_getaffinity(0))})


def suspicious() -> Sequence[Checker]:
    """Always violated."""
    return [Suspicious()]


def broken() -> Sequence[Checker]:
    """Always broken."""
    return [Broken()]


def where() -> Sequence[Checker]:
    """Tells where it runs."""
    return [Where()]
