"""What the operations on heaps work with, in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.access.heap.visibility import Visibility
from engine.host.api import Host
from engine.lmgr.lock_tag import LockTag
from engine.transaction.transactions import Transactions
from engine.types import Lsn, RelFileLocator
from engine.wal.insert import RegisteredBlock


class HeapBuffers(Protocol):
    """What heaps need of the buffer pool (`engine.storage.buffer`)."""

    def read(self, locator: RelFileLocator, fork: int, block: int) -> int: ...

    def extend(self, locator: RelFileLocator, fork: int) -> int: ...

    def page(self, buffer: int) -> memoryview: ...

    def tag(self, buffer: int) -> tuple[RelFileLocator, int, int]: ...

    def lock(self, buffer: int, mode: int = 1) -> None: ...

    def unlock(self, buffer: int) -> None: ...

    def release(self, buffer: int) -> None: ...

    def unlock_release(self, buffer: int) -> None: ...

    def try_lock_for_cleanup(self, buffer: int) -> bool: ...

    def mark_dirty(self, buffer: int) -> None: ...

    def mark_dirty_hint(self, buffer: int) -> None: ...

    def drop_from(self, locator: RelFileLocator, fork: int, first_block: int) -> None: ...


class HeapWal(Protocol):
    """What heaps need of the WAL."""

    def insert(
        self,
        rmid: int,
        info: int,
        main: bytes,
        blocks: Sequence[RegisteredBlock] = (),
        xid: int = 0,
    ) -> Lsn: ...

    def flush(self, lsn: int) -> None: ...


class HeapSmgr(Protocol):
    """What heaps need of the storage manager."""

    def exists(self, locator: RelFileLocator, fork: int) -> bool: ...

    def create(self, locator: RelFileLocator, fork: int) -> None: ...

    def nblocks(self, locator: RelFileLocator, fork: int) -> int: ...

    def truncate(self, locator: RelFileLocator, fork: int, blocks: int) -> None: ...


class HeapLocks(Protocol):
    """What heaps need of the lock table."""

    def acquire(self, tag: LockTag, mode: int, *, wait: bool = True) -> bool: ...

    def release(self, tag: LockTag, mode: int) -> None: ...

    def wait_for_xid(self, xid: int, context: str | None = None) -> None: ...


@dataclass(slots=True)
class HeapContext:
    """The services, and what the process remembers between operations."""

    host: Host
    buffers: HeapBuffers
    wal: HeapWal
    smgr: HeapSmgr
    transactions: Transactions
    visibility: Visibility
    lock_table: HeapLocks
    check_interrupts: Callable[[], None]
    free_space: FreeSpace
    targets: dict[RelFileLocator, int]
    """Where each relation's last row went in: where the next one is tried first."""


class FreeSpace(Protocol):
    """Where room is (`free_space_map.py`)."""

    def search(self, locator: RelFileLocator, needed: int) -> int | None: ...

    def record(self, locator: RelFileLocator, block: int, free: int) -> None: ...

    def record_and_search(
        self, locator: RelFileLocator, block: int, free: int, needed: int
    ) -> int | None: ...

    def propagate(self, locator: RelFileLocator) -> None: ...
