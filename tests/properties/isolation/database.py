"""A database in a few lines that keeps snapshot isolation, for histories that must be found valid.

Clients run at the same time, an operation of one after an operation of another. A transaction reads
from a snapshot, locks what it writes until it ends, and is refused what was committed since its
snapshot. At read committed each operation has a snapshot of its own, and nothing is refused. With
`one_at_a_time` a transaction runs at a single moment instead: then the history is strictly
serializable. `flaw="lost update"` refuses nothing.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from properties.isolation.transactions import Op, Status, Transaction


@dataclass
class Running:
    """A transaction that has begun."""

    id: int
    invoked: int
    operations_left: int
    level: str | None
    snapshot: dict[int, Any] | None = None
    taken_at: int = 0
    ops: list[Op] = field(default_factory=list)
    own: dict[int, Any] = field(default_factory=dict)


class Database:
    """Lists or registers, and clients that use them."""

    def __init__(
        self,
        seed: int,
        workload: str,
        *,
        clients: int = 5,
        read_committed: float = 0.0,
        one_at_a_time: bool = False,
        flaw: str | None = None,
    ) -> None:
        self.rng = random.Random(seed)
        self.is_list = workload == "list-append"
        self.names = list(range(clients))
        self.read_committed = read_committed
        self.one_at_a_time = one_at_a_time
        self.flaw = flaw
        self.state: dict[int, Any] = {}
        self.committed_at: dict[int, int] = {}
        self.commits = 0
        self.keys = [0, 1, 2, 3]
        self.written = dict.fromkeys(range(4), 0)
        self.locks: dict[int, int] = {}
        self.running: dict[int, Running] = {}
        self.history: list[Transaction] = []
        self.position = 0
        self.begun = 0

    def run(self, count: int) -> list[Transaction]:
        """So many transactions, and those that were running then, which get no answer."""
        while len(self.history) < count:
            self.position += 1
            client = self.rng.randrange(len(self.names))
            transaction = self.running.get(client)
            if transaction is None:
                self._begin(client)
            elif transaction.operations_left:
                if self.one_at_a_time:
                    self.locks.clear()
                    while transaction.operations_left:
                        self._operate(client, transaction)
                    self._apply(transaction)
                else:
                    self._operate(client, transaction)
            else:
                self._finish(client, transaction)
        for client in sorted(self.running):
            self._end(client, self.running[client], "info")
        return self.history

    def _begin(self, client: int) -> None:
        is_low = self.rng.random() < self.read_committed
        self.running[client] = Running(
            self.begun, self.position, self.rng.randint(1, 5), "read-committed" if is_low else None
        )
        self.begun += 1

    def _operate(self, client: int, transaction: Running) -> None:
        if transaction.snapshot is None or transaction.level:
            transaction.snapshot = dict(self.state)
            transaction.taken_at = self.commits
        place = self.rng.randrange(4)
        key = self.keys[place]
        initial = () if self.is_list else None
        if self.rng.random() < 0.5:
            seen = transaction.own.get(key, transaction.snapshot.get(key, initial))
            transaction.ops.append(Op("r", key, seen))
        elif self.locks.get(key, client) != client:
            if self.rng.random() < 0.2:
                self._end(client, transaction, "fail")
            return
        elif self._is_refused(transaction, key):
            self._end(client, transaction, "fail")
            return
        else:
            self.locks[key] = client
            self.written[key] = value = self.written[key] + 1
            base = transaction.own.get(key, self.state.get(key, initial))
            transaction.own[key] = (*base, value) if self.is_list else value
            transaction.ops.append(Op("append" if self.is_list else "w", key, value))
            if value == 12:
                self.keys[place] = len(self.written)
                self.written[self.keys[place]] = 0
        transaction.operations_left -= 1

    def _is_refused(self, transaction: Running, key: int) -> bool:
        changed = self.committed_at.get(key, 0) > transaction.taken_at
        return changed and not transaction.level and self.flaw != "lost update"

    def _apply(self, transaction: Running) -> None:
        self.commits += 1
        self.state.update(transaction.own)
        self.committed_at.update(dict.fromkeys(transaction.own, self.commits))

    def _finish(self, client: int, transaction: Running) -> None:
        draw = self.rng.random()
        if self.one_at_a_time:
            self._end(client, transaction, "info" if draw < 0.05 else "ok")
            return
        status: Status = "fail" if draw < 0.04 else "info" if draw < 0.08 else "ok"
        if status == "ok" or (status == "info" and self.rng.random() < 0.5):
            self._apply(transaction)
        self._end(client, transaction, status)

    def _end(self, client: int, transaction: Running, status: Status) -> None:
        for key in transaction.own:
            self.locks.pop(key, None)
        ops = [
            op if status == "ok" or op.f != "r" else Op("r", op.key, None) for op in transaction.ops
        ]
        self.history.append(
            Transaction(
                transaction.id,
                self.names[client],
                status,
                tuple(ops),
                transaction.invoked,
                None if status == "info" else self.position,
                transaction.level,
            )
        )
        if status == "info":
            self.names[client] += len(self.names)
        del self.running[client]
