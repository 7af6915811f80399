"""Transactions that append unique values to lists and read them, as Elle's list-append.

A list is a text, `,17,18`, so an append is one UPDATE and a read tells the whole order in which the
appends to that list were committed. What an append returns is recorded as a read that follows it.

A list that has grown long is replaced by an empty one between two faults, while no client is at
work.

Operations: `txn` [["append", key, value] | ["r", key, [values] | null], ...], `rotate` {retired,
created}, `audit` {ledger, lists: [[key, [values]], ...]}.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from chaos.workloads.api import (
    BEGIN,
    READ_COMMITTED,
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
from chaos.workloads.part import Part, Shares, draw_isolation, tables_upkeep

APPEND: Final = "UPDATE lists SET items = items || $1 WHERE id = $2 RETURNING items"
READ: Final = "SELECT items FROM lists WHERE id = $1"
DURABLY: Final = Statement("SET LOCAL synchronous_commit = on")
"""The workload goes on with the new lists: no crash may take them back."""
READ_ALL: Final = Statement("SELECT id, items FROM lists ORDER BY id")


@dataclass(frozen=True, slots=True)
class AppendMix(Shares):
    """Sizes, and shares. A list of `longest` values still fits on a page."""

    read: float = 0.45
    lists: int = 24
    longest: int = 250
    longest_transaction: int = 4


class Append(Part):
    """The workload."""

    name = "append"

    def __init__(self, mix: AppendMix, transactions: Iterator[int] | None = None) -> None:
        super().__init__(transactions)
        self.mix = mix
        self._values = itertools.count(1)
        self._keys = list(range(1, mix.lists + 1))
        self._next_key = mix.lists + 1
        self._lengths = dict.fromkeys(self._keys, 0)

    def facts(self) -> dict[str, Any]:
        """The lists at the beginning; all are empty."""
        return {"lists": self.mix.lists}

    def own_tables(self) -> list[Statement]:
        """The lists, every one empty."""
        column, name, value = filler(self.mix.filler)
        create = f"CREATE TABLE lists (id integer NOT NULL, items text NOT NULL{column})"
        rows = ", ".join(f"({key}, ''{value})" for key in self._keys)
        insert = f"INSERT INTO lists (id, items{name}) VALUES {rows}"
        return [Statement(create, commits=True), Statement(insert, commits=True)]

    def next(self, chance: random.Random) -> Operation:
        """A transaction of a few appends and reads, most of the time."""
        mix = self.mix
        upkeep = tables_upkeep(chance, mix.checkpoint, mix.vacuum, "lists")
        if upkeep is not None:
            return upkeep
        operations = [self._draw(chance) for _ in range(chance.randint(1, mix.longest_transaction))]
        if chance.random() >= mix.unordered:
            operations.sort(key=lambda operation: int(operation[1]))
        isolation = draw_isolation(chance, mix.repeatable_read)
        keep = chance.random() >= mix.rollback
        appends = any(kind == "append" for kind, _, _ in operations)
        transaction = next(self._transactions) if appends else None
        body = _Transaction(transaction, isolation, keep or not appends, mix.padding)
        return Operation("txn", operations, body.body, transaction, isolation, writes=appends)

    def _draw(self, chance: random.Random) -> list[Any]:
        keys = (
            self._keys[: max(1, len(self._keys) // 8)]
            if chance.random() < self.mix.hot
            else self._keys
        )
        key = chance.choice(keys)
        if chance.random() < self.mix.read or self._lengths[key] >= self.mix.longest:
            return ["r", key, None]
        self._lengths[key] += 1
        return ["append", key, next(self._values)]

    def read_own(self, value: Any) -> Body:
        """The part of an audit that is about lists."""
        answer = yield READ_ALL
        value["lists"] = [[integer(key), parse_items(items)] for key, items in answer.rows]

    def glance(self) -> Operation:
        """All lists."""

        def body(value: Any) -> Body:
            answer = yield READ_ALL
            value[:] = [["r", integer(key), parse_items(items)] for key, items in answer.rows]

        return Operation("txn", [["r", key, None] for key in self._keys], body)

    def upkeep(self) -> Operation | None:
        """Replace the lists that are full."""
        full = [key for key in self._keys if self._lengths[key] >= self.mix.longest]
        if not full:
            return None
        fresh = list(range(self._next_key, self._next_key + len(full)))
        self._next_key += len(full)
        self._keys = [key for key in self._keys if key not in full] + fresh
        self._lengths |= dict.fromkeys(fresh, 0)

        def body(_value: Any) -> Body:
            yield BEGIN[READ_COMMITTED]
            yield DURABLY
            for key in full:
                yield Statement("DELETE FROM lists WHERE id = $1", (number(key),))
            for key in fresh:
                yield Statement("INSERT INTO lists (id, items) VALUES ($1, '')", (number(key),))
            yield from commit()

        return Operation("rotate", {"retired": full, "created": fresh}, body)


class _Transaction:
    """The body of one transaction."""

    def __init__(self, transaction: int | None, isolation: str, keep: bool, padding: int) -> None:
        self._transaction = transaction
        self._isolation = isolation
        self._keep = keep
        self._padding = padding

    def body(self, value: Any) -> Body:
        planned = [tuple(operation) for operation in value]
        value.clear()
        value.extend(list(operation) for operation in planned)
        yield BEGIN[self._isolation]
        place = 0
        for kind, key, item in planned:
            if kind == "append":
                text = b",%d" % item
                row = one_row((yield Statement(APPEND, (text, number(key)))), f"append to {key}")
                place += 1
                value.insert(place, ["r", key, parse_items(row[0])])
            else:
                row = one_row((yield Statement(READ, (number(key),))), f"read of {key}")
                value[place][2] = parse_items(row[0])
            place += 1
        if self._transaction is not None:
            yield from enter_in_ledger(self._transaction, "append", self._padding)
        yield from commit() if self._keep else roll_back()


def parse_items(text: str | None) -> list[int]:
    """`,17,18` as [17, 18]."""
    if text is None or (text and not text.startswith(",")):
        raise WrongAnswer(f"{text!r} is no list")
    try:
        return [int(item) for item in text.split(",")[1:]]
    except ValueError:
        raise WrongAnswer(f"{text!r} is no list") from None
