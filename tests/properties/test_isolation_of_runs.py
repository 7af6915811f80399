"""What a run's lists and registers say of isolation, by the isolation checker."""

from __future__ import annotations

import pytest

from chaos.workloads.api import READ_COMMITTED, REPEATABLE_READ
from properties.checkers.isolation import Isolation
from tests.properties.history_builder import ASYNCHRONOUS, LISTS, REGISTERS, Builder, judge, kinds


def skewed(level: str) -> Builder:
    """A transaction that saw one append of another, and not the other append."""
    built = Builder(LISTS)
    reader = [["r", 1, [10]], ["r", 2, []]]
    invoked = built.history.invoke(1, "txn", [["r", 1, None], ["r", 2, None]], isolation=level)
    built.txn([["append", 1, 10], ["append", 2, 11]], 1, isolation=REPEATABLE_READ)
    built.history.complete(invoked, "ok", reader)
    built.audit(ledger=[1], lists=[[1, [10]], [2, [11]]])
    return built


def test_each_transaction_is_judged_at_its_own_level() -> None:
    assert kinds(Isolation(), skewed(REPEATABLE_READ).events) == ["G-single"]
    assert kinds(Isolation(), skewed(READ_COMMITTED).events) == []


def test_a_violation_tells_why_and_where() -> None:
    [violation] = judge(Isolation(), skewed(REPEATABLE_READ).events)
    assert violation.message.startswith("read skew: ")
    assert "T1 < T2" in violation.message or "T2 < T1" in violation.message
    assert "\n" not in violation.message
    assert violation.facts["explained"][0] == "Let"
    assert sorted(violation.facts["begun_at"]) == [1, 2]


def test_an_aborted_value_that_was_read_is_found() -> None:
    built = Builder(LISTS)
    built.txn([["append", 1, 10]], 1, "fail")
    built.txn([["r", 1, [10]]], isolation=READ_COMMITTED)
    built.audit(ledger=[], lists=[[1, []], [2, []]])
    assert "G1a" in kinds(Isolation(), built.events)


@pytest.mark.parametrize(("ledger", "found"), [([1], False), ([], True)])
def test_who_was_in_doubt_is_in_if_the_ledger_says_so(ledger: list[int], found: bool) -> None:
    built = Builder(LISTS)
    built.txn([["append", 1, 10], ["append", 2, 11]], 1, "info", process=7)
    built.txn([["r", 1, [10]]], isolation=READ_COMMITTED)
    built.audit(ledger=ledger, lists=[[1, [10]], [2, [11]]])
    assert ("G1a" in kinds(Isolation(), built.events)) is found


def test_what_was_acknowledged_is_in_every_snapshot_taken_later() -> None:
    for read, found in (([10], False), ([], True)):
        built = Builder(LISTS)
        built.txn([["append", 1, 10]], 1, isolation=REPEATABLE_READ)
        built.txn([["r", 1, read]], process=1, isolation=REPEATABLE_READ)
        built.audit(ledger=[1], lists=[[1, [10]], [2, []]])
        assert bool(kinds(Isolation(), built.events)) is found


def test_an_audit_is_a_snapshot_of_all_lists() -> None:
    built = Builder(LISTS)
    built.txn([["append", 1, 10], ["append", 2, 11]], 1, isolation=REPEATABLE_READ)
    built.txn([["r", 2, [11]]], isolation=READ_COMMITTED)
    built.audit(ledger=[1], lists=[[1, [10]], [2, []]])
    assert kinds(Isolation(), built.events)


def test_registers_are_judged_too() -> None:
    for seen, found in ((10, False), (0, True)):
        built = Builder(REGISTERS)
        built.rw([["w", 1, 10, 1], ["w", 2, 11, 1]], 1, isolation=REPEATABLE_READ)
        built.rw([["r", 2, 11, 1], ["r", 1, seen, 1]], process=1, isolation=REPEATABLE_READ)
        built.audit(ledger=[1], registers=[[1, 10, 1], [2, 11, 1]])
        assert bool(kinds(Isolation(), built.events)) is found


def test_the_order_of_blind_writes_is_known_by_their_versions() -> None:
    built = Builder(REGISTERS)
    steps = [["r", 1, None, None], ["r", 2, None, None]]
    invoked = built.history.invoke(1, "rw", steps, isolation=REPEATABLE_READ)
    built.rw([["w", 1, 10, 1], ["w", 2, 11, 1]], 1, isolation=REPEATABLE_READ)
    built.rw([["w", 1, 12, 2], ["w", 2, 13, 2]], 2, isolation=REPEATABLE_READ)
    built.history.complete(invoked, "ok", [["r", 1, 12, 2], ["r", 2, 11, 1]])
    built.audit(ledger=[1, 2], registers=[[1, 12, 2], [2, 13, 2]])
    [violation] = judge(Isolation(), built.events)
    assert violation.kind == "G-single"
    assert "of registers, each as the list of its values" in violation.message


def test_a_version_that_was_rolled_back_is_made_again_by_another() -> None:
    built = Builder(REGISTERS)
    steps = [["w", 1, 10, None]]
    rolled_back = built.history.invoke(1, "rw", steps, transaction=1, isolation=READ_COMMITTED)
    built.rw([["w", 1, 11, 1]], 2, isolation=READ_COMMITTED)
    built.history.complete(rolled_back, "fail", [["w", 1, 10, 1]])
    built.rw([["w", 1, 12, 2]], 3, isolation=READ_COMMITTED)
    built.audit(ledger=[2, 3], registers=[[1, 12, 2], [2, 0, 0]])
    assert kinds(Isolation(), built.events) == []


def crashed(*, late_read: list[int]) -> Builder:
    """A value that a crash has taken had been read before it; then one is read again."""
    built = Builder(LISTS | ASYNCHRONOUS)
    built.txn([["append", 1, 10]], 1, isolation=READ_COMMITTED)
    built.txn([["append", 1, 11]], 2, isolation=READ_COMMITTED)
    built.txn([["r", 1, [10, 11]]], process=1, isolation=REPEATABLE_READ)
    built.reaction("all")
    built.txn([["append", 1, 12]], 3, process=2, isolation=READ_COMMITTED)
    built.audit(ledger=[1, 3], lists=[[1, [10, 12]], [2, []]])
    built.txn([["r", 1, late_read]], process=2, isolation=REPEATABLE_READ)
    built.audit(ledger=[1, 3], lists=[[1, [10, 12]], [2, []]])
    return built


def test_what_a_crash_may_take_was_there_until_then_and_never_after() -> None:
    assert kinds(Isolation(), crashed(late_read=[10, 12]).events) == []
    assert kinds(Isolation(), crashed(late_read=[10, 11]).events) != []


def test_a_history_that_ends_without_an_audit_is_judged_as_far_as_it_goes() -> None:
    built = Builder(LISTS)
    built.txn([["append", 1, 10], ["r", 1, [10]]], 1, isolation=READ_COMMITTED)
    built.audit(ledger=[1], lists=[[1, [10]], [2, []]])
    built.txn([["append", 1, 11], ["r", 1, [11]]], 2, isolation=READ_COMMITTED)
    assert kinds(Isolation(), built.events) == ["incompatible-order"]
