"""The four guarantees of a session, each broken by the least history that does so."""

from __future__ import annotations

import pytest

from properties.checkers.session_order import SessionOrder
from tests.properties.history_builder import (
    ASYNCHRONOUS,
    BANK,
    COUNTERS,
    LISTS,
    REGISTERS,
    Builder,
    accounts,
    judge,
    kinds,
)

FIRST_READ = ["r", 1, 10, 1]
FIRST_WRITE = ["w", 1, 10, 1]
SECOND_READ = ["r", 1, 11, 2]
SECOND_WRITE = ["w", 1, 11, 2]
ORDERS = {
    "read your writes": (SECOND_WRITE, FIRST_READ),
    "monotonic reads": (SECOND_READ, FIRST_READ),
    "monotonic writes": (SECOND_WRITE, FIRST_WRITE),
    "writes follow reads": (SECOND_READ, FIRST_WRITE),
}


@pytest.mark.parametrize("guarantee", ORDERS)
def test_a_session_does_not_go_back(guarantee: str) -> None:
    one, other = ORDERS[guarantee]
    for process, said in ((0, [guarantee]), (1, [])):
        built = Builder(REGISTERS)
        built.rw([one], 1)
        built.rw([other], 2, process=process)
        assert kinds(SessionOrder(), built.events) == said
        forth = Builder(REGISTERS)
        forth.rw([other], 2)
        forth.rw([one], 1)
        assert kinds(SessionOrder(), forth.events) == []


def test_a_crash_is_no_excuse() -> None:
    one, other = ORDERS["read your writes"]
    for facts, said in ((REGISTERS, ["read your writes"]), (REGISTERS | ASYNCHRONOUS, [])):
        built = Builder(facts)
        built.rw([one], 1)
        built.reaction("all")
        built.rw([other])
        assert kinds(SessionOrder(), built.events) == said


def test_what_was_not_committed_is_no_part_of_the_session() -> None:
    one, other = ORDERS["monotonic writes"]
    built = Builder(REGISTERS)
    built.rw([one], 1, "fail")
    built.rw([other], 2)
    assert kinds(SessionOrder(), built.events) == []


def test_a_list_grows_for_whoever_appends_and_reads() -> None:
    built = Builder(LISTS)
    built.txn([["append", 1, 10], ["r", 1, [9, 10]]], 1)
    built.txn([["r", 1, [9]]])
    [violation] = judge(SessionOrder(), built.events)
    assert violation.message == (
        "read your writes: process 0 read version 1 of list 1 after it had made version 2"
    )
    assert violation.facts == {"event": 4, "before": 2}


def test_an_append_that_makes_a_list_no_longer_than_it_was_read_follows_no_read() -> None:
    built = Builder(LISTS)
    built.txn([["r", 1, [8, 9]]])
    built.txn([["append", 1, 10], ["r", 1, [8, 10]]], 1)
    assert kinds(SessionOrder(), built.events) == ["writes follow reads"]


def test_counters_and_accounts_have_versions_too() -> None:
    built = Builder(COUNTERS)
    built.count(1, add=[(1, 3)], made=[7])
    built.count(reads=[[6, 0]])
    assert kinds(SessionOrder(), built.events) == ["read your writes"]
    built = Builder(BANK)
    built.audit(ledger=[], accounts=accounts((100, 2), (100, 0), (100, 0)))
    built.audit(ledger=[], accounts=accounts((100, 1), (100, 0), (100, 0)))
    assert kinds(SessionOrder(), built.events) == ["monotonic reads"]
