"""What was acknowledged is there; what failed or was rolled back is not; what was never begun is
not.

Every transaction that writes puts its id into the ledger, and each audit reads the whole ledger.

What an asynchronous commit may lose in a crash is forgiven, once (see `asynchronous.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from chaos.history import Event
from chaos.oracle import Violation
from properties.checkers.asynchronous import forgiven_us, is_crash
from properties.checkers.words import transactions


class Durability:
    """See the head of this file."""

    name = "durability"

    def __init__(self) -> None:
        self._begun: set[int] = set()
        self._acknowledged: dict[int, int] = {}
        self._failed: set[int] = set()
        self._forgiven_us: int | None = None

    def observe(self, event: Event) -> Iterable[Violation]:
        """Learn from completions, judge at audits."""
        transaction = event.transaction
        if transaction is not None:
            if event.type == "invoke":
                self._begun.add(transaction)
            elif event.type == "ok":
                self._acknowledged[transaction] = event.time_us
            elif event.type == "fail":
                self._failed.add(transaction)
        elif event.f == "begin":
            self._forgiven_us = forgiven_us(event.value.get("settings", {}))
        elif event.f == "reaction" and self._forgiven_us is not None:
            self._crashed(event.value)
        elif event.f == "audit" and event.type == "ok":
            yield from self._judge(event)

    def _crashed(self, told: dict[str, Any]) -> None:
        """What the crash may have taken is no longer known to be there."""
        if is_crash(told) and self._forgiven_us is not None:
            limit = told["strike"]["at_us"] - self._forgiven_us
            for transaction, at_us in list(self._acknowledged.items()):
                if at_us >= limit:
                    del self._acknowledged[transaction]

    def _judge(self, event: Event) -> Iterable[Violation]:
        listed: list[int] = event.value["ledger"]
        ledger = set(listed)
        if lost := self._acknowledged.keys() - ledger:
            yield self._violation(event, lost, "acknowledged but not there", "lost")
        if risen := self._failed & ledger:
            yield self._violation(event, risen, "failed or rolled back, but there", "risen")
        if invented := ledger - self._begun:
            yield self._violation(event, invented, "there, but never begun", "invented")
        if len(listed) != len(ledger):
            twice = {transaction for transaction, n in Counter(listed).items() if n > 1}
            yield self._violation(event, twice, "there more than once", "twice")

    def _violation(self, event: Event, ids: set[int], what: str, kind: str) -> Violation:
        be = "is" if len(ids) == 1 else "are"
        be = {"acknowledged but not there": "was" if len(ids) == 1 else "were"}.get(what, be)
        facts = {"event": event.index, "transactions": sorted(ids)}
        return Violation(self.name, f"{transactions(ids)} {be} {what}", facts, kind)

    def finish(self) -> Iterable[Violation]:
        """All was said at the audits."""
        return ()
