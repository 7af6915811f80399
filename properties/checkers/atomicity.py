"""Each transaction is wholly there or wholly not, also those whose outcome nobody knows.

The ledger says which transactions are in. Then accounts and lists must be exactly what these
transactions make of the initial state: every balance, every version, every value of every list,
and nothing else. Once a transaction was seen to be in, or its outcome was in doubt and it was seen
to be out, it stays so; but for those that a crash may take back (`asynchronous.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from chaos.history import Event
from chaos.oracle import Violation
from properties.checkers.asynchronous import is_crash, may_lose
from properties.checkers.words import some, transactions

Effects = list[tuple[int, int]]


class Atomicity:
    """See the head of this file."""

    name = "atomicity"

    def __init__(self) -> None:
        self._changes: dict[int, Effects] = {}
        self._appends: dict[int, Effects] = {}
        self._in: set[int] = set()
        self._out: set[int] = set()
        self._doubtful: set[int] = set()
        self._open: set[int] = set()
        self._expected: dict[int, list[int]] = {}
        self._values: dict[int, dict[int, int]] = {}
        self._retired: set[int] = set()
        self._is_asynchronous = False
        self._may_be_lost = False

    def observe(self, event: Event) -> Iterable[Violation]:
        """Learn what each transaction would do; judge at audits."""
        if event.transaction is not None:
            self._learn(event, event.transaction)
        elif event.f == "begin":
            self._is_asynchronous = may_lose(event)
            balance = event.value.get("balance", 0)
            accounts = range(1, event.value.get("accounts", 0) + 1)
            self._expected = {account: [balance, 0] for account in accounts}
            self._values = {key: {} for key in range(1, event.value.get("lists", 0) + 1)}
        elif event.f == "reaction":
            self._may_be_lost |= self._is_asynchronous and is_crash(event.value["strike"])
        elif event.f == "rotate" and event.type != "invoke":
            self._rotated(event)
        elif event.f == "audit" and event.type == "ok":
            yield from self._judge(event)

    def _learn(self, event: Event, transaction: int) -> None:
        if event.type != "invoke":
            self._open.discard(transaction)
            if event.type == "info":
                self._doubtful.add(transaction)
            return
        self._open.add(transaction)
        value = event.value
        if event.f == "transfer":
            amount = value["amount"]
            self._changes[transaction] = [(value["from"], -amount), (value["to"], amount)]
        elif event.f == "txn":
            appends = [(key, item) for kind, key, item in value if kind == "append"]
            self._appends[transaction] = appends

    def _rotated(self, event: Event) -> None:
        """Lists were replaced; if nobody knows, what the old ones hold is of no interest."""
        for key in event.value["retired"]:
            self._values.pop(key, None)
        if event.type == "ok":
            self._values |= {key: {} for key in event.value["created"]}
        else:
            self._retired.update(event.value["retired"])

    def _judge(self, event: Event) -> Iterable[Violation]:
        ledger = set(event.value["ledger"])
        changed = self._in - ledger
        if self._may_be_lost:
            self._may_be_lost = False
            for transaction in sorted(changed):
                self._take_back(transaction)
        elif changed:
            yield self._violation(event, f"{transactions(changed)}: once there, now gone", "gone")
        if changed := self._out & ledger:
            yield self._violation(
                event, f"{transactions(changed)}: once not there, now there", "came"
            )
        for transaction in sorted(ledger - self._in):
            self._apply(transaction)
        self._in |= ledger
        self._out |= self._doubtful - ledger - self._open
        if "accounts" in event.value:
            yield from self._judge_accounts(event)
        if "lists" in event.value:
            yield from self._judge_lists(event)

    def _apply(self, transaction: int) -> None:
        for account, change in self._changes.get(transaction, ()):
            entry = self._expected[account]
            entry[0] += change
            entry[1] += 1
        for key, item in self._appends.get(transaction, ()):
            if key in self._values:
                self._values[key][item] = transaction

    def _take_back(self, transaction: int) -> None:
        """The opposite of `_apply`."""
        self._in.discard(transaction)
        for account, change in self._changes.get(transaction, ()):
            entry = self._expected[account]
            entry[0] -= change
            entry[1] -= 1
        for key, item in self._appends.get(transaction, ()):
            self._values.get(key, {}).pop(item, None)

    def _judge_accounts(self, event: Event) -> Iterable[Violation]:
        rows: list[list[int]] = event.value["accounts"]
        yield from self._judge_keys(event, "account", [row[0] for row in rows], self._expected)
        wrong = []
        for account, balance, version in rows:
            expected = self._expected.get(account)
            if expected is not None and [balance, version] != expected:
                wrong.append(
                    f"account {account} has balance {balance} and version {version} instead of"
                    f" {expected[0]} and {expected[1]}"
                )
        if wrong:
            message = f"accounts do not agree with the ledger: {some(wrong)}"
            yield self._violation(event, message, "accounts")

    def _judge_lists(self, event: Event) -> Iterable[Violation]:
        rows = [row for row in event.value["lists"] if row[0] not in self._retired]
        yield from self._judge_keys(event, "list", [row[0] for row in rows], self._values)
        half, extra = set(), []
        for key, items in rows:
            expected = self._values.get(key, {})
            present = set(items)
            half |= {owner for item, owner in expected.items() if item not in present}
            extra += [f"{item} in list {key}" for item in items if item not in expected]
        if half:
            message = f"{transactions(half)} in the ledger, but not all appends are there"
            yield self._violation(event, message, "half")
        if extra:
            message = f"values without their transaction in the ledger: {some(extra)}"
            yield self._violation(event, message, "extra")

    def _judge_keys(
        self, event: Event, what: str, keys: list[int], expected: dict[int, Any]
    ) -> Iterable[Violation]:
        """Every row there, once."""
        counts = Counter(keys)
        if missing := sorted(expected.keys() - counts.keys()):
            yield self._violation(event, f"{what}s that are gone: {some(missing)}", "row gone")
        if twice := sorted(key for key, n in counts.items() if n > 1):
            yield self._violation(event, f"{what}s seen more than once: {some(twice)}", "row twice")
        if unknown := sorted(counts.keys() - expected.keys()):
            yield self._violation(
                event, f"{what}s that nobody made: {some(unknown)}", "row unknown"
            )

    def _violation(self, event: Event, message: str, kind: str) -> Violation:
        return Violation(self.name, message, {"event": event.index}, kind)

    def finish(self) -> Iterable[Violation]:
        """All was said at the audits."""
        return ()
