"""The commit log reaches the disk before the commit record that it depends on: pages are written as
soon as an asynchronous commit is marked on them, and nobody flushes the WAL before.

Breaks CLOG-3 (engine/storage/README.md). After a crash the transaction counts as committed, though
its commit record, and perhaps some of its changes, are in no WAL: it is there by half.

In real life: what PostgreSQL keeps an LSN for each 32 transactions of pg_xact for, since 8.3 has
asynchronous commit (src/backend/access/transam/README, "Asynchronous Commit").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.shmem.lwlock import CLOG, EXCLUSIVE
from engine.storage.slru import Slru
from engine.transaction.clog import COMMITTED, Clog
from properties.mutants.api import Mutant, replace

MUTANT = Mutant(
    name="clog-before-commit-record",
    breaks="CLOG-3",
    mirrors="the negation of PostgreSQL 8.3's group LSNs in pg_clog",
    sees=(
        "atomicity: half",
        "atomicity: accounts",
        "atomicity: extra",
        "atomicity: registers",
        "atomicity: counters",
        "bank_total: total",
        "isolation: phantom-elements",
        "isolation: garbage-read",
    ),
    settings={"synchronous_commit": "off"},
    workload="sets",
)


def apply() -> None:
    def at_once(mark: Callable[..., None]) -> Callable[..., None]:
        def through(self: Any, page: int, xids: list[int], status: int, lsn: int) -> None:
            mark(self, page, xids, status, lsn)
            if status == COMMITTED and lsn:
                self._locks.acquire(CLOG, EXCLUSIVE)
                slot = self._slru.find(page)
                if slot >= 0:
                    self._slru.write(slot)
                self._locks.release(CLOG)

        return through

    def without_wal(write: Callable[..., None]) -> Callable[..., None]:
        return lambda self, page, data, lsn: write(self, page, data, 0)

    replace(Clog, "_mark", at_once)
    replace(Slru, "_write", without_wal)
