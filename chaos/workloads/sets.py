"""Transactions that put unique elements into a set and take some out; readers see the whole set.

An element is a row. It is put in once in all the run, and taken out by one transaction at most, so
what is there after any transactions is known: what these have put in without what they have taken
out. Rows come and go, so pages are emptied, vacuumed and used again.

Two transactions may want to take out the same element: DELETE says who did.

Operations: `elements` {add: [element, ...], remove: [element, ...], removed: [those of `remove`
that were there], reads: [[element, ...], ...]}, `audit` {ledger, elements: [element, ...]}. At
first the elements 1, 2, ... are there, as many as `begin` says.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from chaos.workloads.api import (
    BEGIN,
    REPEATABLE_READ,
    Body,
    Operation,
    Statement,
    WrongAnswer,
    commit,
    enter_in_ledger,
    filler,
    integer,
    number,
    roll_back,
)
from chaos.workloads.part import Part, Shares, draw_isolation, tables_upkeep

REMOVE: Final = "DELETE FROM elements WHERE id = $1 RETURNING id"
READ_ALL: Final = Statement("SELECT id FROM elements ORDER BY id")


@dataclass(frozen=True, slots=True)
class SetsMix(Shares):
    """Sizes, and shares. `looks` of the transactions that write read the set at their end; `hot` of
    what is taken out may be wanted by others at the same time.
    """

    elements: int = 24
    largest: int = 64
    longest_transaction: int = 3
    remove: float = 0.4
    looks: float = 0.2
    hot: float = 0.1


class Sets(Part):
    """The workload."""

    name = "sets"

    def __init__(self, mix: SetsMix, transactions: Iterator[int] | None = None) -> None:
        super().__init__(transactions)
        self.mix = mix
        self._fresh = itertools.count(mix.elements + 1)
        self._there = list(range(1, mix.elements + 1))
        """What can be taken out, as far as is known: each audit says."""
        column, name, text = filler(mix.filler)
        self._create = f"CREATE TABLE elements (id bigint NOT NULL{column})"
        self._initial = f"INSERT INTO elements (id{name}) VALUES " + ", ".join(
            f"({element}{text})" for element in self._there
        )
        self._insert = f"INSERT INTO elements (id{name}) VALUES ($1{text})"

    def facts(self) -> dict[str, Any]:
        """How many elements there are at the beginning."""
        return {"elements": self.mix.elements}

    def own_tables(self) -> list[Statement]:
        """The set."""
        fill = [Statement(self._initial, commits=True)] if self._there else []
        return [Statement(self._create, commits=True), *fill]

    def next(self, chance: random.Random) -> Operation:
        """A transaction that changes the set, most of the time."""
        mix = self.mix
        upkeep = tables_upkeep(chance, mix.checkpoint, mix.vacuum, "elements")
        if upkeep is not None:
            return upkeep
        isolation = draw_isolation(chance, mix.repeatable_read)
        if chance.random() < mix.read:
            reads = 2 if isolation == REPEATABLE_READ else 1
            value: dict[str, Any] = {"add": [], "remove": [], "removed": [], "reads": []}
            return Operation("elements", value, _Reader(isolation, reads).body, None, isolation)
        return self._change(chance, isolation)

    def _change(self, chance: random.Random, isolation: str) -> Operation:
        mix = self.mix
        add: list[int] = []
        remove: list[int] = []
        for _ in range(chance.randint(1, mix.longest_transaction)):
            takes = chance.random() < mix.remove or len(self._there) >= mix.largest
            place, is_shared = int(chance.random() * len(self._there)), chance.random() < mix.hot
            if takes and self._there and self._there[place] not in remove:
                remove.append(self._there[place] if is_shared else self._there.pop(place))
            else:
                add.append(next(self._fresh))
        if chance.random() >= mix.unordered:
            remove.sort()
        keep = chance.random() >= mix.rollback
        looks = chance.random() < mix.looks
        transaction = next(self._transactions)
        value = {"add": add, "remove": remove, "removed": [], "reads": []}

        def body(value: Any) -> Body:
            yield BEGIN[isolation]
            for element in value["add"]:
                answer = yield Statement(self._insert, (number(element),))
                if answer.tag != "INSERT 0 1":
                    raise WrongAnswer(f"an INSERT of one row was answered with {answer.tag}")
            for element in value["remove"]:
                yield from _remove(value, element)
            if looks:
                yield from _read(value)
            yield from enter_in_ledger(transaction, "elements", mix.padding)
            yield from commit() if keep else roll_back()
            self._there += value["add"]

        return Operation("elements", value, body, transaction, isolation, writes=keep)

    def read_own(self, value: Any) -> Body:
        """The part of an audit that is about the set."""
        answer = yield READ_ALL
        value["elements"] = [integer(row[0]) for row in answer.rows]
        self._there = list(value["elements"])

    def glance(self) -> Operation:
        """All elements."""
        value: dict[str, Any] = {"add": [], "remove": [], "removed": [], "reads": []}
        return Operation("elements", value, _read)


class _Reader:
    """The body of a transaction that reads the set so many times."""

    def __init__(self, isolation: str, reads: int) -> None:
        self._isolation = isolation
        self._reads = reads

    def body(self, value: Any) -> Body:
        yield BEGIN[self._isolation]
        for _ in range(self._reads):
            yield from _read(value)
        yield from commit()


def _read(value: Any) -> Body:
    answer = yield READ_ALL
    value["reads"].append([integer(row[0]) for row in answer.rows])


def _remove(value: Any, element: int) -> Body:
    answer = yield Statement(REMOVE, (number(element),))
    gone = [integer(row[0]) for row in answer.rows]
    if gone not in ([], [element]):
        raise WrongAnswer(f"DELETE of element {element} returned {gone}")
    value["removed"] += gone
