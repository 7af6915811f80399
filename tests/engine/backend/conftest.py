"""A session in a process of its own, over a socket pair, with a stand-in for the SQL layer."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.backend.abc import Role
from engine.backend.connection import refuse_connection, serve_connection
from engine.config import Config, SessionSettings
from engine.errors import FatalError, Notice, SqlError
from engine.host.api import OpenMode, Peer, Signal
from engine.host.real import RealHost
from engine.protocol import backend, frontend, startup
from engine.protocol.backend import BackendMessage, split_messages
from engine.shmem.interrupts import Interrupts
from engine.shmem.log import Log
from engine.shmem.procs import FIRST_BACKEND_SLOT, BackendType, ProcTable, SessionState
from engine.sql.parser import parse_statements
from engine.transaction.block_state import STATUS, TRANSITIONS, Action, BlockState, Event

SLOTS = 14
HBA = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


class FakeTransactions:
    """The real state table with nothing behind it."""

    def __init__(self, say: Callable[[str], None], notices: list[Callable[[Notice], None]]) -> None:
        self.at_end: list[Callable[[bool], None]] = []
        self.state = BlockState.DEFAULT
        self.is_active = False
        self._say = say
        self._notices = notices

    def _event(self, event: Event) -> None:
        action, state = TRANSITIONS[self.state, event]
        if action in (Action.WARN_IN_PROGRESS, Action.WARN_NONE):
            self._notices[0](Notice("WARNING", "25P01", action.value.removeprefix("warn: ")))
        if action is Action.START:
            self.is_active = True
        if action in (Action.COMMIT, Action.ABORT, Action.ABORT_AND_CLEAN_UP):
            self._say("commit" if action is Action.COMMIT else "abort")
            self.is_active = False
            for call in self.at_end:
                call(action is Action.COMMIT)
        self.state = state

    def start_command(self) -> None:
        self._event(Event.START_COMMAND)

    def commit_command(self) -> None:
        self._event(Event.COMMIT_COMMAND)

    def abort_current(self) -> None:
        self._event(Event.ABORT_CURRENT)

    def abort_out_of_any(self) -> None:
        if self.is_active:
            self._say("abort")
        self.state = BlockState.DEFAULT

    def begin_implicit_block(self) -> None:
        self._event(Event.BEGIN_IMPLICIT_BLOCK)

    def end_implicit_block(self) -> None:
        self._event(Event.END_IMPLICIT_BLOCK)

    def begin_block(self) -> None:
        self._event(Event.BEGIN_BLOCK)

    def end_block(self) -> bool:
        self._event(Event.END_BLOCK)
        return self.state is not BlockState.ABORT_END

    def user_abort_block(self) -> None:
        self._event(Event.USER_ABORT_BLOCK)

    def command_counter_increment(self) -> None:
        assert self.is_active

    def is_aborted_block(self) -> bool:
        return self.state in (BlockState.ABORT, BlockState.ABORT_END)

    def in_block(self) -> bool:
        return self.state not in (BlockState.DEFAULT, BlockState.STARTED)

    def status(self) -> bytes:
        return STATUS[self.state]

    def prevent_in_block(self, statement: str) -> None:
        if self.in_block():
            raise SqlError("25001", f"{statement} cannot run inside a transaction block")

    def snapshot(self) -> object:
        return object()

    def set_active_snapshot(self, snapshot: object) -> None:
        """Nobody looks."""


@dataclass
class FakeColumn:
    name: str
    type_oid: int = 23
    table_oid: int = 0
    attribute_number: int = 0
    type_length: int = 4
    typmod: int = -1


@dataclass
class FakeStatement:
    run: Callable[[Sequence[Any]], tuple[list[tuple[Any, ...]], str]]
    columns: Sequence[FakeColumn] = ()
    parameter_types: Sequence[int] = ()
    needs_snapshot: bool = True
    generation: int = 0


class FakeExecution:
    def __init__(self, statement: FakeStatement, parameters: Sequence[Any]) -> None:
        self._rows, self.tag = statement.run(parameters)
        self._position = 0

    def fetch(self, limit: int | None) -> Sequence[tuple[Any, ...]]:
        end = len(self._rows) if limit is None else self._position + limit
        rows = self._rows[self._position : end]
        self._position += len(rows)
        return rows

    def close(self) -> None:
        """Nothing to end."""


@dataclass
class FakeEngine:
    """Understands generate_series(1, N), $1, 1/0, pg_sleep, SET, INSERT; the rest is done."""

    transactions: FakeTransactions
    settings: SessionSettings
    interrupts: Interrupts
    host: RealHost
    say: Callable[[str], None]
    generation: int = 0

    def parse(self, text: str) -> Sequence[Any]:
        return parse_statements(text)

    def is_current(self, analyzed: Any) -> bool:
        return True

    def start(self, analyzed: FakeStatement, parameters: Sequence[Any] = ()) -> FakeExecution:
        return FakeExecution(analyzed, parameters)

    def analyze(self, raw: Any, parameter_types: Sequence[int] | None = ()) -> FakeStatement:
        if raw.kind == "TransactionStmt":
            return FakeStatement(lambda _: self._transaction(raw), needs_snapshot=False)
        if raw.kind == "VariableSetStmt":
            name, value = re.match(r"set (\w+) = '?(\w*)'?", raw.source).groups()
            return FakeStatement(lambda _: (self.settings.set(name, value), ([], "SET"))[1])
        if raw.kind == "InsertStmt":
            return self._insert(raw)
        if raw.kind == "SelectStmt":
            return self._select(raw, parameter_types)
        return FakeStatement(lambda _: ([], raw.kind))

    def _transaction(self, raw: Any) -> tuple[list[tuple[Any, ...]], str]:
        kind = raw.body["kind"]
        if kind == "TRANS_STMT_BEGIN":
            self.transactions.begin_block()
            return [], "BEGIN"
        if kind == "TRANS_STMT_COMMIT":
            return [], "COMMIT" if self.transactions.end_block() else "ROLLBACK"
        self.transactions.user_abort_block()
        return [], "ROLLBACK"

    def _insert(self, raw: Any) -> FakeStatement:
        def run(_: Sequence[Any]) -> tuple[list[tuple[Any, ...]], str]:
            self.say("insert")
            return ([(1,), (2,), (3,)] if columns else []), "INSERT 0 3"

        columns = [FakeColumn("a")] if "returning" in raw.source else []
        return FakeStatement(run, columns)

    def _select(self, raw: Any, parameter_types: Sequence[int] | None) -> FakeStatement:
        text = raw.source
        if "missing" in text:
            raise SqlError("42703", 'column "missing" does not exist', position=8)
        if "1/0" in text:
            return FakeStatement(self._divide, [FakeColumn("?column?")])
        if match := re.search(r"pg_sleep\((.*)\)", text):
            seconds = float(match[1])
            return FakeStatement(lambda _: self._sleep(seconds), [FakeColumn("pg_sleep")])
        if match := re.search(r"generate_series\(1, *(\d+)\)", text):
            rows = [(number,) for number in range(1, int(match[1]) + 1)]
            return FakeStatement(lambda _: (rows, "SELECT 0"), [FakeColumn("g")])
        if "$1" in text:
            if parameter_types is None:
                raise SqlError("42P02", "there is no parameter $1")
            types = [(*parameter_types, 0)[0] or 23]
            return FakeStatement(
                lambda values: ([tuple(values)], "SELECT 1"), [FakeColumn("p", types[0])], types
            )
        return FakeStatement(lambda _: ([(1,)], "SELECT 1"), [FakeColumn("?column?")])

    def _divide(self, _: Sequence[Any]) -> Any:
        raise SqlError("22012", "division by zero")

    def _sleep(self, seconds: float) -> Any:
        until = self.host.monotonic_us() + seconds * 1_000_000
        while self.host.monotonic_us() < until:
            left = (until - self.host.monotonic_us()) / 1000
            self.host.wait(self.interrupts.remaining_ms(left))
            self.interrupts.check()
        return [(1,)], "SELECT 1"


@dataclass
class FakeProcess:
    """What a backend is made of, and the services of its session."""

    host: RealHost
    config: Config
    procs: ProcTable
    slot: int
    roles: dict[str, Role]
    say: Callable[[str], None]
    log: Log = field(init=False)
    interrupts: Interrupts = field(init=False)
    settings: SessionSettings = field(init=False)
    transactions: FakeTransactions = field(init=False)

    def __post_init__(self) -> None:
        self._notices: list[Callable[[Notice], None]] = []
        self.log = Log(self.host, self.config)
        self.interrupts = Interrupts(self.host)
        self.settings = SessionSettings(self.config)
        self.transactions = FakeTransactions(self.say, self._notices)

    def find_role(self, name: str) -> Role | None:
        return self.roles.get(name)

    def find_database(self, name: str) -> int | None:
        return 5 if name == "postgres" else None

    def open_engine(
        self, user: str, database: str, notices: Callable[[Notice], None]
    ) -> FakeEngine:
        self._notices.append(notices)
        return FakeEngine(self.transactions, self.settings, self.interrupts, self.host, self.say)

    def reload_if_asked(self) -> None:
        """Nothing changes."""
        self.interrupts.reload_requested = False

    def on_lock_wait(self, listener: Callable[[bool], None]) -> None:
        """There are no locks."""

    def quits_by_crash(self) -> bool:
        return True


class WireClient:
    """The client's side of the connection, message by message."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._rest = b""
        self._messages: list[BackendMessage] = []

    def send(self, *messages: bytes) -> None:
        self.socket.sendall(b"".join(messages))

    def next(self) -> BackendMessage | None:
        """The next message; None at the end of the connection."""
        while not self._messages:
            data = self.socket.recv(65536)
            if not data:
                return None
            self._messages, self._rest = split_messages(self._rest + data)
        return self._messages.pop(0)

    def answer(self) -> list[BackendMessage]:
        """Everything up to ReadyForQuery, or to the end of the connection."""
        received = []
        while (message := self.next()) is not None:
            received.append(message)
            if message.kind == "Z":
                break
        return received

    def kinds(self) -> str:
        """The letters of the next answer, with ReadyForQuery's status behind `Z`."""
        return "".join(
            message.kind + (message.body.decode() if message.kind == "Z" else "")
            for message in self.answer()
        )

    def ask(self, *messages: bytes) -> list[BackendMessage]:
        self.send(*messages)
        return self.answer()

    def query(self, text: str) -> list[BackendMessage]:
        return self.ask(frontend.build_query(text))

    def start(self, **options: str) -> list[BackendMessage]:
        """Send the startup message and read up to the first ReadyForQuery."""
        return self.ask(
            startup.build_startup_message({"user": "postgres", "database": "postgres", **options})
        )

    def at_end(self) -> bool:
        """Whether the server has closed the connection."""
        return self.next() is None


