"""The checkers alone: a history in, a verdict out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from chaos.cli.check import check
from chaos.history import write_history
from chaos.oracle import HarnessBroken
from properties.checkers.durability import Durability
from properties.judging import judge, read_history
from properties.suites import default
from tests.properties.history_builder import BANK, Builder, accounts


def lost() -> Builder:
    """An acknowledged transfer that is not there."""
    built = Builder(BANK)
    built.transfer(1, versions=[[1, 1], [2, 1]])
    built.audit(ledger=[], accounts=accounts((100, 0), (100, 0), (100, 0)))
    return built


def test_a_history_that_is_right_is_held_by_all_checkers() -> None:
    built = Builder(BANK)
    built.transfer(1, versions=[[1, 1], [2, 1]])
    built.audit(ledger=[1], accounts=accounts((90, 1), (110, 1), (100, 0)))
    verdict = judge(built.events)
    assert verdict.held
    assert verdict.checkers == tuple(checker.name for checker in default())
    assert verdict.to_object() | {"checkers": []} == {
        "verdict": "held", "violations": [], "checkers": [], "events": 5
    }  # fmt: skip


def test_a_violation_names_the_events_that_show_it() -> None:
    verdict = judge(lost().events)
    [violation] = [one for one in verdict.violations if one.check == "durability"]
    assert (violation.kind, violation.facts) == ("lost", {"event": 4, "transactions": [1]})


def test_a_written_history_is_judged_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    write_history(path, lost().events)
    assert judge(read_history(path)) == judge(lost().events)


def test_only_the_checkers_of_the_suite_are_asked() -> None:
    verdict = judge(lost().events, lambda: (Durability(),))
    assert verdict.checkers == ("durability",)
    assert [violation.check for violation in verdict.violations] == ["durability"]


def test_a_history_that_cannot_be_says_nothing_of_the_database() -> None:
    with pytest.raises(HarnessBroken, match="event 4 where 3 was due"):
        judge([event for event in lost().events if event.index != 3])


def test_chaos_check_asks_all_checkers_of_a_history_that_a_run_has_left(tmp_path: Path) -> None:
    write_history(tmp_path / "history.jsonl", lost().events)
    said = CliRunner().invoke(check, [str(tmp_path), "--checkers"])
    assert said.exit_code == 1
    assert "durability: lost: transaction 1 was acknowledged but not there" in said.output
    said = CliRunner().invoke(check, [str(tmp_path), "--checkers", "--json"])
    assert said.exit_code == 1
    assert json.loads(said.output) == judge(lost().events).to_object()


def test_chaos_check_says_what_is_no_history_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for text, status, why in (
        ("[]\n", 2, "history.jsonl:1: not an event of a run's history; --checkers wants"),
        ('{"index": 1, "time_us": 0, "type": "info", "process": 0, "f": "x"}\n', 4, "broken"),
    ):
        path.write_text(text)
        said = CliRunner().invoke(check, [str(path), "--checkers"])
        assert (said.exit_code, why in said.output) == (status, True), said.output
