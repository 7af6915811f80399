"""The catalogs that exist, as data, and what follows from it: their columns and descriptors.

| catalog       | OID  | shared | file found through |
|---------------|------|--------|--------------------|
| pg_type       | 1247 | no     | relation map       |
| pg_attribute  | 1249 | no     | relation map       |
| pg_class      | 1259 | no     | relation map       |
| pg_tablespace | 1213 | yes    | relation map       |
| pg_authid     | 1260 | yes    | relation map       |
| pg_database   | 1262 | yes    | relation map       |
| pg_am         | 2601 | no     | pg_class           |
| pg_namespace  | 2615 | no     | pg_class           |

CAT-1  A catalog's own rows in pg_class, pg_attribute and pg_type, and everything else with an OID
below 16384, never change after initdb. Processes therefore take them from here instead of reading
them, which is also how the first read of a catalog is possible at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, get_args, get_type_hints

from engine.catalog.builtin_types import BUILTIN_TYPES
from engine.catalog.rows import (
    PG_CATALOG_NAMESPACE,
    REPLICA_IDENTITY_NOTHING,
    PgAm,
    PgAttribute,
    PgAuthid,
    PgClass,
    PgDatabase,
    PgNamespace,
    PgTablespace,
    PgType,
)
from engine.catalog.type_rows import array_type, array_type_name, row_type
from engine.types import FIRST_NORMAL_XID, GLOBAL_TABLESPACE

TYPE_BY_OID: Final[dict[int, PgType]] = {row.oid: row for row in BUILTIN_TYPES}

CATALOG_COLLATION: Final = 950
"""Columns of catalogs compare bytewise (collation "C"), whatever their type's collation is."""

ARRAY_CATEGORY: Final = "A"


class ColumnDefinition(NamedTuple):
    """One column of a new relation, as CREATE TABLE states it."""

    name: str
    type_oid: int
    typmod: int = -1
    not_null: bool = False


@dataclass(frozen=True, slots=True)
class CatalogTable:
    """One catalog. `row` is the class of its rows, whose fields are its columns."""

    name: str
    oid: int
    row: type[tuple[Any, ...]]
    type_oid: int
    array_type_oid: int
    shared: bool = False
    mapped: bool = False

    @property
    def columns(self) -> tuple[ColumnDefinition, ...]:
        """The columns, read off the row class."""
        columns = []
        for name, hint in get_type_hints(self.row, include_extras=True).items():
            python_type, type_oid = get_args(hint)
            nullable = type(None) in get_args(python_type)
            columns.append(ColumnDefinition(name, type_oid, not_null=not nullable))
        return tuple(columns)


PG_TYPE: Final = CatalogTable("pg_type", 1247, PgType, 71, 210, mapped=True)
PG_ATTRIBUTE: Final = CatalogTable("pg_attribute", 1249, PgAttribute, 75, 270, mapped=True)
PG_CLASS: Final = CatalogTable("pg_class", 1259, PgClass, 83, 273, mapped=True)
PG_TABLESPACE: Final = CatalogTable(
    "pg_tablespace", 1213, PgTablespace, 10056, 10055, shared=True, mapped=True
)
PG_AUTHID: Final = CatalogTable("pg_authid", 1260, PgAuthid, 2842, 10057, shared=True, mapped=True)
PG_DATABASE: Final = CatalogTable(
    "pg_database", 1262, PgDatabase, 1248, 10052, shared=True, mapped=True
)
PG_AM: Final = CatalogTable("pg_am", 2601, PgAm, 10015, 10014)
PG_NAMESPACE: Final = CatalogTable("pg_namespace", 2615, PgNamespace, 10047, 10046)

CATALOGS: Final = (
    PG_TYPE,
    PG_ATTRIBUTE,
    PG_CLASS,
    PG_TABLESPACE,
    PG_AUTHID,
    PG_DATABASE,
    PG_AM,
    PG_NAMESPACE,
)


# rows about a relation ---------------------------------------------------------------------------


class SystemColumn(NamedTuple):
    """A column that every table has without being asked (negative attribute number)."""

    number: int
    name: str
    type_oid: int


SYSTEM_COLUMNS: Final = (
    SystemColumn(-1, "ctid", 27),
    SystemColumn(-2, "xmin", 28),
    SystemColumn(-3, "cmin", 29),
    SystemColumn(-4, "xmax", 28),
    SystemColumn(-5, "cmax", 29),
    SystemColumn(-6, "tableoid", 26),
)


def attribute_row(
    relation: int, number: int, column: ColumnDefinition, column_type: PgType
) -> PgAttribute:
    """The row of pg_attribute for a column."""
    return PgAttribute(
        attrelid=relation,
        attname=column.name,
        atttypid=column.type_oid,
        attstattarget=-1 if number > 0 else 0,
        attlen=column_type.typlen,
        attnum=number,
        attndims=0,
        attcacheoff=-1,
        atttypmod=column.typmod,
        attbyval=column_type.typbyval,
        attalign=column_type.typalign,
        attstorage=column_type.typstorage,
        attcompression="",
        attnotnull=column.not_null,
        attcollation=column_type.typcollation,
    )


def system_attribute_rows(relation: int) -> list[PgAttribute]:
    """The rows of pg_attribute for the system columns of a relation."""
    return [
        attribute_row(
            relation,
            system.number,
            ColumnDefinition(system.name, system.type_oid, not_null=True),
            TYPE_BY_OID[system.type_oid],
        )
        for system in SYSTEM_COLUMNS
    ]


# rows about the catalogs -------------------------------------------------------------------------


def catalog_class_row(table: CatalogTable) -> PgClass:
    """A catalog's own row in pg_class."""
    return PgClass(
        oid=table.oid,
        relname=table.name,
        relnamespace=PG_CATALOG_NAMESPACE,
        reltype=table.type_oid,
        relfilenode=0 if table.mapped else table.oid,
        reltablespace=GLOBAL_TABLESPACE if table.shared else 0,
        relisshared=table.shared,
        relnatts=len(table.columns),
        relreplident=REPLICA_IDENTITY_NOTHING,
        relfrozenxid=FIRST_NORMAL_XID,
    )


def catalog_attribute_rows(table: CatalogTable) -> list[PgAttribute]:
    """A catalog's own columns in pg_attribute, system columns not among them."""
    rows = []
    for number, column in enumerate(table.columns, 1):
        column_type = TYPE_BY_OID[column.type_oid]
        row = attribute_row(table.oid, number, column, column_type)
        rows.append(
            row._replace(
                attcollation=CATALOG_COLLATION if row.attcollation else 0,
                attndims=1 if column_type.typcategory == ARRAY_CATEGORY else 0,
            )
        )
    return rows


def catalog_type_rows(table: CatalogTable) -> Sequence[PgType]:
    """A catalog's row type and its array type in pg_type."""
    composite = row_type(
        table.type_oid, table.name, PG_CATALOG_NAMESPACE, table.oid, table.array_type_oid
    )
    return composite, array_type(table.array_type_oid, array_type_name(table.name), composite)
