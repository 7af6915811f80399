"""Who reads a table finds one that somebody made, with all its rows, and no older one than is due.

Each row says who put it in, as the how manyth, and the version of the slot that was made thereby. A
read that ends is right if

- all rows are of one transaction, which has replaced the table of that slot and has not failed
  (*two tables*, *nobody made it*, *aborted read*);
- all rows are there that it put in (*half*);
- it is the table of the latest transaction that was acknowledged before the read began, or one
  after it (*stale*). A crash that may take back what was acknowledged (`asynchronous.py`) begins
  that anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from chaos.history import Event, Process
from chaos.oracle import Violation
from properties.checkers.asynchronous import is_crash, may_lose
from properties.checkers.words import transactions

ROWS_AT_FIRST: Final = 1
"""Of a table that nobody has replaced; its owner is 0."""


class TablesRead:
    """See the head of this file."""

    name = "tables"

    def __init__(self) -> None:
        self._asked: dict[int, Any] = {}
        self._failed: set[int] = set()
        self._seen: set[int] = set()
        self._latest: dict[int, int] = {}
        self._due: dict[Process, dict[int, int]] = {}
        self._is_asynchronous = False

    def observe(self, event: Event) -> Iterable[Violation]:
        """Follow who replaces what; judge each read as its transaction ends."""
        if event.f == "tables":
            yield from self._transaction(event)
        elif event.f == "begin":
            self._is_asynchronous = may_lose(event)
        elif event.f == "reaction" and self._is_asynchronous and is_crash(event.value):
            self._latest.clear()
            self._due.clear()

    def _transaction(self, event: Event) -> Iterator[Violation]:
        value, transaction = event.value, event.transaction
        if event.type == "invoke":
            self._due[event.process] = dict(self._latest)
            if transaction is not None:
                self._asked[transaction] = value
            return
        for slot, rows in value["reads"]:
            for kind, message in self._wrong(event, slot, rows):
                yield self._violation(event, f"the table of slot {slot} {message}", kind)
        if transaction is None:
            return
        if event.type == "ok":
            slot = value["slot"]
            self._latest[slot] = max(self._latest.get(slot, 0), value["version"])
        elif event.type == "fail":
            self._failed.add(transaction)
            if transaction in self._seen:
                message = f"the table of transaction {transaction}, which failed, was read"
                yield self._violation(event, message, "aborted read")

    def _wrong(self, event: Event, slot: int, rows: list[list[int]]) -> Iterator[tuple[str, str]]:
        made = sorted({(version, owner) for version, owner, _ in rows})
        if len(made) != 1:
            found = transactions(owner for _, owner in made) if made else "nobody"
            yield ("two tables" if made else "half"), f"has rows of {found}"
            return
        [(version, owner)] = made
        asked = self._asked.get(owner)
        if owner and (asked is None or asked["slot"] != slot):
            yield "nobody made it", f"is of transaction {owner}, which never made one"
            return
        self._seen.add(owner)
        if owner in self._failed:
            yield "aborted read", f"is of transaction {owner}, which failed"
        count = asked["rows"] if asked is not None else ROWS_AT_FIRST
        if [place for _, _, place in rows] != list(range(1, count + 1)):
            yield "half", f"has {len(rows)} of the {count} rows of transaction {owner}"
        due = self._due.get(event.process, {}).get(slot, 0)
        if version < due:
            yield "stale", f"was read in version {version}, though {due} was acknowledged before"

    def _violation(self, event: Event, message: str, kind: str) -> Violation:
        return Violation(self.name, message, {"event": event.index}, kind)

    def finish(self) -> Iterable[Violation]:
        """All was said as it came."""
        return ()
