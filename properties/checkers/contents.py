"""What tables must hold, once it is known which transactions are in: one class per kind of table.

Each learns from the history what every transaction would do, and is told by `atomicity` which of
them are in. Then there is one right content, whatever the order in which they were committed:
sums for accounts and counters, sets for lists and elements, and for a register the value with the
highest version.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

from chaos.history import Event
from properties.checkers.words import some, transactions

Problem = tuple[str, str]
"""What is wrong in a sentence, and its kind."""


class Content(Protocol):
    """The tables of one workload; `field` names them in `begin` and in an audit."""

    field: str

    def begin(self, facts: dict[str, Any]) -> None:
        """The initial state."""

    def observe(self, event: Event) -> None:
        """An event of its workload's transactions, or of the workload's own upkeep."""

    def apply(self, transaction: int) -> None:
        """This transaction is in."""

    def take_back(self, transaction: int) -> None:
        """It is not, though it was."""

    def judge(self, rows: Any) -> Iterator[Problem]:
        """What is wrong with the rows that an audit has read."""


def every_row_once(what: str, keys: Iterable[int], expected: Iterable[int]) -> Iterator[Problem]:
    """Which rows are gone, doubled or strange."""
    counts, due = Counter(keys), set(expected)
    if missing := sorted(due - counts.keys()):
        yield f"{what}s that are gone: {some(missing)}", "row gone"
    if twice := sorted(key for key, n in counts.items() if n > 1):
        yield f"{what}s seen more than once: {some(twice)}", "row twice"
    if unknown := sorted(counts.keys() - due):
        yield f"{what}s that nobody made: {some(unknown)}", "row unknown"


def half_and_extra(what: str, half: set[int], extra: Sequence[str]) -> Iterator[Problem]:
    """Transactions of which something is missing, and what has no transaction."""
    if half:
        yield f"{transactions(half)} in the ledger, but not all {what} are there", "half"
    if extra:
        yield f"values without their transaction in the ledger: {some(extra)}", "extra"


class Accounts:
    """Balance and version of each account."""

    field = "accounts"

    def __init__(self) -> None:
        self._changes: dict[int, list[tuple[int, int]]] = {}
        self._expected: dict[int, list[int]] = {}

    def begin(self, facts: dict[str, Any]) -> None:
        accounts = range(1, facts[self.field] + 1)
        self._expected = {account: [facts["balance"], 0] for account in accounts}

    def observe(self, event: Event) -> None:
        if event.f == "transfer" and event.type == "invoke" and event.transaction is not None:
            value = event.value
            amount = value["amount"]
            changes = [(value["from"], -amount), (value["to"], amount)]
            self._changes[event.transaction] = changes

    def apply(self, transaction: int) -> None:
        self._change(transaction, 1)

    def take_back(self, transaction: int) -> None:
        self._change(transaction, -1)

    def _change(self, transaction: int, sign: int) -> None:
        for account, change in self._changes.get(transaction, ()):
            entry = self._expected[account]
            entry[0] += sign * change
            entry[1] += sign

    def judge(self, rows: Any) -> Iterator[Problem]:
        yield from every_row_once("account", (row[0] for row in rows), self._expected)
        wrong = []
        for account, balance, version in rows:
            expected = self._expected.get(account)
            if expected is not None and [balance, version] != expected:
                wrong.append(
                    f"account {account} has balance {balance} and version {version} instead of"
                    f" {expected[0]} and {expected[1]}"
                )
        if wrong:
            yield f"accounts do not agree with the ledger: {some(wrong)}", "accounts"


class Counters:
    """The value of each counter."""

    field = "counters"

    def __init__(self) -> None:
        self._amounts: dict[int, list[list[int]]] = {}
        self._expected: dict[int, int] = {}

    def begin(self, facts: dict[str, Any]) -> None:
        self._expected = dict.fromkeys(range(1, facts[self.field] + 1), 0)

    def observe(self, event: Event) -> None:
        if event.f == "count" and event.type == "invoke" and event.transaction is not None:
            self._amounts[event.transaction] = event.value["add"]

    def apply(self, transaction: int) -> None:
        for key, amount in self._amounts.get(transaction, ()):
            self._expected[key] += amount

    def take_back(self, transaction: int) -> None:
        for key, amount in self._amounts.get(transaction, ()):
            self._expected[key] -= amount

    def judge(self, rows: Any) -> Iterator[Problem]:
        yield from every_row_once("counter", (row[0] for row in rows), self._expected)
        wrong = [
            f"counter {key} is {value} instead of {self._expected[key]}"
            for key, value in rows
            if value != self._expected.get(key, value)
        ]
        if wrong:
            yield f"counters do not agree with the ledger: {some(wrong)}", "counters"


class Registers:
    """Value and version of each register.

    The version says how many writes there were, and which was the last. Only of a transaction whose
    COMMIT is under way, while somebody looks, is not known which versions it made.
    """

    field = "registers"

    def __init__(self) -> None:
        self._writes: dict[int, list[tuple[int, int]]] = {}
        self._version: dict[int, int] = {}
        self._values: dict[int, set[int]] = {}

    def begin(self, facts: dict[str, Any]) -> None:
        self._values = {key: set() for key in range(1, facts[self.field] + 1)}

    def observe(self, event: Event) -> None:
        if event.f != "rw" or event.transaction is None:
            return
        writes = [step for step in event.value if step[0] == "w"]
        if event.type == "invoke":
            self._writes[event.transaction] = [(key, value) for _, key, value, _ in writes]
        for _, _, value, version in writes:
            if version is not None:
                self._version[value] = version

    def apply(self, transaction: int) -> None:
        for key, value in self._writes.get(transaction, ()):
            self._values[key].add(value)

    def take_back(self, transaction: int) -> None:
        for key, value in self._writes.get(transaction, ()):
            self._values[key].discard(value)

    def judge(self, rows: Any) -> Iterator[Problem]:
        yield from every_row_once("register", (row[0] for row in rows), self._values)
        wrong = []
        for key, value, version in rows:
            written = self._values.get(key)
            if written is None:
                continue
            if version != len(written):
                wrong.append(f"register {key} has version {version} after {len(written)} writes")
            last = self._last(written)
            if last is not None and value != last:
                wrong.append(f"register {key} is {value} instead of {last}")
        if wrong:
            yield f"registers do not agree with the ledger: {some(wrong)}", "registers"

    def _last(self, written: set[int]) -> int | None:
        """The value with the highest version; None when that is not known yet."""
        if written <= self._version.keys():
            return max(written, key=self._version.__getitem__, default=0)
        return None


class Lists:
    """The values of each list; their order is `list_prefix`'s."""

    field = "lists"

    def __init__(self) -> None:
        self._appends: dict[int, list[tuple[int, int]]] = {}
        self._values: dict[int, dict[int, int]] = {}
        self._retired: set[int] = set()

    def begin(self, facts: dict[str, Any]) -> None:
        self._values = {key: {} for key in range(1, facts[self.field] + 1)}

    def observe(self, event: Event) -> None:
        if event.f == "rotate" and event.type != "invoke":
            self._rotated(event)
        elif event.f == "txn" and event.type == "invoke" and event.transaction is not None:
            appends = [(key, item) for kind, key, item in event.value if kind == "append"]
            self._appends[event.transaction] = appends

    def _rotated(self, event: Event) -> None:
        """Lists were replaced; if nobody knows, what the old ones hold is of no interest."""
        for key in event.value["retired"]:
            self._values.pop(key, None)
        if event.type == "ok":
            self._values |= {key: {} for key in event.value["created"]}
        else:
            self._retired.update(event.value["retired"])

    def apply(self, transaction: int) -> None:
        for key, item in self._appends.get(transaction, ()):
            if key in self._values:
                self._values[key][item] = transaction

    def take_back(self, transaction: int) -> None:
        for key, item in self._appends.get(transaction, ()):
            self._values.get(key, {}).pop(item, None)

    def judge(self, rows: Any) -> Iterator[Problem]:
        rows = [row for row in rows if row[0] not in self._retired]
        yield from every_row_once("list", (row[0] for row in rows), self._values)
        half: set[int] = set()
        extra: list[str] = []
        for key, items in rows:
            expected = self._values.get(key, {})
            present = set(items)
            half |= {owner for item, owner in expected.items() if item not in present}
            extra += [f"{item} in list {key}" for item in items if item not in expected]
        yield from half_and_extra("appends", half, extra)


