"""Which versions of which things a transaction has read and made, as its client was told.

Accounts and registers have a version that each update raises by one. The length of a list is its
version, and so is the value of a counter, which only grows. An element has two: it is put in, and
it is taken out. Each row of a slot's table tells the version of the slot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

from chaos.history import Event


class Thing(NamedTuple):
    """An account, a list, ..."""

    what: str
    key: int

    def __str__(self) -> str:
        return f"{self.what} {self.key}"


class Seen(NamedTuple):
    """A version of a thing, read or made."""

    thing: Thing
    version: int
    is_write: bool


def versions_in(event: Event) -> Iterator[Seen]:
    """In the order of the transaction's statements, as far as it came."""
    found = BY_OPERATION.get(event.f)
    return found(event.value) if found is not None else iter(())


def _of_accounts(value: Any) -> Iterator[Seen]:
    for account, version in value["versions"]:
        yield Seen(Thing("account", account), version, True)


def _of_registers(value: Any) -> Iterator[Seen]:
    for kind, key, _, version in value:
        if version is not None:
            yield Seen(Thing("register", key), version, kind == "w")


def _of_elements(value: Any) -> Iterator[Seen]:
    for element in value["add"]:
        yield Seen(Thing("element", element), 1, True)
    for element in value["removed"]:
        yield Seen(Thing("element", element), 2, True)


def _of_counts(value: Any) -> Iterator[Seen]:
    for rows in value["reads"]:
        yield from _of_counters(rows)
    for key, made in value["made"]:
        yield Seen(Thing("counter", key), made, True)


def _of_tables(value: Any) -> Iterator[Seen]:
    yield from _of_slots(value["reads"])
    if value["version"] is not None:
        yield Seen(Thing("slot", value["slot"]), value["version"], True)


def _of_lists(value: Any) -> Iterator[Seen]:
    """What an append has returned is recorded as a read that follows it."""
    follows_append = False
    for (kind, key, items), (after, _, _) in pairwise([*value, ["", 0, None]]):
        if kind == "r" and items is not None:
            yield Seen(Thing("list", key), len(items), follows_append)
        follows_append = kind == "append" and after == "r"


def _of_counters(rows: Any) -> Iterator[Seen]:
    for key, count in rows:
        yield Seen(Thing("counter", key), count, False)


def _of_slots(reads: Any) -> Iterator[Seen]:
    for slot, rows in reads:
        for version in sorted({row[0] for row in rows}):
            yield Seen(Thing("slot", slot), version, False)


def _of_an_audit(value: Any) -> Iterator[Seen]:
    for account, _, version in value.get("accounts", ()):
        yield Seen(Thing("account", account), version, False)
    for key, items in value.get("lists", ()):
        yield Seen(Thing("list", key), len(items), False)
    for key, _, version in value.get("registers", ()):
        yield Seen(Thing("register", key), version, False)
    yield from _of_counters(value.get("counters", ()))
    yield from _of_slots(value.get("tables", ()))


BY_OPERATION: Final[dict[str, Callable[[Any], Iterator[Seen]]]] = {
    "transfer": _of_accounts,
    "txn": _of_lists,
    "rw": _of_registers,
    "elements": _of_elements,
    "count": _of_counts,
    "tables": _of_tables,
    "audit": _of_an_audit,
}
