"""What `atomicity` and `lost_update` say of registers, sets and counters."""

from __future__ import annotations

import pytest

from properties.checkers.atomicity import Atomicity
from properties.checkers.lost_update import LostUpdate
from tests.properties.history_builder import (
    ASYNCHRONOUS,
    COUNTERS,
    REGISTERS,
    SET,
    Builder,
    kinds,
    messages,
    numbered,
)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([1, 11, 2], []),
        ([1, 10, 2], ["registers"]),
        ([1, 11, 1], ["registers"]),
        ([1, 11, 3], ["registers"]),
    ],
)
def test_a_register_has_the_value_with_the_highest_version(row: list[int], said: list[str]) -> None:
    built = Builder(REGISTERS)
    built.rw([["w", 1, 11, 2]], 2)
    built.rw([["w", 1, 10, 1]], 1)
    built.audit(ledger=[1, 2], registers=[row, [2, 0, 0]])
    assert kinds(Atomicity(), built.events) == said


def test_a_register_holds_what_a_doubtful_transaction_wrote_if_it_is_in() -> None:
    for ledger, row in (([1], [1, 10, 1]), ([], [1, 0, 0])):
        built = Builder(REGISTERS)
        built.rw([["w", 1, 10, 1]], 1, "info")
        built.audit(ledger=ledger, registers=[row, [2, 0, 0]])
        built.audit(ledger=ledger, registers=[[1, 10 - row[1], 1 - row[2]], [2, 0, 0]])
        assert kinds(Atomicity(), built.events) == ["registers"]


def test_of_a_register_whose_writer_is_under_way_only_the_number_of_writes_is_judged() -> None:
    built = Builder(REGISTERS)
    invoked = built.history.invoke(0, "rw", [["w", 1, 10, None]], transaction=1)
    built.audit(ledger=[1], registers=[[1, 10, 1], [2, 0, 0]])
    built.history.complete(invoked, "ok", [["w", 1, 10, 1]])
    built.audit(ledger=[1], registers=[[1, 10, 1], [2, 0, 0]])
    assert kinds(Atomicity(), built.events) == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([2, 3, 4], []),
        ([2, 3], ["half"]),
        ([1, 2, 3, 4], ["half"]),
        ([2, 3, 4, 5], ["extra"]),
        ([3, 4], ["row gone"]),
        ([2, 2, 3, 4], ["row twice"]),
    ],
)
def test_a_set_has_what_was_put_in_without_what_was_taken_out(
    rows: list[int], said: list[str]
) -> None:
    built = Builder(SET)
    built.elements(1, add=[4], remove=[1])
    built.elements(2, "fail", add=[5], remove=[2])
    built.audit(ledger=[1], elements=rows)
    assert kinds(Atomicity(), built.events) == said


def test_an_element_that_another_has_taken_out_is_not_expected_back() -> None:
    built = Builder(SET)
    invoked = built.begin_elements(1, remove=[1])
    built.elements(2, "fail", remove=[1])
    built.end_elements(invoked, removed=[])
    built.audit(ledger=[1], elements=[1, 2, 3])
    assert kinds(Atomicity(), built.events) == []


def test_what_a_transaction_under_way_wants_to_take_out_is_free_to_be_there() -> None:
    for rows in ([1, 2, 3], [2, 3]):
        built = Builder(SET)
        built.begin_elements(1, remove=[1])
        built.audit(ledger=[1], elements=rows)
        assert kinds(Atomicity(), built.events) == []


@pytest.mark.parametrize(
    ("values", "said"), [([3, 5], []), ([3, 4], ["counters"]), ([3], ["row gone"])]
)
def test_a_counter_is_the_sum_of_what_the_ledger_s_transactions_add(
    values: list[int], said: list[str]
) -> None:
    built = Builder(COUNTERS)
    built.count(1, add=[(1, 3), (2, 5)], made=[3, 5])
    built.count(2, "fail", add=[(1, 7)], made=[10])
    built.audit(ledger=[1], counters=numbered(values))
    assert kinds(Atomicity(), built.events) == said


def test_what_a_crash_has_taken_is_taken_back_everywhere() -> None:
    for reaches, said in ((False, []), (True, ["counters", "registers", "half"])):
        built = Builder(COUNTERS | REGISTERS | SET | ASYNCHRONOUS)
        built.count(1, add=[(1, 3)], made=[3])
        built.rw([["w", 1, 10, 1]], 2)
        built.elements(3, add=[4], remove=[1])
        built.audit(
            ledger=[1, 2, 3],
            counters=numbered([3, 0]),
            registers=[[1, 10, 1], [2, 0, 0]],
            elements=[2, 3, 4],
        )
        built.reaction("all")
        left = [1, 2, 3] if reaches else []
        built.audit(
            ledger=left,
            counters=numbered([0, 0]),
            registers=[[1, 0, 0], [2, 0, 0]],
            elements=[1, 2, 3],
        )
        assert sorted(kinds(Atomicity(), built.events)) == sorted(said)


def test_two_makers_of_one_version_of_a_register_are_a_lost_update() -> None:
    built = Builder(REGISTERS)
    built.rw([["w", 1, 10, 1]], 1)
    built.rw([["w", 1, 11, 1]], 2)
    assert "transactions 1 and 2 both made version 1 of register 1" in messages(
        LostUpdate(), built.events
    )


def test_two_makers_of_one_value_of_a_counter_are_a_lost_update() -> None:
    built = Builder(COUNTERS)
    built.count(1, add=[(1, 3)], made=[3])
    built.count(2, add=[(1, 3)], made=[3])
    assert kinds(LostUpdate(), built.events) == ["one version, two makers"]


def test_two_that_took_out_one_element_are_a_lost_update() -> None:
    built = Builder(SET)
    built.elements(1, remove=[1])
    built.elements(2, remove=[1])
    assert kinds(LostUpdate(), built.events) == ["one version, two makers"]
