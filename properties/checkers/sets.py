"""Every read of the set has what is surely in it, and nothing that cannot be.

An element is put in once and taken out once, so a read that ends is right if

- it has each element whose insertion was acknowledged before the read began, unless somebody has
  wanted to take it out since: else that is *lost*, or *never read* if nobody ever saw it;
- it has none whose removal was acknowledged before the read began, and none that an audit has
  missed after its insertion had ended: *resurrected*;
- none of a failed transaction (*aborted read*), none that nobody put in (*nobody put it in*), and
  none *twice*;
- it shows what its own transaction did (*own change missing*), and two reads under REPEATABLE READ
  are the same (*unrepeatable*).

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
from properties.checkers.words import some


class SetMembers:
    """See the head of this file."""

    name = "sets"

    def __init__(self) -> None:
        self._due: dict[int, int] = {}
        """What is in, and the event since when that is known."""
        self._gone: dict[int, int] = {}
        """What is out, likewise."""
        self._wanted: dict[int, dict[int, None]] = {}
        """Who may have taken an element out."""
        self._put_by: dict[int, int] = {}
        self._failed: set[int] = set()
        self._seen: set[int] = set()
        self._open: dict[int, Any] = {}
        self._ended: dict[int, Any] = {}
        """What has ended since the last audit began."""
        self._begun_at: dict[Process, int] = {}
        self._is_asynchronous = False
        self._is_blind = False

    def observe(self, event: Event) -> Iterable[Violation]:
        """Follow what is put in and taken out; judge each read as its transaction ends."""
        if event.f == "elements":
            yield from self._transaction(event)
        elif event.f == "audit" and event.type == "invoke":
            self._begun_at[event.process] = event.index
            self._ended.clear()
        elif event.f == "audit" and event.type == "ok" and "elements" in event.value:
            yield from self._judge(event, event.value["elements"])
            self._settle(event)
        elif event.f == "begin":
            self._is_asynchronous = may_lose(event)
            initial = range(1, event.value.get("elements", 0) + 1)
            self._due = dict.fromkeys(initial, event.index)
            self._put_by = dict.fromkeys(initial, 0)
        elif event.f == "reaction" and self._is_asynchronous and is_crash(event.value):
            self._is_blind = True

    def _transaction(self, event: Event) -> Iterator[Violation]:
        value, transaction = event.value, event.transaction
        if event.type == "invoke":
            self._begun_at[event.process] = event.index
            if transaction is not None:
                self._open[transaction] = value
                self._put_by |= dict.fromkeys(value["add"], transaction)
                for element in value["remove"]:
                    self._wanted.setdefault(element, {})[transaction] = None
            return
        for elements in value["reads"]:
            yield from self._judge(event, elements)
        if event.isolation == REPEATABLE_READ and value["reads"][1:]:
            first, second = map(set, value["reads"])
            if first != second:
                message = f"two reads of the set in one snapshot differ: {some(first ^ second)}"
                yield self._violation(event, message, "unrepeatable")
        if transaction is not None:
            yield from self._end(event, transaction)

    def _end(self, event: Event, transaction: int) -> Iterator[Violation]:
        value = event.value
        self._ended[transaction] = self._open.pop(transaction)
        if event.type == "info":
            return
        for element in value["remove"]:
            self._wanted.get(element, {}).pop(transaction, None)
        if event.type == "ok":
            self._due |= dict.fromkeys(value["add"], event.index)
            for element in value["removed"]:
                self._due.pop(element, None)
                self._gone[element] = event.index
            return
        self._failed.update(value["add"])
        if seen := sorted(element for element in value["add"] if element in self._seen):
            message = f"elements of transaction {transaction}, which failed, were read: "
            yield self._violation(event, message + some(seen), "aborted read")

    def _settle(self, audit: Event) -> None:
        """After an audit all is known but what was under way since it began."""
        self._is_blind = False
        there, begun_at = set(audit.value["elements"]), self._begun_at[audit.process]
        under_way = self._open | self._ended
        coming = {element for value in under_way.values() for element in value["add"]}
        came = {element: at for element, at in self._due.items() if at > begun_at}
        went = {element: at for element, at in self._gone.items() if at > begun_at}
        known = dict.fromkeys(audit.value["elements"], audit.index) | came
        self._due = {element: at for element, at in known.items() if element not in went}
        self._gone = went | {
            element: self._gone.get(element, audit.index)
            for element in self._put_by
            if element not in there and element not in coming
        }
        for wanting in self._wanted.values():
            for transaction in [one for one in wanting if one not in under_way]:
                del wanting[transaction]

    def _judge(self, event: Event, elements: list[int]) -> Iterator[Violation]:
        there, begun_at = set(elements), self._begun_at[event.process]
        if len(there) != len(elements):
            twice = sorted(element for element, n in Counter(elements).items() if n > 1)
            yield self._violation(event, f"elements read twice: {some(twice)}", "twice")
        if strange := sorted(there - self._put_by.keys()):
            message = f"elements that nobody put in: {some(strange)}"
            yield self._violation(event, message, "nobody put it in")
        if failed := sorted(there & self._failed):
            message = f"elements of failed transactions were read: {some(failed)}"
            yield self._violation(event, message, "aborted read")
        if event.f == "elements" and event.transaction is not None:
            yield from self._judge_own(event, there)
        if not self._is_blind:
            yield from self._judge_others(event, there, begun_at)
        own = event.value["add"] if event.f == "elements" else ()
        self._seen |= there.difference(own)

    def _judge_own(self, event: Event, there: set[int]) -> Iterator[Violation]:
        """What the transaction itself did is done before it reads."""
        missing = sorted(set(event.value["add"]) - there)
        missing += sorted(set(event.value["removed"]) & there)
        if missing:
            message = f"a transaction does not see its own changes of elements {some(missing)}"
            yield self._violation(event, message, "own change missing")

    def _judge_others(self, event: Event, there: set[int], begun_at: int) -> Iterator[Violation]:
        missing = [
            element
            for element, since in self._due.items()
            if since < begun_at and element not in there and not self._wanted.get(element)
        ]
        for kind, is_lost in (("lost", True), ("never read", False)):
            found = [element for element in missing if (element in self._seen) is is_lost]
            if found:
                message = f"elements that were put in and acknowledged are missing: {some(found)}"
                yield self._violation(event, message, kind)
        if risen := sorted(
            element for element in there if self._gone.get(element, begun_at) < begun_at
        ):
            message = f"elements that were gone are there: {some(risen)}"
            yield self._violation(event, message, "resurrected")

    def _violation(self, event: Event, message: str, kind: str) -> Violation:
        return Violation(self.name, message, {"event": event.index}, kind)

    def finish(self) -> Iterable[Violation]:
        """All was said as it came."""
        return ()
