"""Tables that are dropped, created anew and filled, in one transaction each.

There are a few *slots*, each of which always has a table. A transaction drops that of a slot,
creates another one of the same name, and puts rows in. So files come and go, and a table is there
with all its rows, or that before it with all of its. Who reads a slot meanwhile waits, and then
must find the new one, though its statement was prepared for another.

Each slot has a row in the table `slots`, whose version each transaction raises: so those that want
the same slot follow each other, and what the catalog and the files say can be compared with what a
row says. All is done under READ COMMITTED, since an older snapshot sees a newer table, as in
PostgreSQL, without its rows.

Operations: `tables` {slot: slot | null, rows: how many it puts in, version: what it made of the
slot's | null, reads: [[slot, [[version, transaction, place], ...]], ...]}, `audit` {ledger, slots:
[[slot, version], ...], tables: as `reads`}. At first every slot has version 0, and one row of
transaction 0.
"""

from __future__ import annotations

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
from chaos.workloads.part import Part, Shares, draw_key, tables_upkeep

NEXT: Final = "UPDATE slots SET version = version + 1 WHERE id = $1 RETURNING version"
READ_SLOTS: Final = Statement("SELECT id, version FROM slots ORDER BY id")


@dataclass(frozen=True, slots=True)
class TablesMix(Shares):
    """Sizes, and shares. A slot's table has at most so many rows."""

    read: float = 0.8
    slots: int = 4
    rows: int = 4


class Tables(Part):
    """The workload."""

    name = "tables"

    def __init__(self, mix: TablesMix, transactions: Iterator[int] | None = None) -> None:
        super().__init__(transactions)
        self.mix = mix
        self._column, self._name, self._text = filler(mix.filler)

    def facts(self) -> dict[str, Any]:
        """The slots at the beginning, and as many tables."""
        return {"slots": self.mix.slots, "tables": self.mix.slots}

    def own_tables(self) -> list[Statement]:
        """The slots' versions, and the first table of each."""
        slots = range(1, self.mix.slots + 1)
        rows = ", ".join(f"({slot}, 0)" for slot in slots)
        texts = [
            "CREATE TABLE slots (id integer NOT NULL, version bigint NOT NULL)",
            f"INSERT INTO slots (id, version) VALUES {rows}",
        ]
        for slot in slots:
            texts += [self._create(slot), self._insert(slot, "(0, 0, 1")]
        return [Statement(text, commits=True) for text in texts]

    def _create(self, slot: int) -> str:
        return (
            f"CREATE TABLE slot_{slot} (version bigint NOT NULL, owner bigint NOT NULL,"
            f" place integer NOT NULL{self._column})"
        )

    def _insert(self, slot: int, values: str) -> str:
        columns = f"version, owner, place{self._name}"
        return f"INSERT INTO slot_{slot} ({columns}) VALUES {values}{self._text})"

    def next(self, chance: random.Random) -> Operation:
        """A transaction that replaces a table, or one that reads some."""
        mix = self.mix
        upkeep = tables_upkeep(chance, mix.checkpoint, mix.vacuum, "slots")
        if upkeep is not None:
            return upkeep
        slot = draw_key(chance, mix.slots, mix.hot)
        if chance.random() < mix.read:
            last = chance.randint(slot, mix.slots)
            reader = _Reader(range(slot, last + 1))
            return Operation("tables", _value(None, 0), reader.body, None, READ_COMMITTED)
        transaction = next(self._transactions)
        keep = chance.random() >= mix.rollback

        def body(value: Any) -> Body:
            yield BEGIN[READ_COMMITTED]
            answer = yield Statement(NEXT, (number(slot),))
            version = integer(one_row(answer, f"UPDATE of slot {slot}")[0])
            value["version"] = version
            yield Statement(f"DROP TABLE slot_{slot}")
            yield Statement(self._create(slot))
            insert = self._insert(slot, "($1, $2, $3")
            for place in range(1, value["rows"] + 1):
                yield Statement(insert, (number(version), number(transaction), number(place)))
            yield from enter_in_ledger(transaction, "tables", mix.padding)
            yield from commit() if keep else roll_back()

        value = _value(slot, chance.randint(1, mix.rows))
        return Operation("tables", value, body, transaction, READ_COMMITTED, writes=keep)

    def read_own(self, value: Any) -> Body:
        """The part of an audit that is about slots and their tables."""
        answer = yield READ_SLOTS
        value["slots"] = [[integer(column) for column in row] for row in answer.rows]
        value["tables"] = []
        for slot in range(1, self.mix.slots + 1):
            yield from _read(value["tables"], slot)

    def glance(self) -> Operation:
        """The slots' versions: a table may be locked for as long as its transaction takes."""

        def body(value: Any) -> Body:
            answer = yield READ_SLOTS
            if len(answer.rows) != self.mix.slots:
                raise WrongAnswer(f"{len(answer.rows)} slots instead of {self.mix.slots}")

        return Operation("tables", _value(None, 0), body)


class _Reader:
    """The body of a transaction that reads some slots' tables."""

    def __init__(self, slots: range) -> None:
        self._slots = slots

    def body(self, value: Any) -> Body:
        yield BEGIN[READ_COMMITTED]
        for slot in self._slots:
            yield from _read(value["reads"], slot)
        yield from commit()


def _value(slot: int | None, rows: int) -> dict[str, Any]:
    return {"slot": slot, "rows": rows, "version": None, "reads": []}


def _read(reads: list[Any], slot: int) -> Body:
    answer = yield Statement(f"SELECT version, owner, place FROM slot_{slot} ORDER BY place")
    reads.append([slot, [[integer(column) for column in row] for row in answer.rows]])
