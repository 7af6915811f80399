"""What the checkers say of tables that are replaced."""

from __future__ import annotations

from typing import Any

import pytest

from properties.checkers.atomicity import Atomicity
from properties.checkers.session_order import SessionOrder
from properties.checkers.tables import TablesRead
from tests.properties.history_builder import ASYNCHRONOUS, Builder, judge, kinds

FACTS = {"slots": 2, "tables": 2, "settings": {}, "bound_s": 30.0}
FIRST = [[0, 0, 1]]


def rows(version: int, owner: int, count: int) -> list[list[int]]:
    """A table that is whole."""
    return [[version, owner, place] for place in range(1, count + 1)]


def replace(
    built: Builder, owner: int, version: int, outcome: Any = "ok", *, process: int = 0
) -> None:
    """Slot 1 gets a table of two rows."""
    asked: dict[str, Any] = {"slot": 1, "rows": 2, "version": None, "reads": []}
    invoked = built.history.invoke(process, "tables", asked, transaction=owner)
    built.history.complete(invoked, outcome, asked | {"version": version})


def read(built: Builder, found: list[list[int]], *, process: int = 0) -> None:
    """Slot 1 is read."""
    asked: dict[str, Any] = {"slot": None, "rows": 0, "version": None, "reads": []}
    invoked = built.history.invoke(process, "tables", asked)
    built.history.complete(invoked, "ok", asked | {"reads": [[1, found]]})


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (rows(2, 2, 2), []),
        (rows(2, 2, 1), ["half"]),
        ([], ["half"]),
        (rows(2, 2, 2)[1:], ["half"]),
        (rows(1, 1, 2), ["stale"]),
        (FIRST, ["stale"]),
        (rows(3, 3, 2), ["aborted read"]),
        (rows(4, 4, 2), ["nobody made it"]),
        ([[1, 1, 1], [2, 2, 2]], ["two tables"]),
    ],
)
def test_a_read_finds_the_latest_table_with_all_its_rows(found: Any, said: list[str]) -> None:
    built = Builder(FACTS)
    replace(built, 1, 1)
    replace(built, 2, 2)
    replace(built, 3, 3, "fail")
    read(built, found, process=1)
    assert kinds(TablesRead(), built.events) == said


def test_a_table_that_was_read_and_then_failed_is_an_aborted_read() -> None:
    built = Builder(FACTS)
    asked: dict[str, Any] = {"slot": 1, "rows": 2, "version": None, "reads": []}
    invoked = built.history.invoke(1, "tables", asked, transaction=1)
    read(built, rows(1, 1, 2))
    built.history.complete(invoked, "fail", asked | {"version": 1})
    assert kinds(TablesRead(), built.events) == ["aborted read"]


def test_an_older_table_is_no_surprise_after_a_crash_that_may_take_the_newer() -> None:
    for facts, said in ((FACTS, ["stale"]), (FACTS | ASYNCHRONOUS, [])):
        built = Builder(facts)
        replace(built, 1, 1)
        built.reaction("all")
        read(built, FIRST, process=1)
        assert kinds(TablesRead(), built.events) == said


def test_a_session_that_replaced_a_table_does_not_see_the_old_one() -> None:
    built = Builder(FACTS)
    replace(built, 1, 1)
    read(built, FIRST)
    assert kinds(SessionOrder(), built.events) == ["read your writes"]


@pytest.mark.parametrize(
    ("version", "found", "said"),
    [
        (1, rows(1, 1, 2), []),
        (1, rows(1, 1, 1), ["half"]),
        (1, [], ["half"]),
        (1, FIRST, ["tables"]),
        (0, FIRST, ["slots", "tables"]),
        (2, rows(1, 1, 2), ["slots"]),
    ],
)
def test_a_slot_has_the_table_of_the_last_transaction_that_is_in(
    version: int, found: Any, said: list[str]
) -> None:
    built = Builder(FACTS)
    replace(built, 1, 1, "info")
    built.audit(ledger=[1], slots=[[1, version], [2, 0]], tables=[[1, found], [2, FIRST]])
    assert kinds(Atomicity(), built.events) == said


def test_a_table_that_is_being_replaced_may_be_either() -> None:
    for found in (FIRST, rows(1, 1, 2)):
        built = Builder(FACTS)
        asked: dict[str, Any] = {"slot": 1, "rows": 2, "version": None, "reads": []}
        built.history.invoke(0, "tables", asked, transaction=1)
        built.audit(ledger=[], tables=[[1, found], [2, FIRST]])
        assert judge(Atomicity(), built.events) == []
