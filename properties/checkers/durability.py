"""What was acknowledged is there; what failed or was rolled back is not; what was never begun is
not.

Every transaction that writes puts its id into the ledger, and each audit reads the whole ledger.

With `synchronous_commit = off` a server may lose, in a crash, what it acknowledged within three
times `wal_writer_delay` before (and a little more, on a busy machine): such losses are forgiven,
once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from chaos.history import Event
from chaos.oracle import Violation
from properties.checkers.words import transactions

SLACK_US: Final = 1_000_000
DEFAULT_DELAY_US: Final = 200_000


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
            self._crashed(event.value["strike"])
        elif event.f == "audit" and event.type == "ok":
            yield from self._judge(event)

    def _crashed(self, strike: dict[str, Any]) -> None:
        """What the crash may have taken is no longer known to be there."""
        if strike["kills"] and self._forgiven_us is not None:
            limit = strike["at_us"] - self._forgiven_us
            for transaction, at_us in list(self._acknowledged.items()):
                if at_us >= limit:
                    del self._acknowledged[transaction]

    def _judge(self, event: Event) -> Iterable[Violation]:
        listed: list[int] = event.value["ledger"]
        ledger = set(listed)
        if lost := self._acknowledged.keys() - ledger:
            yield self._violation(event, lost, "acknowledged but not there")
        if risen := self._failed & ledger:
            yield self._violation(event, risen, "failed or rolled back, but there")
        if invented := ledger - self._begun:
            yield self._violation(event, invented, "there, but never begun")
        if len(listed) != len(ledger):
            twice = {transaction for transaction, n in Counter(listed).items() if n > 1}
            yield self._violation(event, twice, "there more than once")

    def _violation(self, event: Event, ids: set[int], what: str) -> Violation:
        be = "is" if len(ids) == 1 else "are"
        be = {"acknowledged but not there": "was" if len(ids) == 1 else "were"}.get(what, be)
        facts = {"event": event.index, "transactions": sorted(ids)}
        return Violation(self.name, f"{transactions(ids)} {be} {what}", facts)

    def finish(self) -> Iterable[Violation]:
        """All was said at the audits."""
        return ()


def forgiven_us(settings: dict[str, str]) -> int | None:
    """How long before a crash an acknowledgement is worth nothing; None: it is always worth all."""
    if settings.get("synchronous_commit", "on") not in ("off", "false", "no", "0"):
        return None
    found = re.fullmatch(r"(\d+)\s*(us|ms|s)?", settings.get("wal_writer_delay", ""))
    units = {"us": 1, "ms": 1000, None: 1000, "s": 1_000_000}
    delay_us = int(found[1]) * units[found[2]] if found else DEFAULT_DELAY_US
    return 3 * delay_us + SLACK_US
