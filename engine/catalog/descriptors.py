"""From rows of pg_attribute to the descriptor that packs and unpacks a relation's tuples."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from engine.access.heap.tuple import Attribute, TupleDescriptor
from engine.catalog.rows import PgAttribute
from engine.catalog.tables import CatalogTable, catalog_attribute_rows


def attribute_of(row: PgAttribute) -> Attribute:
    """What the heap must know of a column."""
    return Attribute(
        name=row.attname,
        type_oid=row.atttypid,
        length=row.attlen,
        align=row.attalign,
        by_value=row.attbyval,
        not_null=row.attnotnull,
        typmod=row.atttypmod,
        dropped=row.attisdropped,
    )


def descriptor_of(rows: Iterable[PgAttribute]) -> TupleDescriptor:
    """The descriptor for a relation's user columns, given in column order."""
    return TupleDescriptor([attribute_of(row) for row in rows])


@functools.cache
def catalog_descriptor(table: CatalogTable) -> TupleDescriptor:
    """The descriptor of a catalog, made once: a postmaster that has asked for it before it forks
    spares its children the work."""
    return descriptor_of(catalog_attribute_rows(table))
