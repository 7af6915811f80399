"""The catalogs' way into the heap: their rows are ordinary rows of ordinary tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.access.heap.heap import Heap
from engine.access.heap.page_tuple import HeapTuple
from engine.access.relation import Relation
from engine.transaction.snapshot import Snapshot
from engine.types import Tid


class CatalogHeapAccess:
    """`CatalogHeap` over the heap access method."""

    def __init__(self, heap: Heap) -> None:
        self._heap = heap

    def scan(self, relation: Relation, snapshot: Snapshot) -> Iterator[HeapTuple]:
        """The rows that the snapshot sees."""
        return self._heap.scan(relation, snapshot)

    def insert(self, relation: Relation, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows."""
        self._heap.multi_insert(relation, rows)

    def delete(self, relation: Relation, tid: Tid) -> bool:
        """Delete a row version; False when somebody else changed it first."""
        return self._heap.delete(relation, tid).is_ok
