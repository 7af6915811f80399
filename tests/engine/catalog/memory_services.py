"""Stand-ins for what the catalogs work on: a heap in memory without versions, and the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from engine.access.relation import Relation
from engine.catalog.bootstrap import bootstrap_catalogs
from engine.catalog.cache import Catalog
from engine.catalog.generation import CatalogGeneration, CatalogGenerationShared
from engine.host.real import RealHost
from engine.lmgr.lock_tag import LockTag
from engine.transaction.snapshot import Snapshot
from engine.types import RelFileLocator, Tid
from tests.engine.catalog.stored_rows import stored_rows


class MemoryRow(NamedTuple):
    """A row as a scan finds it."""

    tid: Tid
    row: tuple[Any, ...]

    def values(self, count: int | None = None) -> list[Any]:
        return list(self.row[:count])


class MemoryHeap:
    """Rows by file, read from a data directory at first."""

    def __init__(self, data: Path) -> None:
        self.rows: dict[RelFileLocator, dict[Tid, tuple[Any, ...]]] = {}
        self._data = data
        self._tids = count(1)

    def _of(self, relation: Relation) -> dict[Tid, tuple[Any, ...]]:
        return self.rows.setdefault(relation.locator, {})

    def load(self, catalog: Catalog) -> None:
        for table, relation in catalog._rows.relations.items():
            locator = relation.locator
            directory = f"base/{locator.database}" if locator.database else "global"
            path = self._data / directory / str(locator.relation)
            self.insert(relation, stored_rows(path, table))

    def scan(self, relation: Relation, snapshot: Snapshot) -> Iterator[MemoryRow]:
        yield from [MemoryRow(tid, row) for tid, row in self._of(relation).items()]

    def insert(self, relation: Relation, rows: Sequence[Sequence[Any]]) -> Sequence[Tid]:
        tids = [Tid(0, next(self._tids)) for _ in rows]
        self._of(relation).update(zip(tids, map(tuple, rows), strict=True))
        return tids

    def delete(self, relation: Relation, tid: Tid) -> bool:
        return self._of(relation).pop(tid, None) is not None


class MemoryTransactions:
    """Records what is asked of it."""

    def __init__(self) -> None:
        self.at_end: list[Callable[[bool], None]] = []
        self.drops: list[tuple[RelFileLocator, bool]] = []
        self.commands = 0
        self.invalidates = False

    def current_xid(self) -> int:
        return 700

    def catalog_snapshot(self) -> Snapshot:
        return Snapshot(700, 700, (), 0)

    def command_counter_increment(self) -> None:
        self.commands += 1

    def schedule_drop(self, locator: RelFileLocator, at_commit: bool) -> None:
        self.drops.append((locator, at_commit))

    def on_commit_invalidate(self) -> None:
        self.invalidates = True


class MemorySmgr:
    """Which files there are."""

    def __init__(self) -> None:
        self.files: set[RelFileLocator] = set()

    def exists(self, locator: RelFileLocator, fork: int) -> bool:
        return locator in self.files

    def create(self, locator: RelFileLocator, fork: int) -> None:
        self.files.add(locator)


class MemoryWal:
    """The records that were inserted."""

    def __init__(self) -> None:
        self.records: list[tuple[int, int, bytes]] = []

    def insert(self, rmid: int, info: int, main: bytes, *, xid: int = 0) -> int:
        self.records.append((rmid, info, main))
        return len(self.records)


class MemoryLocks:
    """The heavyweight locks that were taken, and light-weight ones that are always free."""

    def __init__(self) -> None:
        self.taken: list[LockTag] = []

    def acquire(self, tag: Any, mode: int) -> bool:
        self.taken.append(tag)
        return True

    def release(self, tag: Any) -> None:
        pass


class MemoryServices:
    """A catalog over all of that."""

    def __init__(self, data: Path) -> None:
        for name in ("global", "base"):
            (data / name).mkdir()
        self.host = RealHost(str(data))
        bootstrap_catalogs(self.host)
        self.heap = MemoryHeap(data)
        self.transactions = MemoryTransactions()
        self.smgr = MemorySmgr()
        self.wal = MemoryWal()
        self.lock_table = MemoryLocks()
        self.oids = count(16384)
        self.generation = CatalogGeneration(
            CatalogGenerationShared(memoryview(bytearray(CatalogGenerationShared.size()))),
            MemoryLocks(),
        )
        self.catalog = self.new_catalog()
        self.heap.load(self.catalog)

    def new_catalog(self, database: int = 5) -> Catalog:
        """Another session's catalog, over the same heap."""
        return Catalog(
            self.host,
            database=database,
            heap=self.heap,
            transactions=self.transactions,
            smgr=self.smgr,
            wal=self.wal,
            lock_table=self.lock_table,
            new_oid=lambda: next(self.oids),
            shared_generation=self.generation,
        )

    def end_transaction(self, *, is_commit: bool) -> None:
        """What the transactions do at the end, in their order."""
        if self.transactions.invalidates:
            self.generation.advance()
        for call in self.transactions.at_end:
            call(is_commit)
