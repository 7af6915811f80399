"""What the SQL layer needs from the rest of the engine: narrow protocols, bundled for one session.

The heap, the transactions and the catalog have interfaces of their own; named here is only what is
used, so that tests can stand in for them and readers see the seam.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.catalog.tables import ColumnDefinition
from engine.config import SessionSettings
from engine.errors import Notice
from engine.lmgr.lock_tag import LockTag
from engine.lmgr.modes import LockMode
from engine.types import Tid


class Catalog(Protocol):
    """Names to objects. `generation` changes whenever what was looked up may be stale."""

    generation: int

    def relation_by_name(self, schema: str | None, name: str) -> Any | None: ...

    def relation_by_oid(self, oid: int) -> Any | None: ...

    def schema_oid(self, name: str) -> int | None: ...

    def schema_name(self, oid: int) -> str | None: ...

    def accept_invalidations(self) -> None: ...

    def create_relation(
        self,
        schema: str | None,
        name: str,
        columns: Sequence[ColumnDefinition],
        fillfactor: int | None = None,
    ) -> int: ...

    def drop_relation(self, relation: Any) -> None: ...

    def all_relations(self) -> Sequence[Any]: ...


class RowVersion(Protocol):
    """One version of a row on a private copy of its page; values are unpacked when asked for."""

    @property
    def tid(self) -> Tid: ...

    page: Any

    @property
    def offset(self) -> int: ...

    def values(self, count: int | None = None) -> list[Any]: ...


class Table(Protocol):
    """Access to the rows of stored tables (`engine/access/heap/heap.py`)."""

    def scan_pages(self, relation: Any, snapshot: Any) -> Iterator[Sequence[RowVersion]]: ...

    def latest_version(self, relation: Any, outcome: Any) -> RowVersion | None: ...

    def insert(self, relation: Any, values: Sequence[Any]) -> Tid: ...

    def multi_insert(self, relation: Any, rows: Sequence[Sequence[Any]]) -> list[Tid]: ...

    def update(self, relation: Any, tid: Tid, values: Sequence[Any]) -> Any: ...

    def delete(self, relation: Any, tid: Tid) -> Any: ...


class Transactions(Protocol):
    """The session's transaction state (`engine/transaction/transactions.py`)."""

    isolation: str
    read_only: bool
    statement_timestamp: int
    transaction_timestamp: int

    @property
    def uses_transaction_snapshot(self) -> bool: ...

    def in_block(self) -> bool: ...

    def prevent_in_block(self, statement: str) -> None: ...

    def prevent_if_read_only(self, statement: str) -> None: ...

    def start_command(self) -> None: ...

    def commit_command(self) -> None: ...

    def begin_block(self, isolation: str | None = None, read_only: bool | None = None) -> None: ...

    def end_block(self) -> bool: ...

    def user_abort_block(self) -> None: ...

    def set_isolation(self, level: str) -> None: ...

    def set_read_only(self, read_only: bool) -> None: ...

    def current_xid(self) -> int: ...

    def current_xid_if_assigned(self) -> int: ...

    def command_id(self, used: bool = True) -> int: ...

    def command_counter_increment(self) -> None: ...

    def snapshot(self) -> Any: ...

    def set_active_snapshot(self, snapshot: Any) -> None: ...


class Locks(Protocol):
    """The lock table (`engine/lmgr/`)."""

    def acquire(self, tag: LockTag, mode: LockMode, *, wait: bool = True) -> bool: ...

    def holds(self, tag: LockTag, mode: LockMode) -> bool: ...


class Interrupts(Protocol):
    """Cancel and termination requests (`engine/shmem/interrupts.py`)."""

    def check(self) -> None: ...


class Clock(Protocol):
    """The part of the host that SQL functions use."""

    def now_us(self) -> int: ...

    def monotonic_us(self) -> int: ...

    def random_bytes(self, length: int) -> bytes: ...

    def wait(self, timeout_ms: float | None = None) -> Any: ...


class Cluster(Protocol):
    """Facts about, and requests to, the server as a whole."""

    @property
    def start_time_us(self) -> int: ...

    def is_in_recovery(self) -> bool: ...

    def wal_insert_lsn(self) -> int: ...

    def wal_written_lsn(self) -> int: ...

    def wal_flushed_lsn(self) -> int: ...

    def full_xid(self, xid: int) -> int:
        """The 64-bit form of a recent xid."""

    def request_checkpoint(self) -> None:
        """An immediate checkpoint; returns when it is done, raises when it failed."""

    def signal_backend(self, pid: int, *, terminate: bool) -> bool:
        """Cancel the query of, or terminate, a backend; False when there is none with this pid."""

    def vacuum(self, relation: Any) -> None:
        """Reclaim the dead rows of one relation, in a transaction of its own."""

    def activity(self) -> Iterable[tuple[Any, ...]]:
        """The rows of pg_stat_activity."""


@dataclass(frozen=True)
class SessionIdentity:
    """Who is connected to what."""

    pid: int
    user: str
    database: str
    database_oid: int
    user_oid: int = 10


def _ignore_notice(notice: Notice) -> None:
    """A session without a client."""


@dataclass
class Services:
    """Everything one session's SQL engine works with."""

    clock: Clock
    catalog: Catalog
    table: Table
    transactions: Transactions
    locks: Locks
    settings: SessionSettings
    interrupts: Interrupts
    cluster: Cluster
    identity: SessionIdentity
    notices: Callable[[Notice], None] = field(default=_ignore_notice)
