"""A session of the SQL engine over tables in memory: one transaction after the other, no processes.

The catalog, the table access and the transactions are small stand-ins; everything in `engine/sql`
is real.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.access.heap.outcome import ChangeOutcome
from engine.access.heap.tuple import TupleDescriptor
from engine.access.heap.visibility import TupleUpdate
from engine.access.relation import Relation
from engine.catalog.descriptors import attribute_of
from engine.catalog.tables import TYPE_BY_OID, ColumnDefinition, attribute_row
from engine.config import Config, SessionSettings
from engine.errors import Notice, SqlError, SqlState, not_supported
from engine.lmgr.lock_tag import LockTag
from engine.lmgr.modes import LockMode
from engine.sql.engine import AnalyzedStatement, SqlEngine
from engine.sql.services import Services, SessionIdentity
from engine.sql.types import output_value
from engine.types import RelFileLocator, Tid

SCHEMAS = {"pg_catalog": 11, "public": 2200}
START_TIME = 815_000_000_000_000


class MemoryCatalog:
    """Tables in a dictionary."""

    def __init__(self) -> None:
        self.generation = 1
        self.relations: dict[str, Relation] = {}
        self._next_oid = 16384

    def relation_by_name(self, schema: str | None, name: str) -> Relation | None:
        if schema not in (None, "public"):
            return None
        return self.relations.get(name)

    def relation_by_oid(self, oid: int) -> Relation | None:
        return next((one for one in self.relations.values() if one.oid == oid), None)

    def all_relations(self) -> list[Relation]:
        return list(self.relations.values())

    def schema_oid(self, name: str) -> int | None:
        return SCHEMAS.get(name)

    def schema_name(self, oid: int) -> str | None:
        return next((name for name, known in SCHEMAS.items() if known == oid), None)

    def accept_invalidations(self) -> None:
        pass

    def create_relation(
        self,
        schema: str | None,
        name: str,
        columns: Sequence[ColumnDefinition],
        fillfactor: int | None = None,
    ) -> int:
        if name in self.relations:
            raise SqlError(SqlState.DUPLICATE_TABLE, f'relation "{name}" already exists')
        oid, self._next_oid = self._next_oid, self._next_oid + 1
        attributes = [
            attribute_of(attribute_row(oid, number, column, TYPE_BY_OID[column.type_oid]))
            for number, column in enumerate(columns, 1)
        ]
        self.relations[name] = Relation(
            oid, name, 2200, "r", RelFileLocator(1663, 5, oid), TupleDescriptor(attributes), 5
        )
        self.generation += 1
        return oid

    def drop_relation(self, relation: Relation) -> None:
        del self.relations[relation.name]
        self.generation += 1


class MemoryVersion:
    """One row version; `page` has no bytes here, so xmin and the like cannot be asked for."""

    page = b""
    offset = 0

    def __init__(self, tid: Tid, row: list[Any], created: int) -> None:
        self.tid = tid
        self.row = row
        self.created = created
        self.removed: int | None = None

    def values(self, count: int | None = None) -> list[Any]:
        return list(self.row) if count is None else self.row[:count]


class MemoryTable:
    """Row versions by relation; what a command wrote, only later commands see."""

    def __init__(self, transactions: MemoryTransactions) -> None:
        self._transactions = transactions
        self.rows: dict[int, list[MemoryVersion]] = {}
        self.concurrent: list[tuple[Tid, list[Any] | None]] = []
        """Changes that "another transaction" makes just before the next update or delete."""

    def scan_pages(self, relation: Any, snapshot: int) -> Iterator[list[MemoryVersion]]:
        versions = list(self.rows.get(relation.oid, []))
        for start in range(0, len(versions), 10):
            yield [
                version
                for version in versions[start : start + 10]
                if version.created < snapshot
                and (version.removed is None or version.removed >= snapshot)
            ]

    def insert(self, relation: Any, values: Sequence[Any]) -> Tid:
        relation.descriptor.form(values)
        versions = self.rows.setdefault(relation.oid, [])
        tid = Tid(0, len(versions) + 1)
        versions.append(MemoryVersion(tid, list(values), self._transactions.command_id()))
        return tid

    def multi_insert(self, relation: Any, rows: Sequence[Sequence[Any]]) -> list[Tid]:
        return [self.insert(relation, row) for row in rows]

    def update(self, relation: Any, tid: Tid, values: Sequence[Any]) -> ChangeOutcome:
        failure = self._remove(relation, tid)
        if failure is not None:
            return failure
        return ChangeOutcome(TupleUpdate.OK, self.insert(relation, values))

    def delete(self, relation: Any, tid: Tid) -> ChangeOutcome:
        return self._remove(relation, tid) or ChangeOutcome(TupleUpdate.OK)

    def latest_version(self, relation: Any, outcome: ChangeOutcome) -> MemoryVersion | None:
        return next((one for one in self.rows[relation.oid] if one.tid == outcome.next_tid), None)

    def _remove(self, relation: Any, tid: Tid) -> ChangeOutcome | None:
        version = self.rows[relation.oid][tid.offset - 1]
        for place, row in self.concurrent:
            if place == tid:
                self.concurrent.remove((place, row))
                version.removed = 0
                if row is None:
                    return ChangeOutcome(TupleUpdate.DELETED, next_tid=tid)
                next_tid = self.insert(relation, row)
                return ChangeOutcome(TupleUpdate.UPDATED, next_tid=next_tid, xmax=99)
        if version.removed is not None:
            return ChangeOutcome(TupleUpdate.SELF_MODIFIED)
        version.removed = self._transactions.command_id()
        return None


class MemoryTransactions:
    """One transaction at a time; nothing is undone."""

    def __init__(self) -> None:
        self.isolation = "read committed"
        self.read_only = False
        self.statement_timestamp = START_TIME
        self.transaction_timestamp = START_TIME
        self._block = False
        self._command = 1

    @property
    def uses_transaction_snapshot(self) -> bool:
        return self.isolation == "repeatable read"

    def in_block(self) -> bool:
        return self._block

    def prevent_in_block(self, statement: str) -> None:
        if self._block:
            raise SqlError(
                SqlState.ACTIVE_SQL_TRANSACTION,
                f"{statement} cannot run inside a transaction block",
            )

    def prevent_if_read_only(self, statement: str) -> None:
        if self.read_only:
            raise SqlError(
                SqlState.READ_ONLY_SQL_TRANSACTION,
                f"cannot execute {statement} in a read-only transaction",
            )

    def start_command(self) -> None:
        pass

    def commit_command(self) -> None:
        pass

    def begin_block(self, isolation: str | None = None, read_only: bool | None = None) -> None:
        self._block = True
        self.isolation = isolation or "read committed"
        self.read_only = bool(read_only)

    def end_block(self) -> bool:
        self._block = self.read_only = False
        self.isolation = "read committed"
        return True

    def user_abort_block(self) -> None:
        self.end_block()

    def set_isolation(self, level: str) -> None:
        if level == "serializable":
            raise not_supported("isolation level SERIALIZABLE")
        self.isolation = level

    def set_read_only(self, read_only: bool) -> None:
        self.read_only = read_only

    def current_xid(self) -> int:
        return 742

    def current_xid_if_assigned(self) -> int:
        return 0

    def command_id(self, used: bool = True) -> int:
        return self._command

    def command_counter_increment(self) -> None:
        self._command += 1

    def snapshot(self) -> int:
        return self._command

    def set_active_snapshot(self, snapshot: int | None) -> None:
        pass


class MemoryLocks:
    """Grants everything and remembers it."""

    def __init__(self) -> None:
        self.held: list[tuple[LockTag, LockMode]] = []

    def acquire(self, tag: LockTag, mode: LockMode, *, wait: bool = True) -> bool:
        self.held.append((tag, mode))
        return True

    def holds(self, tag: LockTag, mode: LockMode) -> bool:
        return (tag, mode) in self.held


class MemoryInterrupts:
    """Counts the checks."""

    checks = 0

    def check(self) -> None:
        self.checks += 1


class MemoryClock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.time_us = 0

    def now_us(self) -> int:
        return START_TIME + self.time_us

    def monotonic_us(self) -> int:
        return self.time_us

    def random_bytes(self, length: int) -> bytes:
        return b"\x40" * length

    def wait(self, timeout_ms: float | None = None) -> None:
        self.time_us += int((timeout_ms or 0) * 1000)


class MemoryCluster:
    """A server that is up."""

    start_time_us = START_TIME

    def __init__(self) -> None:
        self.checkpoints = 0
        self.vacuumed: list[str] = []

    def is_in_recovery(self) -> bool:
        return False

    def wal_insert_lsn(self) -> int:
        return 0x1500028

    def wal_written_lsn(self) -> int:
        return 0x1500028

    def wal_flushed_lsn(self) -> int:
        return 0x1500000

    def full_xid(self, xid: int) -> int:
        return xid

    def request_checkpoint(self) -> None:
        self.checkpoints += 1

    def signal_backend(self, pid: int, *, terminate: bool) -> bool:
        return pid == 4242

    def vacuum(self, relation: Any) -> None:
        self.vacuumed.append(relation.name)

    def activity(self) -> Iterable[tuple[Any, ...]]:
        row: list[Any] = [None] * 22
        row[2], row[21] = 4242, "client backend"
        return [tuple(row)]


@dataclass
class Result:
    """The answer to one statement."""

    tag: str
    columns: list[str]
    types: list[int]
    rows: list[tuple[Any, ...]]
    texts: list[tuple[str | None, ...]] = field(default_factory=list)


class MemorySession:
    """Runs statements and shows what a client would get."""

    def __init__(self) -> None:
        self.catalog = MemoryCatalog()
        self.transactions = MemoryTransactions()
        self.table = MemoryTable(self.transactions)
        self.locks = MemoryLocks()
        self.cluster = MemoryCluster()
        self.clock = MemoryClock()
        self.interrupts = MemoryInterrupts()
        self.notices: list[Notice] = []
        self.settings = SessionSettings(Config({}))
        self.services = Services(
            clock=self.clock,
            catalog=self.catalog,
            table=self.table,
            transactions=self.transactions,
            locks=self.locks,
            settings=self.settings,
            interrupts=self.interrupts,
            cluster=self.cluster,
            identity=SessionIdentity(4242, "postgres", "postgres", 5),
            notices=self.notices.append,
        )
        self.engine = SqlEngine(self.services)

    def analyze(self, text: str, types: Sequence[int] | None = ()) -> AnalyzedStatement:
        """The analysis of a text's only statement."""
        (raw,) = self.engine.parse(text)
        return self.engine.analyze(raw, types)

    def run(
        self, text: str, parameters: Sequence[Any] = (), types: Sequence[int] | None = ()
    ) -> Result:
        """Run all statements of a text; the last one's answer."""
        result = Result("", [], [], [])
        for raw in self.engine.parse(text):
            analyzed = self.engine.analyze(raw, types)
            execution = self.engine.start(analyzed, parameters)
            rows = execution.fetch(None)
            self.transactions.command_counter_increment()
            oids = [column.type_oid for column in analyzed.columns]
            result = Result(
                execution.tag,
                [column.name for column in analyzed.columns],
                oids,
                rows,
                [_texts(row, oids) for row in rows],
            )
        return result

    def rows(self, text: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of the last statement."""
        return self.run(text, parameters).rows

    def value(self, text: str, parameters: Sequence[Any] = ()) -> Any:
        """The only value of the only row."""
        ((value,),) = self.rows(text, parameters)
        return value

    def text(self, expression: str) -> str | None:
        """An expression's value as text."""
        ((text,),) = self.run(f"select {expression}").texts
        return text

    def error(self, text: str, parameters: Sequence[Any] = ()) -> SqlError:
        """The error that a text raises."""
        try:
            self.run(text, parameters)
        except SqlError as error:
            return error
        raise LookupError(f"no error: {text}")


def _texts(row: Sequence[Any], oids: Sequence[int]) -> tuple[str | None, ...]:
    return tuple(
        None if value is None else output_value(oid, value, False).decode()
        for value, oid in zip(row, oids, strict=True)
    )
