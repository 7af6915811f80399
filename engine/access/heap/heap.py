"""The heap access method, as the rest of the engine calls it: one object per process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from engine.access.heap.context import (
    FreeSpace,
    HeapBuffers,
    HeapContext,
    HeapLocks,
    HeapSmgr,
    HeapWal,
)
from engine.access.heap.delete import delete
from engine.access.heap.inplace import inplace_update
from engine.access.heap.insert import insert, multi_insert
from engine.access.heap.outcome import ChangeOutcome
from engine.access.heap.page_tuple import HeapTuple
from engine.access.heap.scan import fetch, latest_version, scan, scan_pages
from engine.access.heap.update import update
from engine.access.heap.vacuum import VacuumResult, vacuum
from engine.access.heap.visibility import Visibility
from engine.access.relation import Relation
from engine.host.api import Host
from engine.transaction.snapshot import Snapshot
from engine.transaction.transactions import Transactions
from engine.types import Tid


class Heap:
    """Reading and changing tables. Nothing is held locked or pinned between two calls."""

    def __init__(
        self,
        host: Host,
        buffers: HeapBuffers,
        wal: HeapWal,
        smgr: HeapSmgr,
        transactions: Transactions,
        visibility: Visibility,
        lock_table: HeapLocks,
        free_space: FreeSpace,
        check_interrupts: Callable[[], None] = lambda: None,
    ) -> None:
        self.context = HeapContext(
            host,
            buffers,
            wal,
            smgr,
            transactions,
            visibility,
            lock_table,
            check_interrupts,
            free_space,
            {},
        )

    def scan(self, relation: Relation, snapshot: Snapshot) -> Iterator[HeapTuple]:
        """The row versions that the snapshot sees, in the order of the file."""
        return scan(self.context, relation, snapshot)

    def scan_pages(self, relation: Relation, snapshot: Snapshot) -> Iterator[list[HeapTuple]]:
        """The same, page by page."""
        return scan_pages(self.context, relation, snapshot)

    def fetch(self, relation: Relation, tid: Tid, snapshot: Snapshot) -> HeapTuple | None:
        """The row version at `tid` if the snapshot sees it."""
        return fetch(self.context, relation, tid, snapshot)

    def latest_version(self, relation: Relation, outcome: ChangeOutcome) -> HeapTuple | None:
        """After an outcome UPDATED: the row's newest version, waiting for updates that still run;
        None if the row is deleted. Under READ COMMITTED the caller looks at it, and changes it if
        it still qualifies, which may end in UPDATED again."""
        if outcome.next_tid is None:
            return None
        return latest_version(self.context, relation, outcome.next_tid, outcome.xmax)

    def insert(self, relation: Relation, values: Sequence[Any]) -> Tid:
        """Insert a row."""
        return insert(self.context, relation, values)

    def multi_insert(self, relation: Relation, rows: Sequence[Sequence[Any]]) -> list[Tid]:
        """Insert many rows at the cost of few."""
        return multi_insert(self.context, relation, rows)

    def update(
        self,
        relation: Relation,
        tid: Tid,
        values: Sequence[Any],
        *,
        crosscheck: Snapshot | None = None,
        wait: bool = True,
    ) -> ChangeOutcome:
        """Replace the row version at `tid`."""
        return update(self.context, relation, tid, values, crosscheck=crosscheck, wait=wait)

    def delete(
        self, relation: Relation, tid: Tid, *, crosscheck: Snapshot | None = None, wait: bool = True
    ) -> ChangeOutcome:
        """Delete the row version at `tid`."""
        return delete(self.context, relation, tid, crosscheck=crosscheck, wait=wait)

    def inplace_update(self, relation: Relation, tid: Tid, values: Sequence[Any]) -> None:
        """Overwrite a catalog row where it is, outside of any transaction."""
        inplace_update(self.context, relation, tid, values)

    def vacuum(self, relation: Relation, *, freeze_min_age: int) -> VacuumResult:
        """Vacuum a table."""
        return vacuum(self.context, relation, freeze_min_age=freeze_min_age)
