"""Small random histories, made by databases that keep different promises, or none.

A database here is a dozen lines: transactions are interleaved operation by operation, at
random, and what they read follows from the promise.

    serial            one transaction after the other, each at one moment between begin and end
    snapshots         snapshot isolation: a snapshot at the beginning, the first committer wins
    read committed    each read sees what was last committed; writes go in at the commit
    mixed             each transaction asks for one of these two, and gets it
    read uncommitted  writes go in at once; what fails stays there, now and then
    corrupted         one of these, with some reads changed afterwards

Some answers get lost: the transaction becomes `info`, whether it is in or not. Most histories end
with a transaction that reads everything.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from properties.isolation.transactions import Op, Status, Transaction

LIST_APPEND = "list-append"
RW_REGISTER = "rw-register"
KEYS = ("x", "y", "z")
SNAPSHOTS = "snapshot-isolation"
STATEMENTS = "read-committed"


@dataclass
class Client:
    """A transaction that is being run."""

    plan: list[tuple[str, str, int]]
    snapshot: dict[str, Any] = field(default_factory=dict)
    own: dict[str, list[int]] = field(default_factory=dict)
    done: list[Op] = field(default_factory=list)
    invoked: int = 0
    completed: int = 0
    status: Status = "ok"
    level: str = STATEMENTS

    def write(self, key: str, value: int) -> None:
        self.own.setdefault(key, []).append(value)


class Conflict(Exception):
    """The transaction cannot go on."""


class Database:
    """What is common to all of them; `is_list` says what a value is."""

    def __init__(self, is_list: bool, chance: random.Random) -> None:
        self.is_list = is_list
        self.chance = chance
        self.values: dict[str, Any] = {}
        self.versions: dict[str, int] = {}

    def merged(self, base: Any, written: Sequence[int]) -> Any:
        """The value after the writes."""
        if self.is_list:
            return (*(base or ()), *written)
        return written[-1] if written else base

    def begin(self, client: Client) -> None:
        client.snapshot = dict(self.values) | {f"version {k}": v for k, v in self.versions.items()}

    def step(self, client: Client, f: str, key: str, value: int) -> Op:
        raise NotImplementedError

    def commit(self, client: Client) -> bool:
        """Whether it may."""
        for key, written in client.own.items():
            self.values[key] = self.merged(self.values.get(key), written)
            self.versions[key] = self.versions.get(key, 0) + 1
        return True

    def roll_back(self, client: Client) -> None:
        """Nothing was written yet."""


class Committed(Database):
    """Only what was committed is read: of the moment, or of a snapshot. Each transaction asks for
    one of the levels. Who writes what another has written who has not ended yet, is rolled back.
    """

    def __init__(self, is_list: bool, chance: random.Random, *levels: str) -> None:
        super().__init__(is_list, chance)
        self.levels = levels
        self.writers: dict[str, Client] = {}

    def begin(self, client: Client) -> None:
        super().begin(client)
        client.level = self.chance.choice(self.levels)

    def step(self, client: Client, f: str, key: str, value: int) -> Op:
        if f != "r":
            if self.writers.setdefault(key, client) is not client:
                raise Conflict
            client.write(key, value)
            return Op(f, key, value)
        base = client.snapshot if client.level == SNAPSHOTS else self.values
        return Op(f, key, self.merged(base.get(key), client.own.get(key, ())))

    def commit(self, client: Client) -> bool:
        if client.level == SNAPSHOTS:
            for key in client.own:
                if self.versions.get(key, 0) != client.snapshot.get(f"version {key}", 0):
                    return False
        self.roll_back(client)
        return super().commit(client)

    def roll_back(self, client: Client) -> None:
        self.writers = {key: one for key, one in self.writers.items() if one is not client}


class ReadUncommitted(Database):
    def step(self, client: Client, f: str, key: str, value: int) -> Op:
        if f != "r":
            client.write(key, value)
            self.values[key] = self.merged(self.values.get(key), [value])
            return Op(f, key, value)
        return Op(f, key, self.values.get(key))

    def commit(self, client: Client) -> bool:
        return True

    def roll_back(self, client: Client) -> None:
        if self.is_list and self.chance.random() < 0.7:
            gone = {value for written in client.own.values() for value in written}
            for key in client.own:
                self.values[key] = tuple(v for v in self.values[key] if v not in gone)


DATABASES: dict[str, Callable[[bool, random.Random], Database]] = {
    "serial": lambda is_list, chance: Committed(is_list, chance, STATEMENTS),
    "snapshots": lambda is_list, chance: Committed(is_list, chance, SNAPSHOTS),
    "read committed": lambda is_list, chance: Committed(is_list, chance, STATEMENTS),
    "read uncommitted": ReadUncommitted,
    "mixed": lambda is_list, chance: Committed(is_list, chance, STATEMENTS, SNAPSHOTS),
}


def random_history(
    chance: random.Random, workload: str, kind: str, longest: int = 6
) -> list[Transaction]:
    """A history of at most `longest` transactions from a database of that kind, or corrupted."""
    is_list = workload == LIST_APPEND
    source = chance.choice(sorted(DATABASES)) if kind == "corrupted" else kind
    database = DATABASES[source](is_list, chance)
    reads_all = chance.random() < 0.8
    clients = _clients(chance, is_list, chance.randint(2, longest - reads_all))
    _run(chance, database, clients, is_serial=source == "serial")
    if reads_all:
        last = Client([("r", key, 0) for key in KEYS])
        _run(chance, database, [last], is_serial=True, start=max(c.completed for c in clients) + 1)
        clients.append(last)
    if kind == "corrupted":
        for _ in range(chance.randint(1, 2)):
            _corrupt(chance, clients, is_list)
    return _history(clients, with_levels=kind == "mixed")


def _clients(chance: random.Random, is_list: bool, count: int) -> list[Client]:
    keys = KEYS[: chance.randint(1, len(KEYS))]
    values = dict.fromkeys(keys, 0)
    clients = []
    for _ in range(count):
        reads_first = chance.random() < 0.3  # what write skew is made of
        plan = [("r", key, 0) for key in keys] if reads_first else []
        for _ in range(chance.randint(1, 4 - len(plan))):
            key = chance.choice(keys)
            if not reads_first and chance.random() < 0.5:
                plan.append(("r", key, 0))
            else:
                values[key] += 1
                plan.append(("append" if is_list else "w", key, values[key]))
        clients.append(Client(plan))
    return clients


def _run(
    chance: random.Random,
    database: Database,
    clients: list[Client],
    *,
    is_serial: bool,
    start: int = 0,
) -> None:
    """Interleave them. A serial database runs all of a transaction when its turn comes, but the
    client hears of it later.
    """
    now = start
    waiting = list(clients)
    running: list[Client] = []
    answered: list[Client] = []
    while waiting or running or answered:
        now += 1
        act = chance.choice([*waiting[:1], *running, *answered])
        if act in waiting:
            waiting.remove(act)
            running.append(act)
            act.invoked = now
            database.begin(act)
        elif act in answered:
            answered.remove(act)
            act.completed = now
        else:
            goes_on = True
            while goes_on and len(act.done) < len(act.plan):
                goes_on = is_serial
                try:
                    act.done.append(database.step(act, *act.plan[len(act.done)]))
                except Conflict:
                    act.done = [Op(*planned) for planned in act.plan]
                    act.status = "fail"
            if len(act.done) < len(act.plan):
                continue
            running.remove(act)
            answered.append(act)
            if act.status == "fail" or chance.random() < 0.08 or not database.commit(act):
                act.status = "fail"
                database.roll_back(act)
            if chance.random() < 0.12:
                act.status = "info"


def _corrupt(chance: random.Random, clients: list[Client], is_list: bool) -> None:
    """Change what one read has read."""
    reads = [(c, i) for c in clients for i, op in enumerate(c.done) if op.f == "r"]
    if not reads:
        return
    client, i = chance.choice(reads)
    op = client.done[i]
    if is_list:
        value = list(op.value or ())
        way = chance.randrange(5)
        if way == 0 and value:
            value.pop(chance.randrange(len(value)))
        elif way == 1:
            value.insert(chance.randint(0, len(value)), chance.randint(1, 5))
        elif way == 2:
            chance.shuffle(value)
        elif way == 3:
            value = value[: chance.randint(0, len(value))]
        else:
            value = list(range(1, chance.randint(1, 4)))
        client.done[i] = Op("r", op.key, tuple(value))
    else:
        client.done[i] = Op("r", op.key, chance.choice([None, 1, 2, 3, 4]))


def _history(clients: list[Client], *, with_levels: bool) -> list[Transaction]:
    clients.sort(key=lambda client: client.invoked)
    free: list[tuple[int, int]] = []
    found = []
    processes = 0
    for i, client in enumerate(clients):
        idle = [p for p, since in free if since < client.invoked]
        if idle:
            process = idle[0]
            free = [(p, since) for p, since in free if p != process]
        else:
            process = processes
            processes += 1
        status = client.status
        if status != "info":
            free.append((process, client.completed))
        done = client.done
        if status != "ok":
            done = [Op("r", op.key, None) if op.f == "r" else op for op in done]
        completed = None if status == "info" else client.completed
        level = client.level if with_levels else None
        found.append(Transaction(i, process, status, tuple(done), client.invoked, completed, level))
    return found
