"""Each transaction is wholly there or wholly not, also those whose outcome nobody knows.

The ledger says which transactions are in. Then the tables must be exactly what these transactions
make of the initial state (`contents.py`): every balance, every version, every value of every list
and register, every element, and nothing else. Once a transaction was seen to be in, or its outcome
was in doubt and it was seen to be out, it stays so; but for those that a crash may take back
(`asynchronous.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

from chaos.history import Event
from chaos.oracle import Violation
from properties.checkers.asynchronous import is_crash, may_lose
from properties.checkers.contents import CONTENTS, Content
from properties.checkers.words import transactions


class Atomicity:
    """See the head of this file."""

    name = "atomicity"

    def __init__(self) -> None:
        self._contents: list[Content] = []
        self._in: set[int] = set()
        self._out: set[int] = set()
        self._doubtful: set[int] = set()
        self._open: set[int] = set()
        self._is_asynchronous = False
        self._may_be_lost = False

    def observe(self, event: Event) -> Iterable[Violation]:
        """Learn what each transaction would do; judge at audits."""
        if event.transaction is not None:
            self._learn(event, event.transaction)
        elif event.f == "begin":
            self._is_asynchronous = may_lose(event)
            made = (make() for make in CONTENTS)
            self._contents = [content for content in made if content.field in event.value]
            for content in self._contents:
                content.begin(event.value)
        elif event.f == "reaction":
            self._may_be_lost |= self._is_asynchronous and is_crash(event.value)
        elif event.f == "rotate":
            for content in self._contents:
                content.observe(event)
        elif event.f == "audit" and event.type == "ok":
            yield from self._judge(event)

    def _learn(self, event: Event, transaction: int) -> None:
        for content in self._contents:
            content.observe(event)
        if event.type == "invoke":
            self._open.add(transaction)
            return
        self._open.discard(transaction)
        if event.type == "info":
            self._doubtful.add(transaction)

    def _judge(self, event: Event) -> Iterable[Violation]:
        ledger = set(event.value["ledger"])
        changed = self._in - ledger
        if self._may_be_lost:
            self._may_be_lost = False
            for transaction in sorted(changed):
                self._in.discard(transaction)
                for content in self._contents:
                    content.take_back(transaction)
        elif changed:
            yield self._violation(event, f"{transactions(changed)}: once there, now gone", "gone")
        if changed := self._out & ledger:
            yield self._violation(
                event, f"{transactions(changed)}: once not there, now there", "came"
            )
        for content in self._contents:
            for transaction in sorted(ledger - self._in):
                content.apply(transaction)
        self._in |= ledger
        self._out |= self._doubtful - ledger - self._open
        for content in self._contents:
            if content.field in event.value:
                for message, kind in content.judge(event.value[content.field]):
                    yield self._violation(event, message, kind)

    def _violation(self, event: Event, message: str, kind: str) -> Violation:
        return Violation(self.name, message, {"event": event.index}, kind)

    def finish(self) -> Iterable[Violation]:
        """All was said at the audits."""
        return ()
