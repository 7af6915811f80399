"""What `sets` and `counters` say of reads."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.history import CONTROL
from chaos.workloads.api import READ_COMMITTED, REPEATABLE_READ
from properties.checkers.counters import CounterBounds
from properties.checkers.sets import SetMembers
from tests.properties.history_builder import (
    ASYNCHRONOUS,
    COUNTERS,
    SET,
    Builder,
    kinds,
    numbered,
)

NOT_YET = {"ledger": [], "elements": [1, 2, 3]}


def after(*transactions: dict[str, Any]) -> Builder:
    """The set 1, 2, 3 after these transactions."""
    built = Builder(SET)
    for number, one in enumerate(transactions, 1):
        built.elements(number, **one)
    return built


@pytest.mark.parametrize(
    ("read", "said"),
    [
        ([2, 3, 4], []),
        ([3, 4], ["never read"]),
        ([1, 2, 3, 4], ["resurrected"]),
        ([2, 3, 4, 5], ["aborted read"]),
        ([2, 3, 4, 9], ["nobody put it in"]),
        ([2, 2, 3, 4], ["twice"]),
    ],
)
def test_a_read_has_what_is_surely_there_and_nothing_else(read: list[int], said: list[str]) -> None:
    built = after({"add": [4], "remove": [1]}, {"outcome": "fail", "add": [5]})
    built.elements(reads=[read])
    assert kinds(SetMembers(), built.events) == said


def test_an_element_that_was_read_and_is_missing_later_is_lost() -> None:
    built = after({"add": [4]})
    built.elements(reads=[[1, 2, 3, 4]])
    built.elements(reads=[[1, 2, 3]])
    assert kinds(SetMembers(), built.events) == ["lost"]


def test_an_audit_is_a_read() -> None:
    built = after({"add": [4]})
    built.audit(ledger=[1], elements=[1, 2, 3])
    assert kinds(SetMembers(), built.events) == ["never read"]


def test_what_is_under_way_may_be_seen_or_not() -> None:
    for read in ([1, 2, 3, 4], [2, 3], [1, 2, 3]):
        built = Builder(SET)
        reader = built.begin_elements(process=1)
        changing = built.begin_elements(1, add=[4], remove=[1])
        built.end_elements(changing)
        built.end_elements(reader, reads=[read])
        assert kinds(SetMembers(), built.events) == []


def test_what_failed_after_it_was_read_is_an_aborted_read() -> None:
    built = Builder(SET)
    writer = built.begin_elements(1, add=[4], process=1)
    built.elements(reads=[[1, 2, 3, 4]])
    built.end_elements(writer, "fail")
    assert kinds(SetMembers(), built.events) == ["aborted read"]


def test_what_was_in_doubt_is_settled_by_an_audit() -> None:
    for found, then, said in (
        ([1, 2, 3, 4], [1, 2, 3], ["lost"]),
        ([1, 2, 3], [1, 2, 3, 4], ["resurrected"]),
        ([2, 3, 4], [1, 2, 3, 4], ["resurrected"]),
    ):
        built = Builder(SET)
        doubtful = built.begin_elements(1, add=[4], remove=[1], process=1)
        built.end_elements(doubtful, "info")
        built.audit(ledger=[1], elements=found)
        built.elements(reads=[then])
        assert kinds(SetMembers(), built.events) == said


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("ends", ["during", "after"])
def test_an_audit_may_see_what_ends_meanwhile_or_not(is_there: bool, ends: str) -> None:
    """Either way it has happened when the next read begins."""
    for read, said in (
        ([2, 3, 4], []),
        ([2, 3], ["lost" if is_there else "never read"]),
        ([1, 2, 3, 4], ["resurrected"]),
    ):
        built = Builder(SET)
        changing = built.begin_elements(1, add=[4], remove=[1], process=1)
        audit = built.history.invoke(CONTROL, "audit", {})
        seen = {"ledger": [1], "elements": [2, 3, 4]} if is_there else NOT_YET
        if ends == "during":
            built.end_elements(changing)
            built.history.complete(audit, "ok", seen)
        else:
            built.history.complete(audit, "ok", seen)
            built.end_elements(changing)
        built.elements(reads=[read])
        assert kinds(SetMembers(), built.events) == said


def test_a_transaction_sees_its_own_changes() -> None:
    for read, said in (([2, 3, 4], []), ([1, 2, 3], ["own change missing"])):
        built = after({"add": [4], "remove": [1], "reads": [read]})
        assert kinds(SetMembers(), built.events) == said


@pytest.mark.parametrize(
    ("level", "said"), [(REPEATABLE_READ, ["unrepeatable"]), (READ_COMMITTED, [])]
)
def test_two_reads_of_one_snapshot_are_the_same(level: str, said: list[str]) -> None:
    built = Builder(SET)
    reader = built.begin_elements(process=1, isolation=level)
    built.elements(1, add=[4])
    built.end_elements(reader, reads=[[1, 2, 3], [1, 2, 3, 4]])
    assert kinds(SetMembers(), built.events) == said


def test_what_a_crash_may_take_from_a_set_is_forgiven_until_the_next_audit() -> None:
    built = Builder(SET | ASYNCHRONOUS)
    built.elements(1, add=[4], remove=[1])
    built.reaction("all")
    built.elements(reads=[[1, 2, 3]])
    built.audit(ledger=[], elements=[1, 2, 3])
    assert kinds(SetMembers(), built.events) == []
    built.elements(reads=[[2, 3, 4]])
    assert kinds(SetMembers(), built.events) == ["lost", "resurrected"]


# counters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"), [(3, []), (7, []), (2, ["too little"]), (8, ["too much"])]
)
def test_a_counter_is_read_within_its_bounds(value: int, said: list[str]) -> None:
    built = Builder(COUNTERS)
    built.count(1, add=[(1, 3)], made=[3])
    under_way = built.begin_count(2, add=[(1, 4)], process=1)
    built.count(reads=[[value, 0]])
    built.end_count(under_way, made=[7])
    assert kinds(CounterBounds(), built.events) == said


def test_what_was_begun_before_a_read_ended_may_be_in_it() -> None:
    built = Builder(COUNTERS)
    reader = built.begin_count(process=1)
    built.count(1, add=[(1, 3)], made=[3])
    built.end_count(reader, reads=[[0, 0]])
    assert kinds(CounterBounds(), built.events) == []


def test_what_failed_adds_nothing_and_what_is_in_doubt_may() -> None:
    built = Builder(COUNTERS)
    built.count(1, "fail", add=[(1, 3)], made=[3])
    built.count(2, "info", add=[(1, 4)], made=[4], process=1)
    built.count(reads=[[4, 0]])
    assert kinds(CounterBounds(), built.events) == []
    built.count(reads=[[5, 0]])
    assert kinds(CounterBounds(), built.events) == ["too much"]


def test_an_audit_settles_what_was_in_doubt() -> None:
    for found, then, said in ((4, 3, ["too little"]), (0, 4, ["too much"])):
        built = Builder(COUNTERS)
        built.count(1, "info", add=[(1, 4)], made=[4], process=1)
        built.audit(ledger=[1], counters=numbered([found, 0]))
        built.count(reads=[[then, 0]])
        assert kinds(CounterBounds(), built.events) == said


@pytest.mark.parametrize(("ledger", "audited"), [([1], 5), ([], 0)])
@pytest.mark.parametrize("ends", ["during", "after"])
def test_an_audit_may_count_what_ends_meanwhile_or_not(
    ledger: list[int], audited: int, ends: str
) -> None:
    """Either way it is counted once when the next read begins."""
    for value, said in ((5, []), (4, ["too little"]), (6, ["too much"])):
        built = Builder(COUNTERS)
        adding = built.begin_count(1, add=[(1, 5)], process=1)
        audit = built.history.invoke(CONTROL, "audit", {})
        seen = {"ledger": ledger, "counters": numbered([audited, 0])}
        if ends == "during":
            built.end_count(adding, made=[5])
            built.history.complete(audit, "ok", seen)
        else:
            built.history.complete(audit, "ok", seen)
            built.end_count(adding, made=[5])
        built.count(reads=[[value, 0]])
        assert kinds(CounterBounds(), built.events) == said


def test_a_value_that_was_made_says_what_was_there_before() -> None:
    built = Builder(COUNTERS)
    built.count(1, add=[(1, 3)], made=[3])
    built.count(2, add=[(1, 5)], made=[5])
    assert kinds(CounterBounds(), built.events) == ["too little"]


def test_counters_read_twice_in_one_snapshot_are_the_same() -> None:
    for level, said in ((REPEATABLE_READ, ["unrepeatable"]), (READ_COMMITTED, [])):
        built = Builder(COUNTERS)
        reader = built.begin_count(process=1, isolation=level)
        built.count(1, add=[(1, 3)], made=[3])
        built.end_count(reader, reads=[[0, 0], [3, 0]])
        assert kinds(CounterBounds(), built.events) == said


def test_what_a_crash_may_take_from_a_counter_is_forgiven_until_the_next_audit() -> None:
    built = Builder(COUNTERS | ASYNCHRONOUS)
    built.count(1, add=[(1, 3)], made=[3])
    built.reaction("all")
    built.count(reads=[[0, 0]])
    built.audit(ledger=[], counters=numbered([0, 0]))
    assert kinds(CounterBounds(), built.events) == []
    built.count(reads=[[3, 0]])
    assert kinds(CounterBounds(), built.events) == ["too much"]
