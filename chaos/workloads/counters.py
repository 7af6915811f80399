"""Increments by known amounts, and reads of all counters.

A counter only grows, so whoever reads it can tell how much at least has been added, and how much at
most; and the ledger's transactions say what it must be. There are few counters, so many clients
want the same row: updates wait for each other, and versions of one row follow each other on a page.

As in the bank, the new value is computed by the server under READ COMMITTED and by the client, from
what it read, under REPEATABLE READ: two ways of losing an update.

Operations: `count` {add: [[counter, amount], ...], made: [[counter, the value it made], ...],
reads: [[[counter, value], ...], ...]}, `audit` {ledger, counters: [[counter, value], ...]}. At
first every counter is 0.
"""

from __future__ import annotations

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
    one_row,
    roll_back,
)
from chaos.workloads.part import Part, Shares, draw_isolation, draw_key, tables_upkeep

ADD: Final = "UPDATE counters SET value = value + $1 WHERE id = $2 RETURNING value"
READ_ONE: Final = "SELECT value FROM counters WHERE id = $1"
SET: Final = "UPDATE counters SET value = $1 WHERE id = $2 RETURNING value"
READ_ALL: Final = Statement("SELECT id, value FROM counters ORDER BY id")
MOST: Final = 9


@dataclass(frozen=True, slots=True)
class CountersMix(Shares):
    """Sizes, and shares."""

    counters: int = 8
    longest_transaction: int = 3


class Counters(Part):
    """The workload."""

    name = "counters"

    def __init__(self, mix: CountersMix, transactions: Iterator[int] | None = None) -> None:
        super().__init__(transactions)
        self.mix = mix

    def facts(self) -> dict[str, Any]:
        """The counters at the beginning; all are 0."""
        return {"counters": self.mix.counters}

    def own_tables(self) -> list[Statement]:
        """The counters."""
        column, name, text = filler(self.mix.filler)
        create = f"CREATE TABLE counters (id integer NOT NULL, value bigint NOT NULL{column})"
        rows = ", ".join(f"({key}, 0{text})" for key in range(1, self.mix.counters + 1))
        insert = f"INSERT INTO counters (id, value{name}) VALUES {rows}"
        return [Statement(create, commits=True), Statement(insert, commits=True)]

    def next(self, chance: random.Random) -> Operation:
        """A transaction that adds to a few counters, most of the time."""
        mix = self.mix
        upkeep = tables_upkeep(chance, mix.checkpoint, mix.vacuum, "counters")
        if upkeep is not None:
            return upkeep
        isolation = draw_isolation(chance, mix.repeatable_read)
        if chance.random() < mix.read:
            return Operation("count", _empty(), _reader(isolation), None, isolation)
        drawn = range(chance.randint(1, mix.longest_transaction))
        keys = [draw_key(chance, mix.counters, mix.hot) for _ in drawn]
        if chance.random() >= mix.unordered:
            keys.sort()
        keep = chance.random() >= mix.rollback
        transaction = next(self._transactions)
        value = _empty() | {"add": [[key, chance.randint(1, MOST)] for key in keys]}
        add = _add_by_client if isolation == REPEATABLE_READ else _add_by_server

        def body(value: Any) -> Body:
            yield BEGIN[isolation]
            for key, amount in value["add"]:
                yield from add(value, key, amount)
            yield from enter_in_ledger(transaction, "counters", mix.padding)
            yield from commit() if keep else roll_back()

        return Operation("count", value, body, transaction, isolation, writes=keep)

    def read_own(self, value: Any) -> Body:
        """The part of an audit that is about counters."""
        answer = yield READ_ALL
        value["counters"] = [[integer(column) for column in row] for row in answer.rows]

    def glance(self) -> Operation:
        """All counters."""
        return Operation("count", _empty(), _read)


def _empty() -> dict[str, Any]:
    return {"add": [], "made": [], "reads": []}


def _read(value: Any) -> Body:
    answer = yield READ_ALL
    value["reads"].append([[integer(column) for column in row] for row in answer.rows])


def _reader(isolation: str) -> Any:
    """Under REPEATABLE READ all counters are read twice."""

    def body(value: Any) -> Body:
        yield BEGIN[isolation]
        yield from _read(value)
        if isolation == REPEATABLE_READ:
            yield from _read(value)
        yield from commit()

    return body


def _add_by_server(value: Any, key: int, amount: int) -> Body:
    answer = yield Statement(ADD, (number(amount), number(key)))
    (made,) = one_row(answer, f"UPDATE of counter {key}")
    value["made"].append([key, integer(made)])


def _add_by_client(value: Any, key: int, amount: int) -> Body:
    answer = yield Statement(READ_ONE, (number(key),))
    found = integer(one_row(answer, f"SELECT of counter {key}")[0])
    answer = yield Statement(SET, (number(found + amount), number(key)))
    made = integer(one_row(answer, f"UPDATE of counter {key}")[0])
    if made != found + amount:
        raise WrongAnswer(f"counter {key} set to {found + amount}, RETURNING says {made}")
    value["made"].append([key, made])
