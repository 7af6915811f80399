"""DROP TABLE's part in the catalogs: the rows go now, the file with the commit.

The caller holds AccessExclusiveLock on the relation, and has looked it up again since.

Source: PostgreSQL 15, `catalog/heap.c` (heap_drop_with_catalog).
"""

from __future__ import annotations

from typing import Final

from engine.access.relation import Relation
from engine.catalog.catalog_rows import CatalogRows
from engine.catalog.create import CreatingTransaction
from engine.catalog.tables import PG_ATTRIBUTE, PG_CLASS, PG_TYPE
from engine.errors import SqlError, SqlState
from engine.types import FIRST_NORMAL_OID

_OID: Final = 0
_ATTRELID: Final = 0
_RELTYPE: Final = 3
_TYPRELID: Final = 11
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
        (tid, values[_RELTYPE])
        for tid, values in rows.scan(PG_CLASS, snapshot)
        if values[_OID] == relation.oid
    ]
    if not found:
        raise SqlError(SqlState.UNDEFINED_TABLE, f'relation "{relation.name}" does not exist')
    columns = [
        tid
        for tid, values in rows.scan(PG_ATTRIBUTE, snapshot)
        if values[_ATTRELID] == relation.oid
    ]
    types = [
        tid
        for tid, values in rows.scan(PG_TYPE, snapshot)
        if values[_TYPRELID] == relation.oid or values[_TYPELEM] == found[0][1]
    ]
    transactions.schedule_drop(relation.locator, at_commit=True)
    for tid in types:
        rows.delete(PG_TYPE, tid)
    for tid in columns:
        rows.delete(PG_ATTRIBUTE, tid)
    for tid, _ in found:
        rows.delete(PG_CLASS, tid)
    transactions.on_commit_invalidate()
    transactions.command_counter_increment()
