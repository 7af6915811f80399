"""No two committed transactions made the same next version of anything.

An update returns the version it made, or what says as much (`seen_versions.py`). If two committed
transactions made the same version of the same thing, one of them did not see the other: its update
is lost. Transactions in doubt, and those that a crash may take back (`asynchronous.py`), are judged
once an audit has found them in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable

from chaos.history import Event
from chaos.oracle import Violation
from properties.checkers.asynchronous import may_lose
from properties.checkers.seen_versions import Thing, versions_in


class LostUpdate:
    """See the head of this file."""

    name = "lost_update"

    def __init__(self) -> None:
        self._makers: dict[tuple[Thing, int], int] = {}
        self._doubtful: dict[int, Event] = {}
        self._is_asynchronous = False

    def observe(self, event: Event) -> Iterable[Violation]:
        """Judge transactions as they are known to be committed."""
        transaction = event.transaction
        if transaction is not None:
            if event.type == "ok" and not self._is_asynchronous:
                yield from self._judge(event, transaction)
            elif event.type in ("ok", "info"):
                self._doubtful[transaction] = event
        elif event.f == "begin":
            self._is_asynchronous = may_lose(event)
        elif event.f == "audit" and event.type == "ok":
            ledger = set(event.value["ledger"])
            if self._is_asynchronous:
                # Who is gone made no version. (Whether they may be gone, durability says.)
                self._makers = {made: by for made, by in self._makers.items() if by in ledger}
            for doubtful in sorted(ledger & self._doubtful.keys()):
                yield from self._judge(self._doubtful.pop(doubtful), doubtful)

    def _judge(self, event: Event, transaction: int) -> Iterable[Violation]:
        for seen in versions_in(event):
            if not seen.is_write:
                continue
            other = self._makers.setdefault((seen.thing, seen.version), transaction)
            if other != transaction:
                message = (
                    f"transactions {other} and {transaction} both made version {seen.version} of"
                    f" {seen.thing}"
                )
                facts = {"event": event.index, "transactions": [other, transaction]}
                yield Violation(self.name, message, facts, "one version, two makers")

    def finish(self) -> Iterable[Violation]:
        """All was said as it came."""
        return ()
