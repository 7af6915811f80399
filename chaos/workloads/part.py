"""What the workloads share: each is a part, with tables of its own beside the ledger.

A part can be the whole workload or one of several over the same ledger (`mixed.py`); so what it
creates and what of the audit is its own are methods, and the rest is here.
"""

from __future__ import annotations

import itertools
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.workloads.api import (
    BEGIN,
    CREATE_LEDGER,
    READ_COMMITTED,
    READ_LEDGER,
    REPEATABLE_READ,
    Body,
    Operation,
    Statement,
    checkpoint,
    commit,
    create_tables,
    integer,
    vacuum,
)


@dataclass(frozen=True, slots=True)
class Shares:
    """How often what happens, as shares of all operations.

    `read` only reads, `rollback` rolls back on purpose, `unordered` takes rows in any order, so
    that there may be deadlocks, `hot` takes them from the first eighth. So many bytes of `padding`
    has each row of the ledger, of `filler` each row of the part's own.
    """

    read: float = 0.2
    rollback: float = 0.1
    repeatable_read: float = 0.4
    unordered: float = 0.05
    hot: float = 0.3
    checkpoint: float = 0.004
    vacuum: float = 0.004
    padding: int = 0
    filler: int = 0


class Part(ABC):
    """A workload, or one of several; `transactions` hands out the ids of the ledger."""

    name: str

    def __init__(self, transactions: Iterator[int] | None) -> None:
        self._transactions = transactions or itertools.count(1)

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What checkers must know of the initial state."""

    @abstractmethod
    def own_tables(self) -> list[Statement]:
        """What there is besides the ledger."""

    @abstractmethod
    def next(self, chance: random.Random) -> Operation:
        """The next operation of whichever client is free."""

    @abstractmethod
    def read_own(self, value: Any) -> Body:
        """The part of an audit that is about its own tables."""

    @abstractmethod
    def glance(self) -> Operation:
        """One read of all rows, as cheap as can be."""

    def setup(self) -> Sequence[Operation]:
        """The ledger and its own tables."""
        return [create_tables([CREATE_LEDGER, *self.own_tables()])]

    def audit(self) -> Operation:
        """Ledger and its own tables in one snapshot."""
        return audit_of([self])

    def upkeep(self) -> Operation | None:
        """Nothing, mostly."""
        return None


def audit_of(parts: Sequence[Part]) -> Operation:
    """The ledger and the tables of all these parts in one snapshot."""

    def body(value: Any) -> Body:
        yield BEGIN[REPEATABLE_READ]
        yield from read_ledger(value)
        for part in parts:
            yield from part.read_own(value)
        yield from commit()

    return Operation("audit", {}, body, None, REPEATABLE_READ)


def read_ledger(value: Any) -> Body:
    """The part of an audit that every workload has."""
    answer = yield READ_LEDGER
    value["ledger"] = [integer(row[0]) for row in answer.rows]


def tables_upkeep(
    chance: random.Random, checkpoint_share: float, vacuum_share: float, table: str
) -> Operation | None:
    """A checkpoint or a VACUUM of the table, now and then."""
    drawn = chance.random()
    if drawn < checkpoint_share:
        return checkpoint()
    if drawn < checkpoint_share + vacuum_share:
        return vacuum(table)
    return None


def draw_isolation(chance: random.Random, repeatable_read: float) -> str:
    """One of the two levels."""
    return REPEATABLE_READ if chance.random() < repeatable_read else READ_COMMITTED


def draw_key(chance: random.Random, keys: int, hot: float) -> int:
    """One of the keys 1, 2, ...; of the first eighth with this chance."""
    last = max(1, keys // 8) if chance.random() < hot else keys
    return chance.randint(1, last)
