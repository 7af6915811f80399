"""What a session needs of the layers below it, as protocols: the seam for tests and readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from engine.config import Config
from engine.errors import Notice
from engine.host.api import Host
from engine.shmem.interrupts import Interrupts
from engine.shmem.log import Log
from engine.shmem.procs import ProcTable


class RawStatement(Protocol):
    """One parsed statement (`engine/sql/parser.py`)."""

    @property
    def kind(self) -> str: ...

    @property
    def body(self) -> dict[str, Any]: ...

    @property
    def text(self) -> str: ...

    @property
    def source(self) -> str: ...


class Column(Protocol):
    """One column of a result."""

    @property
    def name(self) -> str: ...

    @property
    def table_oid(self) -> int: ...

    @property
    def attribute_number(self) -> int: ...

    @property
    def type_oid(self) -> int: ...

    @property
    def type_length(self) -> int: ...

    @property
    def typmod(self) -> int: ...


class AnalyzedStatement(Protocol):
    """A statement whose names and types are known; may be executed many times."""

    @property
    def columns(self) -> Sequence[Column]: ...

    @property
    def parameter_types(self) -> Sequence[int]: ...


class Execution(Protocol):
    """One run of a statement. `fetch(None)` runs it to its end; `tag` holds then."""

    @property
    def tag(self) -> str: ...

    def fetch(self, limit: int | None) -> Sequence[Sequence[Any]]: ...

    def close(self) -> None: ...


class SqlEngine(Protocol):
    """The SQL layer of one session (`engine/sql/engine.py`)."""

    def parse(self, text: str) -> Sequence[Any]: ...

    def analyze(self, raw: Any, parameter_types: Sequence[int] | None = ()) -> Any: ...

    def start(self, analyzed: Any, parameters: Sequence[Any] = ()) -> Execution: ...

    def is_current(self, analyzed: Any) -> bool: ...


class Transactions(Protocol):
    """The transaction state of the session (`engine/transaction/transactions.py`)."""

    at_end: list[Callable[[bool], None]]

    @property
    def is_active(self) -> bool: ...

    def start_command(self) -> None: ...

    def commit_command(self) -> None: ...

    def abort_current(self) -> None: ...

    def abort_out_of_any(self) -> None: ...

    def begin_implicit_block(self) -> None: ...

    def end_implicit_block(self) -> None: ...

    def command_counter_increment(self) -> None: ...

    def is_aborted_block(self) -> bool: ...

    def in_block(self) -> bool: ...

    def status(self) -> bytes: ...

    def prevent_in_block(self, statement: str) -> None: ...

    def set_active_snapshot(self, snapshot: Any) -> None: ...


class Settings(Protocol):
    """The session's settings (`engine/config/session.py`)."""

    on_report: Callable[[str, str], None] | None

    def get(self, name: str) -> Any: ...

    def show(self, name: str) -> str: ...

    def initialize(self, name: str, text: str) -> None: ...

    def assign_internal(self, name: str, value: Any) -> None: ...

    def reset_all(self) -> None: ...

    def at_transaction_end(self, *, committed: bool) -> None: ...

    def all(self) -> Sequence[tuple[Any, str]]: ...


class SessionServices(Protocol):
    """The parts of one backend that sessions are made of."""

    @property
    def settings(self) -> Settings: ...

    @property
    def transactions(self) -> Transactions: ...

    def find_role(self, name: str) -> Role | None: ...

    def find_database(self, name: str) -> int | None:
        """The database's oid."""

    def open_engine(self, user: str, database: str, notices: Callable[[Notice], None]) -> SqlEngine:
        """The SQL engine, once it is known for whom."""

    def on_lock_wait(self, listener: Callable[[bool], None]) -> None:
        """Be told when a wait for a lock begins and ends."""

    def quits_by_crash(self) -> bool:
        """Whether QUIT, if it comes, means that another process crashed."""


class Process(Protocol):
    """What every process has (`engine/instance.py`)."""

    @property
    def host(self) -> Host: ...

    @property
    def config(self) -> Config: ...

    @property
    def log(self) -> Log: ...

    @property
    def procs(self) -> ProcTable: ...

    @property
    def slot(self) -> int: ...

    @property
    def interrupts(self) -> Interrupts: ...

    def reload_if_asked(self) -> None:
        """Read the configuration again after SIGHUP."""


class Role(NamedTuple):
    """What authentication needs to know of a role (a row of pg_authid)."""

    oid: int
    name: str
    is_superuser: bool = True
    can_login: bool = True
    verifier: str | None = None
    """The SCRAM-SHA-256 verifier; None when no password was set."""
