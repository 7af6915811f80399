"""Every snapshot has all the accounts and all the money.

A read belongs to a snapshot even if its transaction failed later, so all totals that were seen
count.
"""

from __future__ import annotations

from collections.abc import Iterable

from chaos.history import Event
from chaos.oracle import Violation


class BankTotal:
    """See the head of this file."""

    name = "bank_total"

    def __init__(self) -> None:
        self._expected: list[int] | None = None

    def observe(self, event: Event) -> Iterable[Violation]:
        """Judge each read as it completes."""
        if event.f == "begin" and "accounts" in event.value:
            accounts = event.value["accounts"]
            self._expected = [accounts * event.value["balance"], accounts]
        elif event.type == "invoke" or self._expected is None:
            return
        elif event.f == "read":
            for total in event.value["totals"]:
                yield from self._judge(event, total)
        elif event.f == "audit" and "accounts" in event.value:
            rows = event.value["accounts"]
            yield from self._judge(event, [sum(row[1] for row in rows), len(rows)])

    def _judge(self, event: Event, total: list[int]) -> Iterable[Violation]:
        if self._expected is not None and total != self._expected:
            message = (
                f"a snapshot had {total[0]} in {total[1]} accounts instead of"
                f" {self._expected[0]} in {self._expected[1]}"
            )
            yield Violation(self.name, message, {"event": event.index}, "total")

    def finish(self) -> Iterable[Violation]:
        """All was said at once."""
        return ()
