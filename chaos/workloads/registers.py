"""Transactions that write unique values to registers and read them, as Elle's rw-register.

A write is blind: it does not depend on what was there, unless the transaction has read it before,
which half of them do. Each register has a version that each write raises by one and returns, so
that the order of the writes, which Elle has to infer, is known: it is what the other checkers judge
by. A read is of one register or of several in one statement, which is one snapshot under either
level.

Operations: `rw` [["w", key, value, version it made | null] | ["r", key, value | null, version |
null], ...], `audit` {ledger, registers: [[key, value, version], ...]}. At first every register has
the value 0 and the version 0.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from chaos.workloads.api import (
    BEGIN,
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

WRITE: Final = (
    "UPDATE registers SET value = $1, version = version + 1 WHERE id = $2 RETURNING version"
)
READ: Final = "SELECT id, value, version FROM registers WHERE id IN "
READ_ALL: Final = Statement("SELECT id, value, version FROM registers ORDER BY id")


@dataclass(frozen=True, slots=True)
class RegistersMix(Shares):
    """Sizes, and shares: `read` of the steps of a transaction; `informed` of its writes come after
    a read of the same register.
    """

    read: float = 0.4
    registers: int = 16
    longest_transaction: int = 4
    informed: float = 0.5


class Registers(Part):
    """The workload."""

    name = "registers"

    def __init__(self, mix: RegistersMix, transactions: Iterator[int] | None = None) -> None:
        super().__init__(transactions)
        self.mix = mix
        self._values = itertools.count(1)

    def facts(self) -> dict[str, Any]:
        """The registers at the beginning; all are 0."""
        return {"registers": self.mix.registers}

    def own_tables(self) -> list[Statement]:
        """The registers."""
        column, name, value = filler(self.mix.filler)
        create = (
            "CREATE TABLE registers (id integer NOT NULL, value bigint NOT NULL,"
            f" version bigint NOT NULL{column})"
        )
        rows = ", ".join(f"({key}, 0, 0{value})" for key in range(1, self.mix.registers + 1))
        insert = f"INSERT INTO registers (id, value, version{name}) VALUES {rows}"
        return [Statement(create, commits=True), Statement(insert, commits=True)]

    def next(self, chance: random.Random) -> Operation:
        """A transaction of a few writes and reads, most of the time."""
        mix = self.mix
        upkeep = tables_upkeep(chance, mix.checkpoint, mix.vacuum, "registers")
        if upkeep is not None:
            return upkeep
        steps: list[list[Any]] = []
        for _ in range(chance.randint(1, mix.longest_transaction)):
            steps += self._draw(chance)
        if chance.random() >= mix.unordered:
            steps.sort(key=lambda step: int(step[1]))
        isolation = draw_isolation(chance, mix.repeatable_read)
        keep = chance.random() >= mix.rollback
        together = chance.random() < 0.5
        writes = any(step[0] == "w" for step in steps)
        transaction = next(self._transactions) if writes else None
        body = _Transaction(transaction, isolation, keep or not writes, together, mix.padding)
        return Operation("rw", steps, body.body, transaction, isolation, writes=writes)

    def _draw(self, chance: random.Random) -> list[list[Any]]:
        key = draw_key(chance, self.mix.registers, self.mix.hot)
        if chance.random() < self.mix.read:
            return [["r", key, None, None]]
        write = ["w", key, next(self._values), None]
        return [["r", key, None, None], write] if chance.random() < self.mix.informed else [write]

    def read_own(self, value: Any) -> Body:
        """The part of an audit that is about registers."""
        answer = yield READ_ALL
        value["registers"] = [[integer(column) for column in row] for row in answer.rows]

    def glance(self) -> Operation:
        """All registers."""

        def body(value: Any) -> Body:
            answer = yield READ_ALL
            value[:] = [["r", *(integer(column) for column in row)] for row in answer.rows]

        keys = range(1, self.mix.registers + 1)
        return Operation("rw", [["r", key, None, None] for key in keys], body)


class _Transaction:
    """The body of one transaction. `together`: reads that follow each other are one statement."""

    def __init__(
        self, transaction: int | None, isolation: str, keep: bool, together: bool, padding: int
    ) -> None:
        self._transaction = transaction
        self._isolation = isolation
        self._keep = keep
        self._together = together
        self._padding = padding

    def body(self, value: Any) -> Body:
        yield BEGIN[self._isolation]
        for kind, steps in groupby(value, key=lambda step: step[0]):
            if kind == "r" and self._together:
                yield from _read(list(steps))
            else:
                for step in steps:
                    yield from (_read([step]) if kind == "r" else _write(step))
        if self._transaction is not None:
            yield from enter_in_ledger(self._transaction, "registers", self._padding)
        yield from commit() if self._keep else roll_back()


def _read(steps: list[list[Any]]) -> Body:
    """One statement for all these reads; what it returned becomes part of them."""
    keys = sorted({step[1] for step in steps})
    places = ", ".join(f"${place}" for place in range(1, len(keys) + 1))
    answer = yield Statement(f"{READ}({places})", tuple(number(key) for key in keys))
    rows = {integer(row[0]): (integer(row[1]), integer(row[2])) for row in answer.rows}
    if sorted(rows) != keys or len(answer.rows) != len(keys):
        raise WrongAnswer(f"registers {keys}: {len(answer.rows)} rows, of {sorted(rows)}")
    for step in steps:
        step[2], step[3] = rows[step[1]]


def _write(step: list[Any]) -> Body:
    answer = yield Statement(WRITE, (number(step[2]), number(step[1])))
    step[3] = integer(one_row(answer, f"UPDATE of register {step[1]}")[0])
