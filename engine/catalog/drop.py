"""DROP TABLE's part in the catalogs: the rows go now, the file with the commit.

The caller holds AccessExclusiveLock on the relation, and has looked it up again since.

Source: PostgreSQL 15, `catalog/heap.c` (heap_drop_with_catalog).
"""

from __future__ import annotations

from typing import Final

from engine.access.relation import Relation
from engine.catalog.catalog_rows import CatalogRows, StoredRow
from engine.catalog.create import CreatingTransaction
from engine.catalog.tables import PG_ATTRIBUTE, PG_CLASS, PG_TYPE
from engine.errors import SqlError, SqlState
from engine.types import FIRST_NORMAL_OID

_RELTYPE: Final = 3
_TYPELEM: Final = 13


def drop_relation(rows: CatalogRows, transactions: CreatingTransaction, relation: Relation) -> None:
    """Drop a table."""
    if relation.oid < FIRST_NORMAL_OID:
        raise SqlError(
            SqlState.INSUFFICIENT_PRIVILEGE,
            f'permission denied: "{relation.name}" is a system catalog',
        )
    snapshot = transactions.catalog_snapshot()
    # Collected before anything is deleted: a scan is not to meet its own changes.
    found = [
        (stored.tid, stored.values(_RELTYPE + 1)[_RELTYPE])
        for stored in rows.scan(PG_CLASS, snapshot)
        if stored.values(1)[0] == relation.oid
    ]
    if not found:
        raise SqlError(SqlState.UNDEFINED_TABLE, f'relation "{relation.name}" does not exist')
    class_tid, type_oid = found[0]
    columns = [
        stored.tid
        for stored in rows.scan(PG_ATTRIBUTE, snapshot)
        if stored.values(1)[0] == relation.oid
    ]
    types = [stored.tid for stored in rows.scan(PG_TYPE, snapshot) if is_type_of(stored, type_oid)]
    transactions.schedule_drop(relation.locator, at_commit=True)
    for tid in types:
        rows.delete(PG_TYPE, tid)
    for tid in columns:
        rows.delete(PG_ATTRIBUTE, tid)
    rows.delete(PG_CLASS, class_tid)
    transactions.on_commit_invalidate()
    transactions.command_counter_increment()


def is_type_of(stored: StoredRow, type_oid: int) -> bool:
    """Whether a row of pg_type is the row type with this OID, or its array type."""
    values = stored.values(_TYPELEM + 1)
    return bool(values[0] == type_oid or values[_TYPELEM] == type_oid)