def error_of(messages: Sequence[BackendMessage]) -> dict[str, str]:
    """The fields of the one error among messages."""
    (body,) = [message.body for message in messages if message.kind == "E"]
    return backend.parse_error_fields(body)


def rows_of(messages: Sequence[BackendMessage]) -> list[list[bytes | None]]:
    return [backend.parse_data_row(message.body) for message in messages if message.kind == "D"]


def tag_of(messages: Sequence[BackendMessage]) -> str:
    (body,) = [message.body for message in messages if message.kind == "C"]
    return body[:-1].decode()


def wait_until_active(backends: Backends, slot: int = 9) -> None:
    for _ in range(2000):
        if backends.procs.state[slot] == SessionState.ACTIVE:
            return
        time.sleep(0.005)
    raise AssertionError("the statement does not run")


class Backends:
    """Starts backends and hears what they say and log."""

    def __init__(self, root: Path) -> None:
        self.host = RealHost(str(root))
        self.config = Config().replace(max_connections=SLOTS - FIRST_BACKEND_SLOT)
        self.host.create_latches(SLOTS)
        self.procs = ProcTable(self.host.map_shared(ProcTable.size(SLOTS)), SLOTS)
        self.roles = {"postgres": Role(10, "postgres")}
        self.clients: list[WireClient] = []
        self.pids: list[int] = []
        self._said_read, self._said_write = self.host.pipe()
        self._log = root / "log"
        self.write_hba(HBA)

    def write_hba(self, text: str) -> None:
        fd = self.host.open("pg_hba.conf", OpenMode.WRITE | OpenMode.CREATE | OpenMode.TRUNCATE)
        self.host.pwrite(fd, text.encode(), 0)
        self.host.close(fd)

    def connect(self, address: str | None = None, **settings: Any) -> WireClient:
        """Start a backend for a new connection; nothing is sent yet."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        slot = FIRST_BACKEND_SLOT + len(self.clients)
        config = self.config.replace(**settings)
        log_fd = self.host.open("log", OpenMode.WRITE | OpenMode.CREATE)

        def main() -> None:
            self.host.redirect_output(log_fd)
            ours.close()
            self.procs.claim(slot, BackendType.CLIENT_BACKEND, self.host)
            process = FakeProcess(self.host, config, self.procs, slot, self.roles, self._say)
            try:
                serve_connection(process, process, theirs.fileno(), Peer(address, 4242))
            except FatalError as error:
                process.log.error(error)
                self.host.exit(1)

        self.pids.append(self.host.fork("backend", slot, main))
        theirs.close()
        self.host.close(log_fd)
        ours.settimeout(10)
        client = WireClient(ours)
        self.clients.append(client)
        return client

    def refused(self, reason: FatalError) -> WireClient:
        """A client of a dead-end child."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        log_fd = self.host.open("log", OpenMode.WRITE | OpenMode.CREATE)

        def main() -> None:
            self.host.redirect_output(log_fd)
            ours.close()
            refuse_connection(self.host, self.config, theirs.fileno(), reason, self.procs)

        self.pids.append(self.host.fork("backend", SLOTS - 1, main))
        theirs.close()
        self.host.close(log_fd)
        ours.settimeout(10)
        client = WireClient(ours)
        self.clients.append(client)
        return client

    def session(self, **settings: Any) -> WireClient:
        """A client past its first ReadyForQuery."""
        client = self.connect(**settings)
        client.start()
        return client

    def _say(self, text: str) -> None:
        self.host.send(self._said_write, text.encode() + b"\n")

    def said(self) -> list[str]:
        """What transactions did since the last call."""
        if not self.host.wait(0, read=[self._said_read], latch=False):
            return []
        return self.host.receive(self._said_read, 65536).decode().split()

    def wait_for_end(self, number: int = 0) -> int | None:
        """Wait for that backend to end; its exit status."""
        for _ in range(2000):
            for child in self.host.reap():
                if child.pid == self.pids[number]:
                    self.pids[number] = 0
                    return child.status
            self.host.sleep(5)
        raise AssertionError("the backend does not end")

    def log(self) -> str:
        return self._log.read_text()

    def end(self) -> None:
        for client in self.clients:
            client.socket.close()
        left = {pid for pid in self.pids if pid}
        for pid in sorted(left):
            self.host.signal(pid, Signal.KILL)
        while left:
            left -= {child.pid for child in self.host.reap()}
            self.host.sleep(1)


@pytest.fixture
def backends(tmp_path: Path) -> Iterator[Backends]:
    made = Backends(tmp_path)
    yield made
    made.end()
