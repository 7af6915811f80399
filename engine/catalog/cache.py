"""The catalogs as a session uses them: lookups that remember their answers, and DDL.

Answers are remembered until catalogs change: by another process, which the shared generation tells
(CAT-5), or by this one's own DDL, which drops them at once and, should it be rolled back, again
(CAT-8). `generation` grows each time, so plans made from the answers know that they are stale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from engine.access.relation import Relation
from engine.catalog.catalog_rows import CatalogHeap, CatalogRows
from engine.catalog.create import (
    CreatingLocks,
    CreatingSmgr,
    CreatingTransaction,
    CreatingWal,
    RelationCreator,
)
from engine.catalog.drop import drop_relation
from engine.catalog.generation import CatalogGeneration
from engine.catalog.initial_rows import SCHEMA_NAMES, SCHEMA_OIDS
from engine.catalog.lookup import CatalogLookup
from engine.catalog.relation_map import load_relation_map
from engine.catalog.rows import (
    PG_CATALOG_NAMESPACE,
    PUBLIC_NAMESPACE,
    PgAuthid,
    PgDatabase,
    PgType,
)
from engine.catalog.tables import ColumnDefinition
from engine.errors import SqlError, SqlState
from engine.host.api import Host

SEARCH_PATH: Final = (PG_CATALOG_NAMESPACE, PUBLIC_NAMESPACE)
"""Where a name without a schema is looked for, in this order."""


class CatalogTransactions(CreatingTransaction, Protocol):
    """What the catalogs need of the transactions."""

    at_end: list[Callable[[bool], None]]


class Catalog:
    """The catalogs of the database that this process is connected to."""

    def __init__(
        self,
        host: Host,
        *,
        database: int,
        heap: CatalogHeap,
        transactions: CatalogTransactions,
        smgr: CreatingSmgr,
        wal: CreatingWal,
        lock_table: CreatingLocks,
        new_oid: Callable[[], int],
        shared_generation: CatalogGeneration,
    ) -> None:
        self.database = database
        self.generation = 0
        rows = CatalogRows(
            heap,
            database,
            load_relation_map(host, 0),
            load_relation_map(host, database) if database else {},
        )
        self._rows = rows
        self._lookup = CatalogLookup(rows, transactions.catalog_snapshot)
        self._creator = RelationCreator(
            rows,
            transactions=transactions,
            smgr=smgr,
            wal=wal,
            lock_table=lock_table,
            new_oid=new_oid,
        )
        self._transactions = transactions
        self._shared_generation = shared_generation
        self._seen_generation = shared_generation.current()
        self._changed = False
        self._relations: dict[int, Relation] = {}
        self._relation_names: dict[tuple[int, str], Relation] = {}
        self._types: dict[int, PgType] = {}
        transactions.at_end.append(self._transaction_ended)

    # invalidation --------------------------------------------------------------------------------

    def accept_invalidations(self) -> None:
        """Forget what may be stale: called as a statement starts and after each lock wait."""
        current = self._shared_generation.current()
        if current != self._seen_generation:
            # The number first, then the answers: a change in between is noticed next time.
            self._seen_generation = current
            self._forget()

    def _forget(self) -> None:
        self.generation += 1
        self._relations.clear()
        self._relation_names.clear()
        self._types.clear()

    def _own_change(self) -> None:
        self._changed = True
        self._forget()

    def _transaction_ended(self, is_commit: bool) -> None:
        # CAT-8: what was looked up since the change is wrong if it was rolled back.
        if self._changed:
            self._changed = False
            self._forget()

    # relations -----------------------------------------------------------------------------------

    def relation_by_name(self, schema: str | None, name: str) -> Relation | None:
        """The relation with this name, in a schema or where unqualified names are looked for.

        A schema that does not exist is 3F000.
        """
        for schema_oid in self._schemas(schema):
            key = (schema_oid, name)
            relation = self._relation_names.get(key)
            if relation is None:
                relation = self._lookup.relation_by_name(schema_oid, name)
                if relation is None:
                    continue
                self._remember(relation)
            return relation
        return None

    def relation_by_oid(self, oid: int) -> Relation | None:
        """The relation with this OID."""
        relation = self._relations.get(oid)
        if relation is None:
            relation = self._lookup.relation_by_oid(oid)
            if relation is not None:
                self._remember(relation)
        return relation

    def all_relations(self) -> list[Relation]:
        """Every relation of the database, catalogs included, in OID order."""
        return self._lookup.all_relations()

    def _remember(self, relation: Relation) -> None:
        self._relations[relation.oid] = relation
        self._relation_names[relation.schema_oid, relation.name] = relation

    def create_relation(
        self,
        schema: str | None,
        name: str,
        columns: Sequence[ColumnDefinition],
        fillfactor: int | None = None,
    ) -> int:
        """Create an empty table, visible to the next command; its OID."""
        schema_oid = PUBLIC_NAMESPACE if schema is None else self._schemas(schema)[0]
        oid = self._creator.create(schema_oid, name, columns, fillfactor)
        self._own_change()
        return oid

    def drop_relation(self, relation: Relation) -> None:
        """Drop a table on which the caller holds AccessExclusiveLock."""
        drop_relation(self._rows, self._transactions, relation)
        self._own_change()

    # schemas -------------------------------------------------------------------------------------

    def _schemas(self, schema: str | None) -> tuple[int, ...]:
        if schema is None:
            return SEARCH_PATH
        oid = self.schema_oid(schema)
        if oid is None:
            raise SqlError(SqlState.INVALID_SCHEMA_NAME, f'schema "{schema}" does not exist')
        return (oid,)

    def schema_oid(self, name: str) -> int | None:
        """The OID of a schema."""
        return SCHEMA_OIDS.get(name)

    def schema_name(self, oid: int) -> str | None:
        """The name of a schema."""
        return SCHEMA_NAMES.get(oid)

    # types ---------------------------------------------------------------------------------------

    def type_by_name(self, schema: str | None, name: str) -> PgType | None:
        """The type with this name, in a schema or where unqualified names are looked for."""
        for schema_oid in self._schemas(schema):
            found = self._lookup.type_by_name(schema_oid, name)
            if found is not None:
                return found
        return None

    def type_by_oid(self, oid: int) -> PgType | None:
        """The type with this OID."""
        found = self._types.get(oid)
        if found is None:
            found = self._lookup.type_by_oid(oid)
            if found is not None:
                self._types[oid] = found
        return found

    # databases and roles -------------------------------------------------------------------------

    def database_by_name(self, name: str) -> PgDatabase | None:
        """The database with this name."""
        return self._lookup.database_by_name(name)

    def role_by_name(self, name: str) -> PgAuthid | None:
        """The role with this name."""
        return self._lookup.role_by_name(name)
