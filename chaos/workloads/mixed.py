"""Bank and append side by side, over one ledger."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

from chaos.workloads.api import (
    BEGIN,
    CREATE_LEDGER,
    REPEATABLE_READ,
    Body,
    Operation,
    Workload,
    commit,
    create_tables,
)
from chaos.workloads.append import Append, AppendMix
from chaos.workloads.bank import Bank, BankMix, read_ledger


class Mixed:
    """Each operation is one of the two workloads', with equal chance."""

    name = "mixed"

    def __init__(self, bank: BankMix, append: AppendMix) -> None:
        transactions = itertools.count(1)
        self.bank = Bank(bank, transactions)
        self.append = Append(append, transactions)
        parts: list[Workload] = [self.bank, self.append]
        self._glances = itertools.cycle(parts)

    def facts(self) -> dict[str, Any]:
        """Both parts' facts."""
        return self.bank.facts() | self.append.facts()

    def setup(self) -> Sequence[Operation]:
        """Both parts' tables."""
        tables = [CREATE_LEDGER, *self.bank.own_tables(), *self.append.own_tables()]
        return [create_tables(tables)]

    def next(self, chance: random.Random) -> Operation:
        """One operation of either."""
        part = self.bank if chance.random() < 0.5 else self.append
        return part.next(chance)

    def audit(self) -> Operation:
        """Ledger, accounts and lists in one snapshot."""

        def body(value: Any) -> Body:
            yield BEGIN[REPEATABLE_READ]
            yield from read_ledger(value)
            yield from self.bank.read_own(value)
            yield from self.append.read_own(value)
            yield from commit()

        return Operation("audit", {}, body, None, REPEATABLE_READ)

    def glance(self) -> Operation:
        """Either part's, in turn."""
        return next(self._glances).glance()

    def upkeep(self) -> Operation | None:
        """The lists' upkeep."""
        return self.append.upkeep()
