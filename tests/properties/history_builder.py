"""Histories made by hand, to be doctored: what a checker must and must not complain about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from chaos.history import CONTROL, Event, History
from chaos.oracle import Checker, Violation

BANK = {"accounts": 3, "balance": 100, "settings": {}, "bound_s": 30.0}
LISTS = {"lists": 2, "settings": {}, "bound_s": 30.0}
REGISTERS = {"registers": 2, "settings": {}, "bound_s": 30.0}
SET = {"elements": 3, "settings": {}, "bound_s": 30.0}
COUNTERS = {"counters": 2, "settings": {}, "bound_s": 30.0}
ASYNCHRONOUS = {"settings": {"synchronous_commit": "off"}}

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
        isolation: str | None = None,
    ) -> None:
        """One list transaction; reads are given as they were answered."""
        asked = [[kind, key, item if kind == "append" else None] for kind, key, item in operations]
        invoked = self.history.invoke(
            process, "txn", asked, transaction=transaction, isolation=isolation
        )
        self.history.complete(invoked, outcome, operations)

    def rw(
        self,
        steps: list[Any],
        transaction: int | None = None,
        outcome: Any = "ok",
        *,
        process: int = 0,
        isolation: str | None = None,
    ) -> None:
        """One transaction of registers; reads and versions are given as they were answered."""
        asked = [[kind, key, item if kind == "w" else None, None] for kind, key, item, _ in steps]
        invoked = self.history.invoke(
            process, "rw", asked, transaction=transaction, isolation=isolation
        )
        self.history.complete(invoked, outcome, steps)

    def begin_elements(
        self,
        transaction: int | None = None,
        *,
        add: Iterable[int] = (),
        remove: Iterable[int] = (),
        process: int = 0,
        isolation: str | None = None,
    ) -> Event:
        """The invocation of a transaction of the set."""
        value = {"add": list(add), "remove": list(remove), "removed": [], "reads": []}
        return self.history.invoke(
            process, "elements", value, transaction=transaction, isolation=isolation
        )

    def end_elements(
        self,
        invoked: Event,
        outcome: Any = "ok",
        *,
        removed: Iterable[int] | None = None,
        reads: Iterable[Iterable[int]] = (),
    ) -> None:
        """Its end; `removed` is all that it wanted to remove, unless said otherwise."""
        taken = invoked.value["remove"] if removed is None else removed
        seen = {"removed": list(taken), "reads": [list(read) for read in reads]}
        self.history.complete(invoked, outcome, invoked.value | seen)

    def elements(
        self,
        transaction: int | None = None,
        outcome: Any = "ok",
        *,
        add: Iterable[int] = (),
        remove: Iterable[int] = (),
        reads: Iterable[Iterable[int]] = (),
        isolation: str | None = None,
    ) -> None:
        """One transaction of the set."""
        invoked = self.begin_elements(transaction, add=add, remove=remove, isolation=isolation)
        self.end_elements(invoked, outcome, reads=reads)

    def begin_count(
        self,
        transaction: int | None = None,
        *,
        add: Iterable[tuple[int, int]] = (),
        process: int = 0,
        isolation: str | None = None,
    ) -> Event:
        """The invocation of a transaction of counters."""
        value = {"add": [list(one) for one in add], "made": [], "reads": []}
        return self.history.invoke(
            process, "count", value, transaction=transaction, isolation=isolation
        )

    def end_count(
        self,
        invoked: Event,
        outcome: Any = "ok",
        *,
        made: Iterable[int] = (),
        reads: Iterable[Iterable[int]] = (),
    ) -> None:
        """Its end; the values of counters 1, 2, ... in each read."""
        keys = [key for key, _ in invoked.value["add"]]
        seen = {
            "made": [[key, value] for key, value in zip(keys, made, strict=False)],
            "reads": [numbered(read) for read in reads],
        }
        self.history.complete(invoked, outcome, invoked.value | seen)

    def count(
        self,
        transaction: int | None = None,
        outcome: Any = "ok",
        *,
        add: Iterable[tuple[int, int]] = (),
        made: Iterable[int] = (),
        reads: Iterable[Iterable[int]] = (),
        process: int = 0,
        isolation: str | None = None,
    ) -> None:
        """One transaction of counters."""
        invoked = self.begin_count(transaction, add=add, process=process, isolation=isolation)
        self.end_count(invoked, outcome, made=made, reads=reads)

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
        recovers = (strike["kills"] and name != "logger") or name == "stop:startup"
        calm = {} if recovers else {"marks": []}
        value = {"cycle": 1, "strike": strike, "reaction": CLEAN_REACTION | calm | seen}
        self.history.note("reaction", value)


def accounts(*rows: tuple[int, int]) -> list[list[int]]:
    """Balance and version of accounts 1, 2, 3, ..."""
    return [[number, balance, version] for number, (balance, version) in enumerate(rows, 1)]


def numbered(values: Iterable[int]) -> list[list[int]]:
    """The values of counters 1, 2, 3, ..."""
    return [[number, value] for number, value in enumerate(values, 1)]


def kinds(checker: Checker, events: Iterable[Event]) -> list[str]:
    """What kinds of things are wrong, in order."""
    return [violation.kind for violation in judge(checker, events)]


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
