"""After the shutdown the controller looks at the files, and what it finds is judged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaos.history import Event
from chaos.oracle import Checker, Violation
from tests.chaos.command import chaos


class Told:
    """Complains of what it heard of the files, so that the test can see it."""

    name = "told"

    def observe(self, event: Event) -> list[Violation]:
        """One violation, with the whole report."""
        return [Violation(self.name, "looked", event.value)] if event.f == "files" else []

    def finish(self) -> list[Violation]:
        """All was said."""
        return []


def told() -> Sequence[Checker]:
    """The suite of it alone."""
    return (Told(),)


def run(scratch: Path, *options: str) -> dict[str, Any]:
    """What one run reports."""
    _, output, _ = chaos(scratch, "--seed", "1", "--cycles", "1", "--json", *options)
    result: dict[str, Any] = json.loads(output)
    return result


def test_the_history_ends_with_what_the_files_look_like(scratch: Path) -> None:
    result = run(scratch, "--suite", f"{__name__}:told", "--faults", "backend")
    (found,) = result["violations"]
    assert found["facts"]["problems"] == found["facts"]["unchecked"] == []
    assert found["facts"]["looked_at"]["row versions"] > 1000


def test_a_planted_bug_is_seen_in_the_files_though_the_run_ended_before(scratch: Path) -> None:
    result = run(scratch, "--mutant", "next-xid-forgotten", "--faults", "backend")
    kinds = {(found["check"], found["kind"]) for found in result["violations"]}
    assert ("files", "STATUS-3") in kinds
    assert len(kinds) > 1
