"""A database in memory that knows the statements of the workloads, one transaction at a time.

It lets workloads and checkers be tested together without any server; `flaw` makes it a bad one.
"""

from __future__ import annotations

import copy
import random
from typing import Any

from chaos.history import CONTROL, History, Process
from chaos.workloads import append, bank
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


class MemoryDatabase:
    """Committed tables, and a working copy while a transaction is open."""

    def __init__(self) -> None:
        self.committed: dict[str, Any] = {"ledger": [], "accounts": {}, "lists": {}}
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
        return self._table_statement(text, values)

    def _table_statement(self, text: str, values: list[str]) -> Answer:
        accounts, lists, ledger = (self.tables[name] for name in ("accounts", "lists", "ledger"))
        if text == INSERT_LEDGER:
            ledger.append(int(values[0]))
            return Answer([], "INSERT 0 1")
        if text == READ_LEDGER.text:
            return rows([[item] for item in sorted(ledger)])
        if values and not self._has_row(text, values):
            return rows([])
        if text == bank.ADD:
            row = accounts[int(values[1])]
            row[0] += int(values[0])
            row[1] += 1
            return rows([[row[1]]])
        if text == bank.READ_ONE:
            return rows([accounts[int(values[0])]])
        if text == bank.SET:
            accounts[int(values[2])] = [int(values[0]), int(values[1])]
            return rows([[values[1]]])
        if text == bank.TOTAL.text:
            return rows([[sum(row[0] for row in accounts.values()), len(accounts)]])
        if text == bank.READ_ALL.text:
            return rows([[key, *row] for key, row in sorted(accounts.items())])
        if text == append.APPEND:
            lists[int(values[1])] += values[0]
            return rows([[lists[int(values[1])]]])
        if text == append.READ:
            return rows([[lists[int(values[0])]]])
        if text == append.READ_ALL.text:
            return rows([list(item) for item in sorted(lists.items())])
        return self._other(text, values)

    def _has_row(self, text: str, values: list[str]) -> bool:
        """Whether the row that a statement names is there."""
        places = {
            bank.ADD: ("accounts", 1),
            bank.READ_ONE: ("accounts", 0),
            bank.SET: ("accounts", 2),
            append.APPEND: ("lists", 1),
            append.READ: ("lists", 0),
        }
        if text not in places:
            return True
        table, place = places[text]
        return int(values[place]) in self.tables[table]

    def _other(self, text: str, values: list[str]) -> Answer:
        if text.startswith("DELETE FROM lists"):
            self.tables["lists"].pop(int(values[0]), None)
        elif text.startswith("INSERT INTO lists") and values:
            self.tables["lists"][int(values[0])] = ""
        elif not text.startswith(("CHECKPOINT", "VACUUM", "SET LOCAL", "CREATE", "INSERT INTO")):
            raise AssertionError(f"not a statement of the workloads: {text}")
        return Answer([], text.split()[0])


def rows(values: list[list[Any]]) -> Answer:
    """An answer of rows, as text."""
    shown: list[tuple[str | None, ...]] = [tuple(str(cell) for cell in row) for row in values]
    return Answer(shown, f"SELECT {len(values)}")


class Simulation:
    """Runs a workload against a MemoryDatabase and writes its history, with crashes."""

    def __init__(self, workload: Workload, seed: int, flaw: str | None = None) -> None:
        self.workload = workload
        self.history = History(lambda: 0.0)
        self.database = MemoryDatabase()
        self.chance = random.Random(seed)
        self.flaw = flaw
        self._process = 0
        facts = workload.facts()
        self.history.note("begin", facts | {"settings": {}, "bound_s": 30.0})
        for account in range(1, facts.get("accounts", 0) + 1):
            self.database.committed["accounts"][account] = [facts["balance"], 0]
        for key in range(1, facts.get("lists", 0) + 1):
            self.database.committed["lists"][key] = ""

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
            process, operation.f, operation.value, transaction=operation.transaction
        )
        before = copy.deepcopy(self.database.committed)
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
        self._misbehave(operation, kind, before)

    def _misbehave(self, operation: Operation, kind: str, before: dict[str, Any]) -> None:
        """The flaws of one transaction."""
        if not operation.writes or self.chance.random() > 0.1:
            return
        if self.flaw == "loses acknowledged" and kind == "ok":
            self.database.committed = before
        elif self.flaw == "doubles a transaction" and kind == "ok":
            self.database.committed["ledger"].append(operation.transaction)
        elif self.flaw == "keeps half" and kind == "ok":
            for name in ("accounts", "lists"):
                self.database.committed[name] = before[name]

    def corrupt(self) -> None:
        """The flaws of a crash."""
        committed = self.database.committed
        if self.flaw == "forgets a row":
            for table in (committed["accounts"], committed["lists"]):
                if table:
                    del table[min(table)]
        elif self.flaw == "keeps rolled back":
            failed = [e.transaction for e in self.history if e.type == "fail" and e.transaction]
            committed["ledger"] += failed[-1:]
