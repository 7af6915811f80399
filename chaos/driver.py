"""Runs a workload's operations on several connections from one thread, and records each in the
history.

    LOST --(gate open)--> CONNECTING --> FREE --(operation)--> BUSY --(ended)--> FREE
      ^                        |           |                     |
      +------------------------+-----------+---------------------+   (connection lost)

The controller calls `pump` and gets control back when time is up or a counted operation was
reached, which is where it strikes. Counted are operations started, COMMITs sent, and transactions
acknowledged.

DRIVE-1  A client has at most one operation under way, and every operation begun is completed in the
         history (HIST-1): by its answer, by the loss of its connection, or by `abandon`.
DRIVE-2  `info` exactly when the connection was lost while a statement marked `commits` was under
         way (WORK-1).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from chaos.connection import Connection, ConnectionLost, Refusal, State
from chaos.history import Event, EventType, History, Process
from chaos.waiting.api import BROKEN, READABLE, WRITABLE, Waiting
from chaos.workloads.api import (
    ROLLBACK,
    Answer,
    Body,
    Operation,
    RolledBack,
    Statement,
    Workload,
    WrongAnswer,
)

RECONNECT_AFTER_S: Final = 0.02
WRONG: Final = "wrong answer: "
"""How the error of an operation begins whose answer no correct server gives."""


class ClientState(Enum):
    """Where a client is; see the diagram above."""

    LOST = auto()
    CONNECTING = auto()
    FREE = auto()
    BUSY = auto()


@dataclass(slots=True)
class Tally:
    """What was counted since the run began."""

    started: int = 0
    commits: int = 0
    statements: int = 0
    acknowledged: int = 0
    ended: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Loss:
    """A connection that ended, or one that was refused."""

    process: Process
    established: bool
    sqlstate: str | None
    message: str

    def __str__(self) -> str:
        return f"{self.sqlstate} {self.message}" if self.sqlstate else self.message


class Client:
    """One connection and the operation on it."""

    def __init__(self, number: int, process: Process) -> None:
        self.number = number
        self.process = process
        self.state = ClientState.LOST
        self.connection: Connection | None = None
        self.retry_at = 0.0
        self.began_at = 0.0
        self.operation: Operation | None = None
        self.body: Body | None = None
        self.invocation: Event | None = None
        self.statement: Statement | None = None
        self.failure: str | None = None

    @property
    def backend_pid(self) -> int:
        """The process that serves this client; 0 when there is none."""
        return self.connection.backend_pid if self.connection is not None else 0


class Driver:
    """The clients, their sockets, and the history that they write. `waiting` owns the waiting."""

    def __init__(
        self,
        history: History,
        workload: Workload,
        clients: int,
        conninfo: Callable[[], str],
        chance: random.Random,
        waiting: Waiting,
    ) -> None:
        self.history = history
        self.waiting = waiting
        self.tally = Tally()
        self.losses: list[Loss] = []
        self.accepting = True
        self.gate_open = True
        self.last_commit_by = 0
        self.last_statement_by = 0
        self.clients = [Client(number, number) for number in range(clients)]
        self._next_process = clients
        self._workload = workload
        self._conninfo = conninfo
        self._chance = chance
        self._by_fd: dict[int, Client] = {}

    # driving -------------------------------------------------------------------------------------

    def pump(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Go on for so long, or until the condition holds: then True."""
        deadline = self.waiting.now_s() + seconds
        while True:
            if until is not None and until():
                return True
            now = self.waiting.now_s()
            wait = self._tend(now, deadline)
            if now >= deadline:
                return False
            for fd, mask in self.waiting.wait(wait):
                client = self._by_fd.get(fd)
                if client is not None:
                    self._ready(client, mask)
                    if until is not None and until():
                        return True

    def pump_exactly(self, seconds: float) -> None:
        """Go on for so long, to some microseconds: sockets alone are waited for in milliseconds."""
        end = self.waiting.now_s() + seconds
        self.pump(seconds - self.waiting.coarse_s)
        while self.waiting.now_s() < end:
            self.pump(0)

    def drain(self, seconds: float) -> bool:
        """Start nothing new and wait until nothing is under way; False when that takes too long."""
        was_accepting, self.accepting = self.accepting, False
        try:
            return self.pump(seconds, lambda: not any(self.busy()))
        finally:
            self.accepting = was_accepting

    def busy(self) -> Iterator[Client]:
        """The clients with an operation under way."""
        return (client for client in self.clients if client.state is ClientState.BUSY)

    def connected(self) -> list[Client]:
        """The clients that a process serves, in order of their numbers."""
        usable = (ClientState.FREE, ClientState.BUSY)
        return [client for client in self.clients if client.state in usable]

    def oldest_operation_s(self) -> float:
        """How long the operation that is under way longest has been so; 0.0 without any."""
        now = self.waiting.now_s()
        return max((now - client.began_at for client in self.busy()), default=0.0)

    def do(self, client: Client, operation: Operation, seconds: float) -> Event | None:
        """Run one operation on one client to its end, others going on too; None when time is up."""
        last = self.begin(client, operation)
        self.pump(seconds, lambda: client.invocation is not last)
        if client.invocation is last:
            return None
        found = (e for e in reversed(self.history.events) if e.process == last.process)
        return next(event for event in found if event.type != "invoke")

    def add_client(self, process: Process) -> Client:
        """A client that gets no operation but through `do`."""
        client = Client(len(self.clients), process)
        self.clients.append(client)
        return client

    def abandon(self, client: Client) -> None:
        """Give up on what the client has under way, and on its connection."""
        self._lose(client, ConnectionLost("abandoned by the controller"))

    def close(self) -> None:
        """End everything that is under way."""
        for client in self.clients:
            if client.connection is not None:
                self._lose(client, ConnectionLost("the run is over"))

    # connecting ----------------------------------------------------------------------------------

    def _tend(self, now: float, deadline: float) -> float:
        """Connect who is lost and busy who is free; seconds until that is due again."""
        wake = deadline
        for client in self.clients:
            if client.state is ClientState.LOST and self.gate_open:
                if client.retry_at <= now:
                    self._connect(client)
                else:
                    wake = min(wake, client.retry_at)
            if client.state is ClientState.FREE and self.accepting and client.process != "control":
                self.begin(client, self._workload.next(self._chance))
        return max(0.0, wake - now)

    def _connect(self, client: Client) -> None:
        client.began_at = self.waiting.now_s()
        try:
            client.connection = Connection(self._conninfo())
        except ConnectionLost as lost:
            self._note_loss(client, established=False, lost=lost)
            return
        client.state = ClientState.CONNECTING
        self._watch(client)

    def _watch(self, client: Client) -> None:
        """Watch the client's socket for what its connection waits for."""
        connection = client.connection
        if connection is None:
            return
        fd = connection.fileno
        self._by_fd[fd] = client
        self.waiting.watch(fd, READABLE | (WRITABLE if connection.wants_write else 0))

    def _ready(self, client: Client, mask: int) -> None:
        connection = client.connection
        if connection is None:
            return
        fd, wrote = connection.fileno, connection.wants_write
        try:
            if connection.state is State.CONNECTING:
                if connection.advance_connecting():
                    client.state = ClientState.FREE
                if connection.fileno != fd:
                    self._unwatch(fd)
                self._watch(client)
                return
            answer = connection.receive()
            if connection.wants_write != wrote:
                self._watch(client)
            if answer is not None:
                self._answered(client, answer)
            elif client.state is ClientState.FREE and mask & BROKEN:
                raise ConnectionLost("the server closed an idle connection")
        except ConnectionLost as lost:
            self._unwatch(fd)
            self._lose(client, lost)

    def _unwatch(self, fd: int) -> None:
        if self._by_fd.pop(fd, None) is not None:
            self.waiting.unwatch(fd)

    # operations ----------------------------------------------------------------------------------

    def begin(self, client: Client, operation: Operation) -> Event:
        """Let a free client begin an operation; its invocation."""
        client.operation = operation
        client.state = ClientState.BUSY
        client.failure = None
        client.began_at = self.waiting.now_s()
        client.invocation = invocation = self.history.invoke(
            client.process,
            operation.f,
            operation.value,
            transaction=operation.transaction,
            isolation=operation.isolation,
        )
        client.body = operation.body(operation.value)
        self.tally.started += 1
        self._step(client, None)
        return invocation

    def _answered(self, client: Client, answer: Answer | Refusal) -> None:
        if client.failure is not None:
            self._end(client, "fail", client.failure)
        elif isinstance(answer, Refusal):
            self._give_up(client, str(answer))
        else:
            self._step(client, answer)

    def _step(self, client: Client, answer: Answer | None) -> None:
        """Hand the body its answer and send what it asks next."""
        body = client.body
        if body is None:
            return
        try:
            statement = next(body) if answer is None else body.send(answer)
        except StopIteration:
            self._end(client, "ok", None)
        except RolledBack:
            self._end(client, "fail", "rolled back")
        except WrongAnswer as wrong:
            self._give_up(client, f"{WRONG}{wrong}")
        else:
            self._send(client, statement)

    def _give_up(self, client: Client, why: str) -> None:
        """The operation has failed; it has ended when the server has rolled it back."""
        client.failure = why
        connection = client.connection
        if connection is not None and connection.in_transaction:
            self._send(client, ROLLBACK)
        else:
            self._end(client, "fail", why)

    def _send(self, client: Client, statement: Statement) -> None:
        connection = client.connection
        if connection is None:
            return
        client.statement = statement
        if statement.commits:
            self.tally.commits += 1
            self.last_commit_by = client.number
        elif statement.parameters:
            self.tally.statements += 1
            self.last_statement_by = client.number
        try:
            connection.send(statement)
            if connection.wants_write:
                self._watch(client)
        except ConnectionLost as lost:
            self._lose(client, lost)

    def _end(self, client: Client, kind: EventType, error: str | None) -> None:
        operation, invocation = client.operation, client.invocation
        if operation is not None and invocation is not None:
            self.history.complete(invocation, kind, operation.value, error)
            self.tally.ended[kind] += 1
            if kind == "ok" and operation.writes:
                self.tally.acknowledged += 1
        client.operation = client.body = client.invocation = client.statement = None
        client.state = ClientState.FREE
        if kind == "info" and isinstance(client.process, int):
            client.process = self._next_process
            self._next_process += 1

    def _lose(self, client: Client, lost: ConnectionLost) -> None:
        established = client.state in (ClientState.FREE, ClientState.BUSY)
        if client.connection is not None:
            fd = client.connection.fileno if client.connection.state is not State.CLOSED else -1
            self._unwatch(fd)
            client.connection.close()
        client.connection = None
        self._forget(client)
        self._note_loss(client, established=established, lost=lost)
        if client.state is ClientState.BUSY:
            doubtful = client.statement is not None and client.statement.commits
            if client.body is not None:
                client.body.close()
            failed = client.failure is not None or not doubtful
            self._end(client, "fail" if failed else "info", client.failure or str(lost))
        client.state = ClientState.LOST
        client.retry_at = self.waiting.now_s() + RECONNECT_AFTER_S

    def _forget(self, client: Client) -> None:
        """Drop sockets that libpq has closed under this client: their numbers may be reused."""
        for fd in [fd for fd, owner in self._by_fd.items() if owner is client]:
            self._unwatch(fd)

    def _note_loss(self, client: Client, *, established: bool, lost: ConnectionLost) -> None:
        self.losses.append(Loss(client.process, established, lost.sqlstate, lost.message))
        client.retry_at = self.waiting.now_s() + RECONNECT_AFTER_S
