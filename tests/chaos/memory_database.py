"""A database in memory that knows the statements of the workloads, one transaction at a time.

It lets workloads and checkers be tested together without any server; `flaw` makes it a bad one.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable
from typing import Any

from chaos.history import CONTROL, History, Process
from chaos.workloads import append, bank, counters, registers, sets
from chaos.workloads import tables as slot_tables
from chaos.workloads.api import (
    INSERT_LEDGER,
    READ_LEDGER,
    Answer,
    Operation,
    RolledBack,
    Statement,
    Workload,
    WrongAnswer,
)

FLAWS = (
    "loses acknowledged",
    "keeps rolled back",
    "keeps half",
    "forgets a row",
    "doubles a transaction",
)
STALE = "reads an old snapshot"
TABLES = ("accounts", "lists", "registers", "elements", "counters", "slots", "tables")
SILENT = ("CHECKPOINT", "VACUUM", "SET LOCAL", "CREATE", "INSERT INTO")
"""How the statements begin that do nothing here; rows are put in at the beginning."""

SLOT = re.compile(r" slot_(\d+)")

Values = list[str]


class MemoryDatabase:
    """Committed tables, and a working copy while a transaction is open."""

    def __init__(self) -> None:
        self.committed: dict[str, Any] = {"ledger": []} | {name: {} for name in TABLES}
        self.work: dict[str, Any] | None = None

    @property
    def tables(self) -> dict[str, Any]:
        """What a statement sees."""
        return self.committed if self.work is None else self.work

    def answer(self, statement: Statement) -> Answer:
        """Execute a statement of the workloads."""
        text = statement.text
        values = [(p or b"").decode() for p in statement.parameters]
        if text.startswith("BEGIN"):
            self.work = copy.deepcopy(self.committed)
            return Answer([], "BEGIN")
        if text == "COMMIT":
            self.committed, self.work = self.tables, None
            return Answer([], "COMMIT")
        if text == "ROLLBACK":
            self.work = None
            return Answer([], "ROLLBACK")
        if text in BY_TEXT:
            return BY_TEXT[text](self.tables, values)
        for beginning, execute in BY_BEGINNING.items():
            if text.startswith(beginning) and values:
                return execute(self.tables, values)
        if found := SLOT.search(text):
            answer = slot_table(self.tables["tables"], text, int(found[1]), values)
            if answer is not None:
                return answer
        if text.startswith(SILENT):
            return Answer([], text.split()[0])
        raise AssertionError(f"not a statement of the workloads: {text}")


def rows(values: list[list[Any]]) -> Answer:
    """An answer of rows, as text."""
    shown: list[tuple[str | None, ...]] = [tuple(str(cell) for cell in row) for row in values]
    return Answer(shown, f"SELECT {len(values)}")


def all_rows(table: str) -> Callable[[Any, Values], Answer]:
    """Key and columns of each row, in order."""
    return lambda tables, _values: rows([[key, *row] for key, row in sorted(tables[table].items())])


def one(table: str, place: int, change: Callable[[list[Any], Values], list[Any]]) -> Any:
    """Do something to the row whose key is the parameter at this place; what is returned of it."""

    def execute(tables: Any, values: Values) -> Answer:
        row = tables[table].get(int(values[place]))
        return rows([] if row is None else [change(row, values)])

    return execute


def slot_table(tables: Any, text: str, slot: int, values: Values) -> Answer | None:
    """What is done to a slot's table; None for its first row, which is there at the beginning."""
    if text.startswith("DROP TABLE"):
        del tables[slot]
        return Answer([], "DROP TABLE")
    if text.startswith("CREATE TABLE"):
        tables[slot] = []
        return Answer([], "CREATE TABLE")
    if text.startswith("SELECT"):
        return rows(tables.get(slot, []))
    if not values:
        return None
    tables[slot].append([int(value) for value in values])
    return Answer([], "INSERT 0 1")