class Elements:
    """Which elements are in the set.

    Who takes an element out is known when the transaction has ended. Of one whose COMMIT is under
    way, while somebody looks, all that it wanted may be there or not.
    """

    field = "elements"

    def __init__(self) -> None:
        self._initial: range = range(0)
        self._put: dict[int, list[int]] = {}
        self._taken: dict[int, list[int]] = {}
        self._wanted: dict[int, list[int]] = {}
        self._in: set[int] = set()

    def begin(self, facts: dict[str, Any]) -> None:
        self._initial = range(1, facts[self.field] + 1)

    def observe(self, event: Event) -> None:
        if event.f != "elements" or event.transaction is None:
            return
        if event.type == "invoke":
            self._put[event.transaction] = event.value["add"]
            self._wanted[event.transaction] = event.value["remove"]
        else:
            del self._wanted[event.transaction]
            self._taken[event.transaction] = event.value["removed"]

    def apply(self, transaction: int) -> None:
        self._in.add(transaction)

    def take_back(self, transaction: int) -> None:
        self._in.discard(transaction)

    def judge(self, rows: Any) -> Iterator[Problem]:
        counts = Counter(rows)
        if twice := sorted(element for element, n in counts.items() if n > 1):
            yield f"elements seen more than once: {some(twice)}", "row twice"
        put = {element: owner for owner in self._in for element in self._put.get(owner, ())}
        taken = {element: owner for owner in self._in for element in self._taken.get(owner, ())}
        free = {element for owner in self._in for element in self._wanted.get(owner, ())}
        due = (put.keys() | set(self._initial)) - taken.keys() - free
        missing = due - counts.keys()
        if gone := sorted(element for element in missing if element in self._initial):
            yield f"elements that are gone: {some(gone)}", "row gone"
        half = {put[element] for element in missing if element in put}
        half |= {owner for element, owner in taken.items() if element in counts}
        strange = counts.keys() - put.keys() - set(self._initial)
        extra = [f"element {element}" for element in sorted(strange)]
        yield from half_and_extra("changes of the set", half, extra)


