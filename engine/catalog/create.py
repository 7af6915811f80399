"""CREATE TABLE's part in the catalogs: the file, then the rows that describe it.

1. Under a lock on the name, see that it is free. Without unique indexes this lock is what keeps two
   sessions from creating the same table (CAT-6); the second waits for the first's transaction.
2. Make the file; have it removed should the transaction abort; log its creation.
3. Insert the rows of pg_type (row type, its array type), pg_class and pg_attribute.
4. Make them visible to the following commands of this transaction.

Source: PostgreSQL 15, `catalog/heap.c` (heap_create_with_catalog), `catalog/storage.c`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import crc32c

from engine.catalog.catalog_rows import CatalogRows
from engine.catalog.initial_rows import SCHEMA_NAMES
from engine.catalog.rows import PUBLIC_NAMESPACE, PgAttribute, PgClass
from engine.catalog.tables import (
    PG_ATTRIBUTE,
    PG_CLASS,
    PG_TYPE,
    SYSTEM_COLUMNS,
    TYPE_BY_OID,
    ColumnDefinition,
    attribute_row,
    system_attribute_rows,
)
from engine.catalog.text_array import pack_text_array
from engine.catalog.type_rows import array_type, array_type_name, row_type
from engine.errors import SqlError, SqlState
from engine.lmgr.lock_tag import LockTag
from engine.lmgr.modes import LockMode
from engine.transaction.snapshot import Snapshot
from engine.types import DEFAULT_TABLESPACE, Lsn, RelFileLocator, RelFork
from engine.wal.rmgr import Rmgr

MAX_COLUMNS: Final = 1600
PSEUDO_TYPE: Final = "p"

SMGR_CREATE: Final = 0x10
SPECIAL_REL_UPDATE: Final = 0x01
CREATE_RECORD: Final = struct.Struct("<IIII")
"""tablespace, database, file number, fork"""


class CreatingTransaction(Protocol):
    """What creating and dropping need of the transaction."""

    def current_xid(self) -> int: ...

    def catalog_snapshot(self) -> Snapshot: ...

    def command_counter_increment(self) -> None: ...

    def schedule_drop(self, locator: RelFileLocator, at_commit: bool) -> None: ...

    def on_commit_invalidate(self) -> None: ...


class CreatingSmgr(Protocol):
    """What creating needs of the storage manager."""

    def exists(self, locator: RelFileLocator, fork: int) -> bool: ...

    def create(self, locator: RelFileLocator, fork: int) -> None: ...


class CreatingWal(Protocol):
    """What creating needs of the WAL."""

    def insert(self, rmid: int, info: int, main: bytes, *, xid: int = 0) -> Lsn: ...


class CreatingLocks(Protocol):
    """What creating needs of the lock table."""

    def acquire(self, tag: LockTag, mode: LockMode) -> bool: ...


class RelationCreator:
    """Creates relations in one database."""

    def __init__(
        self,
        rows: CatalogRows,
        *,
        transactions: CreatingTransaction,
        smgr: CreatingSmgr,
        wal: CreatingWal,
        lock_table: CreatingLocks,
        new_oid: Callable[[], int],
    ) -> None:
        self._rows = rows
        self._transactions = transactions
        self._smgr = smgr
        self._wal = wal
        self._lock_table = lock_table
        self._new_oid = new_oid

    def create(
        self,
        schema_oid: int,
        name: str,
        columns: Sequence[ColumnDefinition],
        fillfactor: int | None,
    ) -> int:
        """Create an empty table; its OID. `fillfactor` None is the default, and not stored."""
        if schema_oid != PUBLIC_NAMESPACE:
            raise SqlError(
                SqlState.INSUFFICIENT_PRIVILEGE,
                f'permission denied to create "{SCHEMA_NAMES[schema_oid]}.{name}"',
                detail="System catalog modifications are currently disallowed.",
            )
        check_columns(columns)
        self._lock_name(schema_oid, name)
        snapshot = self._transactions.catalog_snapshot()
        taken_oids = self._check_name_is_free(schema_oid, name, snapshot)
        array_name = self._free_array_type_name(schema_oid, name, snapshot)
        locator = self._create_storage(taken_oids)
        relation, array_oid, type_oid = locator.relation, self._new_oid(), self._new_oid()
        composite = row_type(type_oid, name, schema_oid, relation, array_oid)
        class_row = PgClass(
            oid=relation,
            relname=name,
            relnamespace=schema_oid,
            reltype=type_oid,
            relfilenode=relation,
            relnatts=len(columns),
            relfrozenxid=snapshot.xmin,
            reloptions=None
            if fillfactor is None
            else pack_text_array([f"fillfactor={fillfactor}"]),
        )
        self._rows.insert(PG_TYPE, [composite, array_type(array_oid, array_name, composite)])
        self._rows.insert(PG_CLASS, [class_row])
        self._rows.insert(PG_ATTRIBUTE, attribute_rows(relation, columns))
        self._transactions.on_commit_invalidate()
        self._transactions.command_counter_increment()
        return relation

    def _lock_name(self, schema_oid: int, name: str) -> None:
        """CAT-6: until this transaction ends, nobody else can create this name."""
        number = crc32c.crc32c(f"{schema_oid}.{name}".encode())
        tag = LockTag.object(self._rows.database, PG_CLASS.oid, number)
        self._lock_table.acquire(tag, LockMode.EXCLUSIVE)

    def _check_name_is_free(self, schema_oid: int, name: str, snapshot: Snapshot) -> set[int]:
        """Raise 42P07 if the name is in use; else the OIDs that are."""
        oids = set()
        for stored in self._rows.scan(PG_CLASS, snapshot):
            oid, its_name, its_schema = stored.values(3)
            if its_name == name and its_schema == schema_oid:
                raise SqlError(SqlState.DUPLICATE_TABLE, f'relation "{name}" already exists')
            oids.add(oid)
        return oids

    def _free_array_type_name(self, schema_oid: int, name: str, snapshot: Snapshot) -> str:
        """`_name`, with as many underscores more as it takes to be free (`makeArrayTypeName`)."""
        heads = (stored.values(3) for stored in self._rows.scan(PG_TYPE, snapshot))
        taken = {its_name for _, its_name, its_schema in heads if its_schema == schema_oid}
        found = array_type_name(name)
        while found in taken:
            found = array_type_name(found)
        return found

    def _create_storage(self, taken_oids: set[int]) -> RelFileLocator:
        """Make the file of a new relation, whose OID is also its file number."""
        while True:
            oid = self._new_oid()
            locator = RelFileLocator(DEFAULT_TABLESPACE, self._rows.database, oid)
            # The counter wraps, and a crash may leave a file that no row names (CAT-7).
            if oid not in taken_oids and not self._smgr.exists(locator, RelFork.MAIN):
                break
        # Before the file: an error in between must not leave it behind.
        self._transactions.schedule_drop(locator, at_commit=False)
        self._smgr.create(locator, RelFork.MAIN)
        self._wal.insert(
            Rmgr.STORAGE,
            SMGR_CREATE | SPECIAL_REL_UPDATE,
            CREATE_RECORD.pack(*locator, RelFork.MAIN),
            xid=self._transactions.current_xid(),
        )
        return locator


def check_columns(columns: Sequence[ColumnDefinition]) -> None:
    """What PostgreSQL checks of the columns (`CheckAttributeNamesTypes`)."""
    if len(columns) > MAX_COLUMNS:
        raise SqlError(SqlState.TOO_MANY_COLUMNS, f"tables can have at most {MAX_COLUMNS} columns")
    system_names = {system.name for system in SYSTEM_COLUMNS}
    seen: set[str] = set()
    for column in columns:
        if column.name in system_names:
            raise SqlError(
                SqlState.DUPLICATE_COLUMN,
                f'column name "{column.name}" conflicts with a system column name',
            )
        if column.name in seen:
            raise SqlError(
                SqlState.DUPLICATE_COLUMN, f'column "{column.name}" specified more than once'
            )
        seen.add(column.name)
        column_type = TYPE_BY_OID.get(column.type_oid)
        if column_type is not None and column_type.typtype == PSEUDO_TYPE:
            raise SqlError(
                SqlState.INVALID_TABLE_DEFINITION,
                f'column "{column.name}" has pseudo-type {column_type.typname}',
            )


def options_of(fillfactor: int | None) -> bytes | None:
    """pg_class.reloptions."""
    return None if fillfactor is None else pack_text_array([f"fillfactor={fillfactor}"])


def attribute_rows(relation: int, columns: Sequence[ColumnDefinition]) -> list[PgAttribute]:
    """The rows of pg_attribute: the user's columns, then the system columns."""
    rows = [
        attribute_row(relation, number, column, TYPE_BY_OID[column.type_oid])
        for number, column in enumerate(columns, 1)
    ]
    return rows + system_attribute_rows(relation)
