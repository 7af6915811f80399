"""A counter is read with all that was surely added to it, and with nothing that cannot have been.

Amounts are positive. What a transaction reads is at least what had been added by transactions that
were acknowledged before it began, and at most what all those add that have begun before it ended
and have not failed. Each audit, being exact (`atomicity` sees to that), begins the sums anew. Two
reads of a REPEATABLE READ transaction are the same.

After a crash that may take back what was acknowledged (`asynchronous.py`) nothing is known until
the next audit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from chaos.history import Event, Process
from chaos.oracle import Violation
from chaos.workloads.api import REPEATABLE_READ
from properties.checkers.asynchronous import is_crash, may_lose

Sums = Counter[int]


class CounterBounds:
    """See the head of this file."""

    name = "counters"

    def __init__(self) -> None:
        self._least: Sums = Counter()
        self._most: Sums = Counter()
        self._least_at_begin: dict[Process, Sums] = {}
        self._open: dict[int, list[list[int]]] = {}
        self._ended: dict[int, tuple[str, list[list[int]]]] = {}
        """What has ended since the last audit began, and how."""
        self._settled: set[int] = set()
        """What is under way, and is in the sums of the last audit."""
        self._is_asynchronous = False
        self._is_blind = False

    def observe(self, event: Event) -> Iterable[Violation]:
        """Follow what is added; judge each read as its transaction ends."""
        if event.f == "count":
            yield from self._count(event)
        elif event.f == "audit" and event.type == "invoke":
            self._least_at_begin[event.process] = self._least.copy()
            self._ended.clear()
        elif event.f == "audit" and event.type == "ok" and "counters" in event.value:
            yield from self._judge(event, event.value["counters"])
            self._settle(event.value["counters"], set(event.value["ledger"]))
        elif event.f == "begin":
            self._is_asynchronous = may_lose(event)
        elif event.f == "reaction" and self._is_asynchronous and is_crash(event.value):
            self._is_blind = True

    def _settle(self, rows: Any, ledger: set[int]) -> None:
        """After an audit all is known but what was under way, of which it has what is in the
        ledger.
        """
        self._is_blind = False
        self._least = Counter(dict(rows))
        self._most = Counter(dict(rows))
        self._settled = self._open.keys() & ledger
        for transaction, amounts in self._open.items():
            if transaction not in ledger:
                _add(self._most, amounts, 1)
        for transaction, (how, amounts) in self._ended.items():
            if transaction not in ledger and how != "fail":
                _add(self._most, amounts, 1)
                if how == "ok":
                    _add(self._least, amounts, 1)

    def _count(self, event: Event) -> Iterator[Violation]:
        amounts = event.value["add"]
        transaction = event.transaction
        if event.type == "invoke":
            self._least_at_begin[event.process] = self._least.copy()
            if transaction is not None:
                self._open[transaction] = amounts
                _add(self._most, amounts, 1)
            return
        yield from self._judge_transaction(event)
        if transaction is not None:
            del self._open[transaction]
            self._ended[transaction] = (event.type, amounts)
            if transaction in self._settled:
                self._settled.discard(transaction)
            elif event.type == "fail":
                _add(self._most, amounts, -1)
            elif event.type == "ok":
                _add(self._least, amounts, 1)

    def _judge_transaction(self, event: Event) -> Iterator[Violation]:
        """What it has read, and what it has made, which says what was there before."""
        value = event.value
        least = self._least_at_begin.get(event.process, Counter()).copy()
        for (key, made), (_, amount) in zip(value["made"], value["add"], strict=False):
            least[key] += amount
            yield from self._judge_row(event, key, made, least)
        for rows in value["reads"]:
            yield from self._judge(event, rows)
        if event.isolation == REPEATABLE_READ and value["reads"][1:]:
            first, second = value["reads"]
            if first != second:
                changed = [key for key, one in first if [key, one] not in second]
                message = f"two reads of counters in one snapshot differ: {changed}"
                yield self._violation(event, message, "unrepeatable")

    def _judge(self, event: Event, rows: Any) -> Iterator[Violation]:
        least = self._least_at_begin.get(event.process, Counter())
        for key, value in rows:
            yield from self._judge_row(event, key, value, least)

    def _judge_row(self, event: Event, key: int, value: int, least: Sums) -> Iterator[Violation]:
        if self._is_blind:
            return
        if value < least[key]:
            message = (
                f"counter {key} is {value}, though {least[key]} had been added and acknowledged"
                " before"
            )
            yield self._violation(event, message, "too little")
        if value > self._most[key]:
            message = f"counter {key} is {value}, though at most {self._most[key]} was ever added"
            yield self._violation(event, message, "too much")

    def _violation(self, event: Event, message: str, kind: str) -> Violation:
        return Violation(self.name, message, {"event": event.index}, kind)

    def finish(self) -> Iterable[Violation]:
        """All was said as it came."""
        return ()


def _add(sums: Sums, amounts: list[list[int]], sign: int) -> None:
    for key, amount in amounts:
        sums[key] += sign * amount