def _insert_ledger(tables: Any, values: Values) -> Answer:
    tables["ledger"].append(int(values[0]))
    return Answer([], "INSERT 0 1")


def _total(tables: Any, _values: Values) -> Answer:
    found = tables["accounts"].values()
    return rows([[sum(row[0] for row in found), len(found)]])


def _add_to_account(row: list[Any], values: Values) -> list[Any]:
    row[:] = [row[0] + int(values[0]), row[1] + 1]
    return [row[1]]


def _set_account(row: list[Any], values: Values) -> list[Any]:
    row[:] = [int(values[0]), int(values[1])]
    return [row[1]]


def _append(row: list[Any], values: Values) -> list[Any]:
    row[0] += values[0]
    return row


def _write_register(row: list[Any], values: Values) -> list[Any]:
    row[:] = [int(values[0]), row[1] + 1]
    return [row[1]]


def _add_to_counter(row: list[Any], values: Values) -> list[Any]:
    row[0] += int(values[0])
    return row


def _next_version(row: list[Any], _values: Values) -> list[Any]:
    row[0] += 1
    return row


def _set_counter(row: list[Any], values: Values) -> list[Any]:
    row[0] = int(values[0])
    return row


def _read_registers(tables: Any, values: Values) -> Answer:
    found = tables["registers"]
    return rows([[key, *found[key]] for key in map(int, values) if key in found])


def _insert_element(tables: Any, values: Values) -> Answer:
    tables["elements"][int(values[0])] = []
    return Answer([], "INSERT 0 1")


def _remove_element(tables: Any, values: Values) -> Answer:
    key = int(values[0])
    return rows([] if tables["elements"].pop(key, None) is None else [[key]])


def _insert_list(tables: Any, values: Values) -> Answer:
    tables["lists"][int(values[0])] = [""]
    return Answer([], "INSERT 0 1")


def _delete_list(tables: Any, values: Values) -> Answer:
    tables["lists"].pop(int(values[0]), None)
    return Answer([], "DELETE 1")


BY_TEXT: dict[str, Callable[[Any, Values], Answer]] = {
    INSERT_LEDGER: _insert_ledger,
    READ_LEDGER.text: lambda tables, _: rows([[item] for item in sorted(tables["ledger"])]),
    bank.ADD: one("accounts", 1, _add_to_account),
    bank.READ_ONE: one("accounts", 0, lambda row, _: row),
    bank.SET: one("accounts", 2, _set_account),
    bank.TOTAL.text: _total,
    bank.READ_ALL.text: all_rows("accounts"),
    append.APPEND: one("lists", 1, _append),
    append.READ: one("lists", 0, lambda row, _: row),
    append.READ_ALL.text: all_rows("lists"),
    registers.WRITE: one("registers", 1, _write_register),
    registers.READ_ALL.text: all_rows("registers"),
    sets.REMOVE: _remove_element,
    sets.READ_ALL.text: all_rows("elements"),
    counters.ADD: one("counters", 1, _add_to_counter),
    counters.READ_ONE: one("counters", 0, lambda row, _: row),
    counters.SET: one("counters", 1, _set_counter),
    counters.READ_ALL.text: all_rows("counters"),
    slot_tables.NEXT: one("slots", 0, _next_version),
    slot_tables.READ_SLOTS.text: all_rows("slots"),
}
BY_BEGINNING: dict[str, Callable[[Any, Values], Answer]] = {
    "INSERT INTO elements": _insert_element,
    "INSERT INTO lists": _insert_list,
    "DELETE FROM lists": _delete_list,
    registers.READ: _read_registers,
}


