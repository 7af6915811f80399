"""What an asynchronous commit loses in a crash is the end of what was done, without holes.

A transaction that was begun after another one had been acknowledged has its commit record behind
that of the other. WAL survives as a prefix; so if the earlier one is lost, the later one is too.
With synchronous commits nothing that was acknowledged is lost at all, which `durability` says; this
one speaks when something was.

What was there at one audit and is gone at the next is not the end of the WAL, and `durability` has
forgiven it only once: it is taken here for lost as any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chaos.history import Event
from chaos.oracle import Violation
from properties.checkers.asynchronous import is_crash
from properties.checkers.words import transactions


class NoHoles:
    """See the head of this file. Order is that of the history's events."""

    name = "no_holes"

    def __init__(self) -> None:
        self._begun_at: dict[int, int] = {}
        self._acknowledged_at: dict[int, int] = {}
        self._told: set[int] = set()
        self._crashed_at: int | None = None

    def observe(self, event: Event) -> Iterable[Violation]:
        """Learn from completions, judge at the audit after a crash."""
        transaction = event.transaction
        if transaction is not None:
            if event.type == "invoke":
                self._begun_at[transaction] = event.index
            elif event.type == "ok":
                self._acknowledged_at[transaction] = event.index
        elif event.f == "reaction" and is_crash(event.value):
            self._crashed_at = event.index
        elif event.f == "audit" and event.type == "ok" and self._crashed_at is not None:
            yield from self._judge(event, set(event.value["ledger"]), self._crashed_at)
            self._crashed_at = None

    def _judge(self, event: Event, ledger: set[int], crashed_at: int) -> Iterable[Violation]:
        """Each lost transaction is told of once, with the first that should have gone with it."""
        lost = {
            transaction: index
            for transaction, index in self._acknowledged_at.items()
            if index < crashed_at and transaction not in ledger and transaction not in self._told
        }
        self._told |= lost.keys()
        if not lost:
            return
        earliest = min(lost, key=lambda transaction: lost[transaction])
        later = {
            transaction
            for transaction in ledger
            if lost[earliest] < self._begun_at.get(transaction, -1) < crashed_at
        }
        if later:
            be = "was" if len(later) == 1 else "were"
            facts: dict[str, Any] = {"event": event.index, "lost": earliest}
            yield Violation(
                self.name,
                f"transaction {earliest} was acknowledged and is lost, but {transactions(later)},"
                f" which {be} begun after that, {'is' if be == 'was' else 'are'} there",
                facts | {"transactions": sorted(later)},
                "hole",
            )

    def finish(self) -> Iterable[Violation]:
        """All was said at the audits."""
        return ()
