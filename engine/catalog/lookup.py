"""Names and OIDs to relations, types, schemas, databases and roles, read from the heap.

Nothing is remembered here (see `cache.py`). What has an OID below 16384 comes from the tables in
this package (CAT-1), everything else from a scan of the catalog under a snapshot of now: there are
no indexes yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final

from engine.access.relation import Relation
from engine.catalog.catalog_rows import CatalogRows
from engine.catalog.descriptors import descriptor_of
from engine.catalog.rows import (
    PG_CATALOG_NAMESPACE,
    PgAttribute,
    PgAuthid,
    PgClass,
    PgDatabase,
    PgType,
)
from engine.catalog.tables import (
    CATALOGS,
    PG_ATTRIBUTE,
    PG_AUTHID,
    PG_CLASS,
    PG_DATABASE,
    PG_TYPE,
    TYPE_BY_OID,
    catalog_type_rows,
)
from engine.catalog.text_array import unpack_text_array
from engine.errors import SqlError, SqlState
from engine.transaction.snapshot import Snapshot
from engine.types import DEFAULT_TABLESPACE, FIRST_NORMAL_OID, RelFileLocator

PINNED_TYPES: Final[dict[int, PgType]] = TYPE_BY_OID | {
    row.oid: row for table in CATALOGS for row in catalog_type_rows(table)
}
PINNED_TYPE_NAMES: Final = {row.typname: row for row in PINNED_TYPES.values()}

DEFAULT_FILLFACTOR: Final = 100

# The columns that a scan looks at before it unpacks a whole row.
_OID: Final = 0
_NAME: Final = 1
_NAMESPACE: Final = 2
_HEAD: Final = 3

_ATTNUM: Final = attrgetter("attnum")


class CatalogLookup:
    """Reads the catalogs of one database. Snapshots come from `snapshot()`, one per question."""

    def __init__(self, rows: CatalogRows, snapshot: Callable[[], Snapshot]) -> None:
        self._rows = rows
        self._snapshot = snapshot
        relations = rows.relations.values()
        self._pinned = {relation.oid: relation for relation in relations}
        self._pinned_names = {relation.name: relation for relation in relations}

    # relations -----------------------------------------------------------------------------------

    def relation_by_oid(self, oid: int) -> Relation | None:
        """The relation with this OID."""
        if oid < FIRST_NORMAL_OID:
            return self._pinned.get(oid)
        return self._find_relation(lambda head: head[_OID] == oid)

    def relation_by_name(self, schema_oid: int, name: str) -> Relation | None:
        """The relation with this name in a schema."""
        if schema_oid == PG_CATALOG_NAMESPACE:
            return self._pinned_names.get(name)
        return self._find_relation(
            lambda head: head[_NAME] == name and head[_NAMESPACE] == schema_oid
        )

    def _find_relation(self, is_wanted: Callable[[Sequence[Any]], bool]) -> Relation | None:
        # One snapshot for all catalogs: the columns must belong to the pg_class row.
        snapshot = self._snapshot()
        for stored in self._rows.scan(PG_CLASS, snapshot):
            if is_wanted(stored.values(_HEAD)):
                return self._relation(PgClass(*stored.values()), snapshot)
        return None

    def _relation(self, row: PgClass, snapshot: Snapshot) -> Relation:
        columns = [
            PgAttribute(*stored.values())
            for stored in self._rows.scan(PG_ATTRIBUTE, snapshot)
            if stored.values(1)[0] == row.oid
        ]
        columns = sorted((column for column in columns if column.attnum > 0), key=_ATTNUM)
        missing = row.relnatts - len(columns)
        if missing:
            raise SqlError(
                SqlState.INTERNAL_ERROR,
                f"pg_attribute catalog is missing {missing} attribute(s) for relation "
                f"OID {row.oid}",
            )
        database = 0 if row.relisshared else self._rows.database
        return Relation(
            oid=row.oid,
            name=row.relname,
            schema_oid=row.relnamespace,
            kind=row.relkind,
            locator=RelFileLocator(
                row.reltablespace or DEFAULT_TABLESPACE,
                database,
                row.relfilenode or self._rows.file_number(row.oid),
            ),
            descriptor=descriptor_of(columns),
            database=database,
            fillfactor=fillfactor_of(row),
        )

    def all_relations(self) -> list[Relation]:
        """Every relation of the database, catalogs included, in OID order."""
        snapshot = self._snapshot()
        rows = [PgClass(*stored.values()) for stored in self._rows.scan(PG_CLASS, snapshot)]
        rows.sort(key=lambda row: row.oid)
        return [self._pinned.get(row.oid) or self._relation(row, snapshot) for row in rows]

    # types ---------------------------------------------------------------------------------------

    def type_by_oid(self, oid: int) -> PgType | None:
        """The type with this OID."""
        if oid < FIRST_NORMAL_OID:
            return PINNED_TYPES.get(oid)
        return self._find_type(lambda head: head[_OID] == oid)

    def type_by_name(self, schema_oid: int, name: str) -> PgType | None:
        """The type with this name in a schema."""
        if schema_oid == PG_CATALOG_NAMESPACE:
            return PINNED_TYPE_NAMES.get(name)
        return self._find_type(lambda head: head[_NAME] == name and head[_NAMESPACE] == schema_oid)

    def _find_type(self, is_wanted: Callable[[Sequence[Any]], bool]) -> PgType | None:
        for stored in self._rows.scan(PG_TYPE, self._snapshot()):
            if is_wanted(stored.values(_HEAD)):
                return PgType(*stored.values())
        return None

    # databases and roles -------------------------------------------------------------------------

    def database_by_name(self, name: str) -> PgDatabase | None:
        """The database with this name."""
        for stored in self._rows.scan(PG_DATABASE, self._snapshot()):
            if stored.values(_HEAD)[_NAME] == name:
                return PgDatabase(*stored.values())
        return None

    def role_by_name(self, name: str) -> PgAuthid | None:
        """The role with this name."""
        for stored in self._rows.scan(PG_AUTHID, self._snapshot()):
            if stored.values(_HEAD)[_NAME] == name:
                return PgAuthid(*stored.values())
        return None


def fillfactor_of(row: PgClass) -> int:
    """The relation's fillfactor, a percentage."""
    if row.reloptions is not None:
        for option in unpack_text_array(row.reloptions):
            name, _, setting = option.partition("=")
            if name == "fillfactor":
                return int(setting)
    return DEFAULT_FILLFACTOR
