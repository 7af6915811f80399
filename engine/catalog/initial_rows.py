"""What the catalogs of a new cluster contain.

As after PostgreSQL's initdb, as far as the catalogs and their rows exist here. Ownership is the
bootstrap superuser's throughout, and there are no privileges: acl columns are null.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from engine.catalog.builtin_types import BUILTIN_TYPES
from engine.catalog.rows import (
    BOOTSTRAP_SUPERUSER,
    HEAP_ACCESS_METHOD,
    PG_CATALOG_NAMESPACE,
    PG_TOAST_NAMESPACE,
    PUBLIC_NAMESPACE,
    PgAm,
    PgAttribute,
    PgAuthid,
    PgDatabase,
    PgNamespace,
    PgTablespace,
)
from engine.catalog.tables import (
    CATALOGS,
    PG_AM,
    PG_ATTRIBUTE,
    PG_AUTHID,
    PG_CLASS,
    PG_DATABASE,
    PG_NAMESPACE,
    PG_TABLESPACE,
    PG_TYPE,
    CatalogTable,
    catalog_attribute_rows,
    catalog_class_row,
    catalog_type_rows,
    system_attribute_rows,
)
from engine.types import DEFAULT_TABLESPACE, FIRST_NORMAL_XID, GLOBAL_TABLESPACE

HEAP_HANDLER: Final = 3
"""The OID of heap_tableam_handler."""

TEMPLATE1: Final = 1
TEMPLATE0: Final = 4
POSTGRES: Final = 5

DATABASES: Final = (
    PgDatabase(TEMPLATE1, "template1", datistemplate=True, datfrozenxid=FIRST_NORMAL_XID),
    PgDatabase(
        TEMPLATE0,
        "template0",
        datistemplate=True,
        datallowconn=False,
        datfrozenxid=FIRST_NORMAL_XID,
    ),
    PgDatabase(POSTGRES, "postgres", datfrozenxid=FIRST_NORMAL_XID),
)

NAMESPACES: Final = (
    PgNamespace(PG_CATALOG_NAMESPACE, "pg_catalog"),
    PgNamespace(PG_TOAST_NAMESPACE, "pg_toast"),
    PgNamespace(PUBLIC_NAMESPACE, "public"),
)

SCHEMA_OIDS: Final = {row.nspname: row.oid for row in NAMESPACES}
SCHEMA_NAMES: Final = {row.oid: row.nspname for row in NAMESPACES}

TABLESPACES: Final = (
    PgTablespace(DEFAULT_TABLESPACE, "pg_default"),
    PgTablespace(GLOBAL_TABLESPACE, "pg_global"),
)

ACCESS_METHODS: Final = (PgAm(HEAP_ACCESS_METHOD, "heap", HEAP_HANDLER, "t"),)


def superuser_row(name: str, verifier: str | None) -> PgAuthid:
    """The role that initdb makes; `verifier` is its SCRAM-SHA-256 secret."""
    return PgAuthid(
        BOOTSTRAP_SUPERUSER,
        name,
        rolsuper=True,
        rolinherit=True,
        rolcreaterole=True,
        rolcreatedb=True,
        rolcanlogin=True,
        rolreplication=True,
        rolbypassrls=True,
        rolpassword=verifier,
    )


def attribute_rows() -> Iterator[PgAttribute]:
    """The columns of every catalog, system columns first."""
    for table in CATALOGS:
        yield from reversed(system_attribute_rows(table.oid))
        yield from catalog_attribute_rows(table)


def initial_rows(
    superuser_name: str, superuser_verifier: str | None
) -> dict[CatalogTable, Sequence[tuple[Any, ...]]]:
    """The rows of every catalog."""
    row_types = [row for table in CATALOGS for row in catalog_type_rows(table)]
    return {
        PG_TYPE: [*BUILTIN_TYPES, *row_types],
        PG_ATTRIBUTE: list(attribute_rows()),
        PG_CLASS: [catalog_class_row(table) for table in CATALOGS],
        PG_TABLESPACE: TABLESPACES,
        PG_AUTHID: [superuser_row(superuser_name, superuser_verifier)],
        PG_DATABASE: DATABASES,
        PG_AM: ACCESS_METHODS,
        PG_NAMESPACE: NAMESPACES,
    }