class Simulation:
    """Runs a workload against a MemoryDatabase and writes its history, with crashes."""

    def __init__(self, workload: Workload, seed: int, flaw: str | None = None) -> None:
        self.workload = workload
        self.history = History(lambda: 0.0)
        self.database = MemoryDatabase()
        self.chance = random.Random(seed)
        self.flaw = flaw
        self._process = 0
        self._old: dict[str, Any] | None = None
        facts = workload.facts()
        self.history.note("begin", facts | {"settings": {}, "bound_s": 30.0})
        initial: dict[str, list[Any]] = {
            "accounts": [facts.get("balance"), 0],
            "lists": [""],
            "registers": [0, 0],
            "elements": [],
            "counters": [0],
            "slots": [0],
            "tables": [[0, 0, 1]],
        }
        for name, row in initial.items():
            for key in range(1, facts.get(name, 0) + 1):
                self.database.committed[name][key] = list(row)

    def run(self, operations: int) -> History:
        """So many operations; every now and then a crash and an audit."""
        for _ in range(operations):
            crash = self.chance.random() < 0.05
            self.one(self.workload.next(self.chance), self._process, crash=crash)
            if crash:
                if self.flaw is not None:
                    self.corrupt()
                self.quiet()
        self.quiet()
        return self.history

    def quiet(self) -> None:
        """Audit, upkeep."""
        self.one(self.workload.audit(), CONTROL)
        upkeep = self.workload.upkeep()
        if upkeep is not None:
            self.one(upkeep, CONTROL)

    def one(self, operation: Operation, process: Process, *, crash: bool = False) -> None:
        """One operation; with `crash` it is cut off at a random statement."""
        invoked = self.history.invoke(
            process,
            operation.f,
            operation.value,
            transaction=operation.transaction,
            isolation=operation.isolation,
        )
        before = copy.deepcopy(self.database.committed)
        old = self._old_snapshot(operation, before)
        body = operation.body(operation.value)
        answer: Answer | None = None
        kind: Any = "ok"
        error = None
        try:
            while True:
                statement = next(body) if answer is None else body.send(answer)
                if crash and (statement.commits or self.chance.random() < 0.2):
                    if statement.commits and self.chance.random() < 0.5:
                        self.database.answer(statement)
                    self.database.work = None
                    kind = "info" if statement.commits else "fail"
                    break
                answer = self.database.answer(statement)
        except StopIteration:
            pass
        except RolledBack:
            kind, error = "fail", "rolled back"
        except WrongAnswer as wrong:
            self.database.work = None
            kind, error = "fail", f"wrong answer: {wrong}"
        self.history.complete(invoked, kind, operation.value, error)
        if kind == "info":
            self._process += 1
        if old is not None:
            self.database.committed = before
        self._misbehave(operation, kind, before)

    def _old_snapshot(self, operation: Operation, now: dict[str, Any]) -> dict[str, Any] | None:
        """With that flaw a reader now and then gets what had been there some transactions ago."""
        if self.flaw != STALE or operation.f == "audit":
            return None
        old = self._old if operation.transaction is None else None
        if self._old is None or self.chance.random() < 0.2:
            self._old = now
        if old is not None:
            self.database.committed = copy.deepcopy(old)
        return old

    def _misbehave(self, operation: Operation, kind: str, before: dict[str, Any]) -> None:
        """The flaws of one transaction."""
        if not operation.writes or self.chance.random() > 0.1:
            return
        if self.flaw == "loses acknowledged" and kind == "ok":
            self.database.committed = before
        elif self.flaw == "doubles a transaction" and kind == "ok":
            self.database.committed["ledger"].append(operation.transaction)
        elif self.flaw == "keeps half" and kind == "ok":
            for name in TABLES:
                self.database.committed[name] = before[name]

    def corrupt(self) -> None:
        """The flaws of a crash."""
        committed = self.database.committed
        if self.flaw == "forgets a row":
            for table in (committed[name] for name in TABLES):
                if table:
                    del table[min(table)]
        elif self.flaw == "keeps rolled back":
            failed = [e.transaction for e in self.history if e.type == "fail" and e.transaction]
            committed["ledger"] += failed[-1:]
