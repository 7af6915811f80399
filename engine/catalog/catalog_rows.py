"""The rows of the catalogs in the heap: read with a snapshot, inserted, deleted.

A thin layer over the heap that turns rows into instances of the classes in `rows.py`, and knows
where each catalog's file is in the database that this process is connected to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from engine.access.relation import Relation
from engine.catalog.descriptors import catalog_descriptor
from engine.catalog.rows import KIND_TABLE, PG_CATALOG_NAMESPACE
from engine.catalog.tables import CATALOGS, CatalogTable
from engine.errors import SqlError, SqlState
from engine.transaction.snapshot import Snapshot
from engine.types import DEFAULT_TABLESPACE, GLOBAL_TABLESPACE, RelFileLocator, Tid


class StoredRow(Protocol):
    """A row that a scan found (`engine.access.heap.page_tuple.HeapTuple`)."""

    @property
    def tid(self) -> Tid: ...

    def values(self, count: int | None = None) -> list[Any]:
        """The first `count` values, or all."""


class CatalogHeap(Protocol):
    """What the catalogs need of the heap."""

    def scan(self, relation: Relation, snapshot: Snapshot) -> Iterable[StoredRow]: ...

    def insert(self, relation: Relation, rows: Sequence[Sequence[Any]]) -> object: ...

    def delete(self, relation: Relation, tid: Tid) -> bool:
        """Delete a row version; False when somebody else changed it first."""


class CatalogRows:
    """The catalogs of one database, as one process reaches them."""

    def __init__(
        self,
        heap: CatalogHeap,
        database: int,
        shared_map: Mapping[int, int],
        database_map: Mapping[int, int],
    ) -> None:
        self.database = database
        self._heap = heap
        self._file_numbers = {**shared_map, **database_map}
        # Before it is known which database a client wants, only the shared catalogs are there.
        reachable = [table for table in CATALOGS if table.shared or database]
        self.relations = {table: self._relation(table) for table in reachable}

    def _relation(self, table: CatalogTable) -> Relation:
        database = 0 if table.shared else self.database
        return Relation(
            oid=table.oid,
            name=table.name,
            schema_oid=PG_CATALOG_NAMESPACE,
            kind=KIND_TABLE,
            locator=RelFileLocator(
                GLOBAL_TABLESPACE if table.shared else DEFAULT_TABLESPACE,
                database,
                self.file_number(table.oid) if table.mapped else table.oid,
            ),
            descriptor=catalog_descriptor(table),
            database=database,
        )

    def file_number(self, catalog: int) -> int:
        """The file number of a mapped catalog."""
        number = self._file_numbers.get(catalog)
        if number is None:
            raise SqlError(
                SqlState.INTERNAL_ERROR, f"could not find relation mapping for relation {catalog}"
            )
        return number

    def scan(self, table: CatalogTable, snapshot: Snapshot) -> Iterable[StoredRow]:
        """The visible rows, in the order of the file."""
        return self._heap.scan(self.relations[table], snapshot)

    def insert(self, table: CatalogTable, rows: Sequence[tuple[Any, ...]]) -> None:
        """Store new rows, by the current transaction and command."""
        self._heap.insert(self.relations[table], rows)

    def delete(self, table: CatalogTable, tid: Tid) -> None:
        """Delete a row that a scan found."""
        if not self._heap.delete(self.relations[table], tid):
            raise SqlError(SqlState.INTERNAL_ERROR, "tuple concurrently updated")
