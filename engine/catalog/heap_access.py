"""The heap as the catalogs use it: the functions of `engine.access.heap` with their context."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from engine.access.heap.context import HeapContext
from engine.access.heap.delete import delete
from engine.access.heap.insert import multi_insert
from engine.access.heap.scan import scan
from engine.access.relation import Relation
from engine.catalog.catalog_rows import StoredRow
from engine.transaction.snapshot import Snapshot
from engine.types import Tid


class HeapAccess:
    """Implements `CatalogHeap`."""

    def __init__(self, context: HeapContext) -> None:
        self._context = context

    def scan(self, relation: Relation, snapshot: Snapshot) -> Iterable[StoredRow]:
        """The rows that the snapshot sees, in the order of the file."""
        return scan(self._context, relation, snapshot)

    def insert(self, relation: Relation, rows: Sequence[Sequence[Any]]) -> object:
        """Insert rows."""
        return multi_insert(self._context, relation, rows)

    def delete(self, relation: Relation, tid: Tid) -> bool:
        """Delete a row version; False when somebody else changed it first."""
        return delete(self._context, relation, tid).is_ok
