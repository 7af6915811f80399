"""Transfers between accounts: whatever happens, the total stays what it was.

Each account has a balance and a version that each update raises by one. Transfers come in two
kinds, for the two ways of losing an update:

- under READ COMMITTED the new balance is computed by the server (`balance = balance - 5`), so an
  update that waited for another must look at the row again;
- under REPEATABLE READ it is computed by the client from what it read, so the server must refuse
  (40001) when the row has changed since.

Some transfers are rolled back on purpose. Readers take the total in one statement, and in a
REPEATABLE READ transaction twice. The audit reads ledger and accounts in one snapshot.

Operations: `transfer` {from, to, amount, versions: [[account, version it made], ...]}, `read`
{totals}, `checkpoint`, `vacuum`, `audit` {ledger, accounts: [[id, balance, version], ...]}.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from chaos.workloads.api import (
    BEGIN,
    READ_COMMITTED,
    REPEATABLE_READ,
    Body,
    Operation,
    Statement,
    WrongAnswer,
    checkpoint,
    commit,
    enter_in_ledger,
    filler,
    integer,
    number,
    one_row,
    roll_back,
    vacuum,
)
from chaos.workloads.part import Part, Shares

ADD: Final = (
    "UPDATE accounts SET balance = balance + $1, version = version + 1 WHERE id = $2"
    " RETURNING version"
)
READ_ONE: Final = "SELECT balance, version FROM accounts WHERE id = $1"
SET: Final = "UPDATE accounts SET balance = $1, version = $2 WHERE id = $3 RETURNING version"
TOTAL: Final = Statement("SELECT sum(balance), count(*) FROM accounts")
READ_ALL: Final = Statement("SELECT id, balance, version FROM accounts ORDER BY id")


@dataclass(frozen=True, slots=True)
class BankMix(Shares):
    """Sizes, and shares; what is nothing else is a transfer that commits. The longer an account's
    row, by `filler`, the more pages are changed again and again.
    """

    read: float = 0.15
    hot: float = 0.2
    accounts: int = 64
    balance: int = 100


class Bank(Part):
    """The workload."""

    name = "bank"

    def __init__(self, mix: BankMix, transactions: Iterator[int] | None = None) -> None:
        super().__init__(transactions)
        self.mix = mix

    def facts(self) -> dict[str, Any]:
        """The accounts at the beginning."""
        return {"accounts": self.mix.accounts, "balance": self.mix.balance}

    def own_tables(self) -> list[Statement]:
        """The accounts, every one at the same balance and version 0."""
        column, name, value = filler(self.mix.filler)
        rows = ", ".join(
            f"({account}, {self.mix.balance}, 0{value})"
            for account in range(1, self.mix.accounts + 1)
        )
        create = (
            "CREATE TABLE accounts (id integer NOT NULL, balance bigint NOT NULL,"
            f" version bigint NOT NULL{column})"
        )
        insert = f"INSERT INTO accounts (id, balance, version{name}) VALUES {rows}"
        return [Statement(create, commits=True), Statement(insert, commits=True)]

    def next(self, chance: random.Random) -> Operation:
        """A transfer, most of the time."""
        mix = self.mix
        drawn = chance.random()
        if drawn < mix.checkpoint:
            return checkpoint()
        drawn -= mix.checkpoint
        if drawn < mix.vacuum:
            return vacuum("accounts")
        drawn -= mix.vacuum
        if drawn < mix.read:
            return self._read(chance)
        return self._transfer(chance, keep=drawn - mix.read >= mix.rollback)

    def _read(self, chance: random.Random) -> Operation:
        repeatable = chance.random() < self.mix.repeatable_read
        isolation = REPEATABLE_READ if repeatable else READ_COMMITTED
        return Operation(
            "read", {"totals": []}, _read_twice if repeatable else _read_once, None, isolation
        )

    def _transfer(self, chance: random.Random, *, keep: bool) -> Operation:
        mix = self.mix
        last = max(2, mix.accounts // 16) if chance.random() < mix.hot else mix.accounts
        source, sink = chance.sample(range(1, last + 1), 2)
        ordered = chance.random() >= mix.unordered
        repeatable = chance.random() < mix.repeatable_read
        transaction = next(self._transactions)
        transfer = _Transfer(transaction, ordered, keep, repeatable, mix.padding)
        value = {"from": source, "to": sink, "amount": chance.randint(1, 9), "versions": []}
        isolation = REPEATABLE_READ if repeatable else READ_COMMITTED
        return Operation("transfer", value, transfer.body, transaction, isolation, writes=keep)

    def read_own(self, value: Any) -> Body:
        """The part of an audit that is about accounts."""
        answer = yield READ_ALL
        value["accounts"] = [[integer(column) for column in row] for row in answer.rows]

    def glance(self) -> Operation:
        """The total."""
        return Operation("read", {"totals": []}, _read_once, None, READ_COMMITTED)


class _Transfer:
    """The body of one transfer."""

    def __init__(
        self, transaction: int, ordered: bool, keep: bool, by_client: bool, padding: int
    ) -> None:
        self._transaction = transaction
        self._ordered = ordered
        self._keep = keep
        self._by_client = by_client
        self._padding = padding

    def body(self, value: Any) -> Body:
        changes = [(value["from"], -value["amount"]), (value["to"], value["amount"])]
        if self._ordered:
            changes.sort()
        yield BEGIN[REPEATABLE_READ if self._by_client else READ_COMMITTED]
        for account, change in changes:
            add = self._add_by_client if self._by_client else self._add_by_server
            yield from add(value, account, change)
        yield from enter_in_ledger(self._transaction, "transfer", self._padding)
        yield from commit() if self._keep else roll_back()

    def _add_by_server(self, value: Any, account: int, change: int) -> Body:
        answer = yield Statement(ADD, (number(change), number(account)))
        (version,) = one_row(answer, f"UPDATE of account {account}")
        value["versions"].append([account, integer(version)])

    def _add_by_client(self, value: Any, account: int, change: int) -> Body:
        answer = yield Statement(READ_ONE, (number(account),))
        balance, version = map(integer, one_row(answer, f"SELECT of account {account}"))
        answer = yield Statement(
            SET, (number(balance + change), number(version + 1), number(account))
        )
        (made,) = map(integer, one_row(answer, f"UPDATE of account {account}"))
        if made != version + 1:
            raise WrongAnswer(f"version set to {version + 1}, RETURNING says {made}")
        value["versions"].append([account, made])


def _read_once(value: Any) -> Body:
    answer = yield TOTAL
    value["totals"].append([integer(column) for column in one_row(answer, "the total")])


def _read_twice(value: Any) -> Body:
    yield BEGIN[REPEATABLE_READ]
    yield from _read_once(value)
    answer = yield READ_ALL
    balances = [integer(row[1]) for row in answer.rows]
    value["totals"].append([sum(balances), len(balances)])
    yield from commit()
