"""Histories made by hand, to be doctored: what a checker must and must not complain about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from chaos.history import CONTROL, Event, History
from chaos.oracle import Checker, Violation

BANK = {"accounts": 3, "balance": 100, "settings": {}, "bound_s": 30.0}
LISTS = {"lists": 2, "settings": {}, "bound_s": 30.0}

CLEAN_REACTION: dict[str, Any] = {
    "recovered": True,
    "recovery_s": 0.1,
    "postmaster_exits": [],
    "launches": 0,
    "replaced": ["checkpointer", "bgwriter", "walwriter"],
    "kept": ["logger"],
    "missing": [],
    "backends_kept": 0,
    "orphans_gone_s": None,
    "orphans_left": [],
    "refused_while_orphans": None,
    "marks": ["killed", "crash_restart", "reinitialized", "redo_started", "redo_done", "ready"],
    "lost": ["57P02"],
    "refusals": ["FATAL:  the database system is in recovery mode"],
    "replay": None,
    "crashes": [],
    "reports": [],
}
CLEAN_SHUTDOWN = {"exit_status": 0, "seconds": 0.1, "bound_s": 30.0, "leftovers": []}


class Builder:
    """Writes a history in the words of the workloads."""

    def __init__(self, facts: dict[str, Any], now_s: Callable[[], float] = lambda: 0.0) -> None:
        self.history = History(now_s)
        self.history.note("begin", facts)

    @property
    def events(self) -> list[Event]:
        """What was written."""
        return self.history.events

    def transfer(
        self,
        transaction: int,
        outcome: Any = "ok",
        *,
        move: tuple[int, int, int] = (1, 2, 10),
        versions: list[list[int]] | None = None,
        error: str | None = None,
        process: int = 0,
    ) -> None:
        """One transfer from its invocation to its end."""
        source, sink, amount = move
        value = {"from": source, "to": sink, "amount": amount, "versions": []}
        invoked = self.history.invoke(process, "transfer", value, transaction=transaction)
        done = value | {"versions": versions or []}
        self.history.complete(invoked, outcome, done, error)

    def begin_txn(self, process: int, operations: list[Any], transaction: int | None) -> Event:
        """The invocation of a list transaction."""
        return self.history.invoke(process, "txn", operations, transaction=transaction)

    def txn(
        self,
        operations: list[Any],
        transaction: int | None = None,
        outcome: Any = "ok",
        *,
        process: int = 0,
    ) -> None:
        """One list transaction; reads are given as they were answered."""
        asked = [[kind, key, item if kind == "append" else None] for kind, key, item in operations]
        invoked = self.begin_txn(process, asked, transaction)
        self.history.complete(invoked, outcome, operations)

    def operation(self, f: str, value: Any, outcome: Any = "ok", error: str | None = None) -> None:
        """Any other operation of client 0."""
        self.history.complete(self.history.invoke(0, f, value), outcome, value, error)

    def audit(self, **value: Any) -> None:
        """What the controller read."""
        invoked = self.history.invoke(CONTROL, "audit", {})
        self.history.complete(invoked, "ok", value)

    def reaction(
        self,
        name: str,
        *,
        hunts: Iterable[Any] = (),
        disk: dict[str, Any] | None = None,
        kills: dict[str, int] | None = None,
        **seen: Any,
    ) -> None:
        """A strike and what was seen of it."""
        strike = {
            "name": name,
            "struck": True,
            "missed": "",
            "at_us": self.history.now_us(),
            "victims": [1],
            "kills": {} if name.startswith("stop:") else {name: 1},
            "hunts": list(hunts),
        }
        if kills is not None:
            strike["kills"] = kills
        if disk is not None:
            strike["disk"] = disk
        value = {"cycle": 1, "strike": strike, "reaction": CLEAN_REACTION | seen}
        self.history.note("reaction", value)


def accounts(*rows: tuple[int, int]) -> list[list[int]]:
    """Balance and version of accounts 1, 2, 3, ..."""
    return [[number, balance, version] for number, (balance, version) in enumerate(rows, 1)]


def judge(checker: Checker, events: Iterable[Event]) -> list[Violation]:
    """All that a checker has to say about a history; each violation has a kind."""
    found: list[Violation] = []
    for event in events:
        found += checker.observe(event)
    found += checker.finish()
    assert [violation for violation in found if not violation.kind] == []
    return found


def messages(checker: Checker, events: Iterable[Event]) -> str:
    """The same, as text."""
    return "; ".join(violation.message for violation in judge(checker, events))