class Slots:
    """How often the table of each slot was replaced."""

    field = "slots"

    def __init__(self) -> None:
        self._slot: dict[int, int] = {}
        self._expected: dict[int, int] = {}

    def begin(self, facts: dict[str, Any]) -> None:
        self._expected = dict.fromkeys(range(1, facts[self.field] + 1), 0)

    def observe(self, event: Event) -> None:
        if event.f == "tables" and event.type == "invoke" and event.transaction is not None:
            self._slot[event.transaction] = event.value["slot"]

    def apply(self, transaction: int) -> None:
        if transaction in self._slot:
            self._expected[self._slot[transaction]] += 1

    def take_back(self, transaction: int) -> None:
        if transaction in self._slot:
            self._expected[self._slot[transaction]] -= 1

    def judge(self, rows: Any) -> Iterator[Problem]:
        yield from every_row_once("slot", (row[0] for row in rows), self._expected)
        wrong = [
            f"slot {slot} has version {version} instead of {self._expected[slot]}"
            for slot, version in rows
            if version != self._expected.get(slot, version)
        ]
        if wrong:
            yield f"slots do not agree with the ledger: {some(wrong)}", "slots"


class SlotTables:
    """The rows of each slot's table: those of the transaction with the highest version.

    While a transaction is under way that replaces the table, it is not known which is there.
    """

    field = "tables"

    def __init__(self) -> None:
        self._value: dict[int, Any] = {}
        self._open: set[int] = set()
        self._in: set[int] = set()

    def begin(self, facts: dict[str, Any]) -> None:
        """Every slot has one row at first."""

    def observe(self, event: Event) -> None:
        if event.f == "tables" and event.transaction is not None:
            self._value[event.transaction] = event.value
            (self._open.add if event.type == "invoke" else self._open.discard)(event.transaction)

    def apply(self, transaction: int) -> None:
        self._in.add(transaction)

    def take_back(self, transaction: int) -> None:
        self._in.discard(transaction)

    def judge(self, rows: Any) -> Iterator[Problem]:
        last: dict[int, tuple[int, int]] = {}
        for transaction in self._in & self._value.keys() - self._open:
            value = self._value[transaction]
            made = (value["version"], transaction)
            last[value["slot"]] = max(last.get(value["slot"], (0, 0)), made)
        unknown = {self._value[transaction]["slot"] for transaction in self._open}
        half: set[int] = set()
        wrong: list[str] = []
        for slot, found in rows:
            version, owner = last.get(slot, (0, 0))
            count = self._value[owner]["rows"] if owner else 1
            if slot in unknown or found == [[version, owner, n] for n in range(1, count + 1)]:
                continue
            if others := sorted({row[1] for row in found} - {owner}):
                wrong.append(f"slot {slot} has the table of {transactions(others)}, not of {owner}")
            else:
                half.add(owner)
        yield from half_and_extra("rows of their tables", half, ())
        if wrong:
            yield f"tables do not agree with the ledger: {some(wrong)}", "tables"


CONTENTS: Final[tuple[Callable[[], Content], ...]] = (
    Accounts,
    Lists,
    Registers,
    Elements,
    Counters,
    Slots,
    SlotTables,
)
