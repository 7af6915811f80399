"""The checker `files`: what the controller found in the files becomes violations."""

from __future__ import annotations

from typing import Any

from chaos.history import History
from chaos.oracle import Violation
from properties.checkers.files import Files
from properties.invariants.report import Findings


def violations(findings: Findings) -> list[Violation]:
    """What the checker says of a report."""
    history = History(lambda: 0.0)
    event = history.note("files", findings.report().to_object())
    return list(Files().observe(event))


def test_files_in_order_are_no_violation() -> None:
    assert violations(Findings()) == []


def test_a_broken_invariant_is_a_violation_of_its_kind() -> None:
    findings = Findings()
    findings.add("ITEM-2", "base/5/16384", "they share bytes", 3, 7)
    findings.add("PAGE-1", "base/5/16390", "its checksum is wrong", 0)
    findings.add("ITEM-2", "base/5/16384", "they share bytes", 4, 1)
    first, second = violations(findings)
    assert (first.check, first.kind, second.kind) == ("files", "ITEM-2", "PAGE-1")
    assert first.message == ("base/5/16384 block 3 item 7: they share bytes (ITEM-2), and 1 more")
    assert first.facts["count"] == 2


def test_problems_that_are_not_told_are_counted() -> None:
    findings = Findings()
    for block in range(50):
        findings.add("PAGE-1", "base/5/16384", "its checksum is wrong", block)
    (found,) = violations(findings)
    assert found.facts["count"] == 50


def test_a_shutdown_in_order_after_which_pg_control_says_otherwise_is_a_violation() -> None:
    findings = Findings(unchecked=["the cluster is in production"])
    (found,) = violations(findings)
    assert found.kind == "unchecked"


def test_other_events_are_none_of_its_business() -> None:
    history = History(lambda: 0.0)
    value: dict[str, Any] = {"leftovers": []}
    assert list(Files().observe(history.note("shutdown", value))) == []
