"""Which versions of which things a transaction has read and made, as its client was told.

Accounts and registers have a version that each update raises by one. The length of a list is its
version, and so is the value of a counter, which only grows. An element has two: it is put in, and
it is taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

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
    value = event.value
    match event.f:
        case "transfer":
            for account, version in value["versions"]:
                yield Seen(Thing("account", account), version, True)
        case "txn":
            yield from _of_lists(value)
        case "rw":
            for kind, key, _, version in value:
                if version is not None:
                    yield Seen(Thing("register", key), version, kind == "w")
        case "count":
            for snapshot in value["reads"]:
                yield from _of_counters(snapshot)
            for key, made in value["made"]:
                yield Seen(Thing("counter", key), made, True)
        case "elements":
            for element in value["add"]:
                yield Seen(Thing("element", element), 1, True)
            for element in value["removed"]:
                yield Seen(Thing("element", element), 2, True)
        case "audit":
            yield from _of_an_audit(value)


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


def _of_an_audit(value: Any) -> Iterator[Seen]:
    for account, _, version in value.get("accounts", ()):
        yield Seen(Thing("account", account), version, False)
    for key, items in value.get("lists", ()):
        yield Seen(Thing("list", key), len(items), False)
    for key, _, version in value.get("registers", ()):
        yield Seen(Thing("register", key), version, False)
    yield from _of_counters(value.get("counters", ()))
