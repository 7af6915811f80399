"""All reads of a list agree on one order, and see at least what was committed before they began.

Values are unique and lists only grow, so a read shows the whole order in which appends were
committed. Over all committed reads of one list, crashes or not:

- of two reads, the shorter is a prefix of the longer;
- no value is there twice, and each was appended by somebody;
- no value of a failed transaction is ever seen (G1a), nor a transaction's append without its later
  one to the same list (G1b);
- a transaction sees what was committed, and acknowledged or read by anybody, before it began.

When a crash may take back what was acknowledged (`asynchronous.py`), the next audit says what is
left of each list: its beginning, and what was appended since. What is read between the crash and
that audit is judged after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chaos.history import Event, Process
from chaos.oracle import Violation
from properties.checkers.asynchronous import is_crash, may_lose
from properties.checkers.words import some


class ListPrefix:
    """See the head of this file."""

    name = "list_prefix"

    def __init__(self) -> None:
        self._order: dict[int, list[int]] = {}
        self._length_due: dict[int, int] = {}
        self._due_at_begin: dict[Process, dict[int, int]] = {}
        self._author: dict[int, int] = {}
        self._later: dict[int, int] = {}
        self._failed: set[int] = set()
        self._seen_by: dict[int, int] = {}
        self._is_asynchronous = False
        self._since_crash: list[Event] | None = None

    def observe(self, event: Event) -> Iterable[Violation]:
        """Follow invocations and completions."""
        if event.f == "txn":
            if event.type == "invoke":
                self._begin(event)
            elif event.type == "ok" and self._since_crash is not None:
                self._due_at_begin.pop(event.process, None)
                self._since_crash.append(event)
            elif event.type == "ok":
                yield from self._judge_transaction(event)
            elif event.type == "fail":
                yield from self._fail(event)
        elif event.f == "audit" and event.type == "invoke":
            self._due_at_begin[event.process] = dict(self._length_due)
        elif event.f == "audit" and event.type == "ok" and "lists" in event.value:
            if self._since_crash is not None:
                yield from self._start_over(event, self._since_crash)
            yield from self._judge(event, event.value["lists"], own=set())
        elif event.f == "rotate" and event.type == "ok":
            for key in event.value["retired"]:
                self._length_due.pop(key, None)
        elif event.f == "begin":
            self._is_asynchronous = may_lose(event)
        elif event.f == "reaction" and self._is_asynchronous and is_crash(event.value):
            self._since_crash = self._since_crash or []

    def _start_over(self, audit: Event, since: list[Event]) -> Iterable[Violation]:
        """After a crash that may have taken the ends of lists."""
        self._since_crash = None
        for key, items in audit.value["lists"]:
            known = self._order.get(key, [])
            pairs = zip(known, items, strict=False)
            kept = next((i for i, (then, now) in enumerate(pairs) if then != now), None)
            kept = min(len(known), len(items)) if kept is None else kept
            if left := sorted(set(known[kept:]) & set(items)):
                message = f"list {key} lost values in a crash, but not later ones: {some(left)}"
                yield self._violation(audit, message, "hole")
            yield from self._judge_values(audit, key, items[kept:], items)
            self._order[key] = items
            self._length_due.pop(key, None)
        for event in since:
            yield from self._judge_transaction(event)
        self._due_at_begin[audit.process] = dict(self._length_due)

    def _judge_transaction(self, event: Event) -> Iterable[Violation]:
        reads = [(key, items) for kind, key, items in event.value if kind == "r"]
        yield from self._judge(event, reads, own=values_appended(event.value))

    def _begin(self, event: Event) -> None:
        """What is due to be seen, and who appends what."""
        due = self._length_due
        self._due_at_begin[event.process] = {
            key: due[key] for _, key, _ in event.value if key in due
        }
        last: dict[int, int] = {}
        for kind, key, item in event.value:
            if kind == "append" and event.transaction is not None:
                self._author[item] = event.transaction
                if key in last:
                    self._later[last[key]] = item
                last[key] = item

    def _fail(self, event: Event) -> Iterable[Violation]:
        """A value that somebody saw turns out to be of a failed transaction."""
        values = values_appended(event.value)
        self._failed |= values
        if seen := sorted(values & self._seen_by.keys()):
            message = f"values of transaction {event.transaction}, which failed, were read: "
            yield self._violation(event, message + some(seen), "aborted read")

    def _judge(self, event: Event, reads: Iterable[Any], own: set[int]) -> Iterable[Violation]:
        due = self._due_at_begin.pop(event.process, {})
        for key, items in reads:
            known = self._order.get(key, [])
            shorter, longer = sorted((known, items), key=len)
            if longer[: len(shorter)] != shorter:
                yield self._disagreement(event, key, known, items)
                continue
            if len(items) < due.get(key, 0):
                message = (
                    f"list {key} was read with {len(items)} values, though {due[key]} had been"
                    " committed before the reading transaction began"
                )
                yield self._violation(event, message, "missing")
            yield from self._judge_values(event, key, items[len(known) :], items)
            if items and (later := self._later.get(items[-1])) and items[-1] not in own:
                message = f"list {key} was read with {items[-1]} but without {later}, of the same"
                yield self._violation(event, f"{message} transaction", "intermediate read")
            if len(items) > len(known):
                self._order[key] = items
        for key, items in reads:
            self._length_due[key] = max(self._length_due.get(key, 0), len(items))

    def _judge_values(
        self, event: Event, key: int, fresh: list[int], items: list[int]
    ) -> Iterable[Violation]:
        """The values that were never read before."""
        if len(set(items)) != len(items):
            message = f"list {key} has a value more than once: {items}"
            yield self._violation(event, message, "twice")
        if unknown := [item for item in fresh if item not in self._author]:
            message = f"list {key} has values nobody wrote: {some(unknown)}"
            yield self._violation(event, message, "nobody wrote it")
        if failed := [item for item in fresh if item in self._failed]:
            message = f"list {key} has values of failed transactions: {some(failed)}"
            yield self._violation(event, message, "aborted read")
        self._seen_by |= dict.fromkeys(fresh, event.index)

    def _disagreement(
        self, event: Event, key: int, known: list[int], items: list[int]
    ) -> Violation:
        pairs = zip(known, items, strict=False)
        place = next(i for i, (then, now) in enumerate(pairs) if then != now)
        message = (
            f"two reads of list {key} disagree at place {place}: {known[place]} and {items[place]}"
        )
        return self._violation(event, message, "two orders")

    def _violation(self, event: Event, message: str, kind: str) -> Violation:
        return Violation(self.name, message, {"event": event.index}, kind)

    def finish(self) -> Iterable[Violation]:
        """All was said as it came."""
        return ()


def values_appended(operations: Iterable[Any]) -> set[int]:
    """The values that a transaction appends."""
    return {item for kind, _, item in operations if kind == "append"}
