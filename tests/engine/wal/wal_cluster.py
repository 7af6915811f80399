"""A WAL alone, over real shared memory and files: what the tests of engine/wal write into."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.config import Config
from engine.host.api import Buffer
from engine.host.real import RealHost
from engine.shmem.lwlock import MUTEX_COUNT, LWLocks
from engine.shmem.procs import ProcTable
from engine.storage.page import init_page, set_page_lsn
from engine.types import WAL_BLOCK_SIZE, RelFileLocator
from engine.wal.insert import RegisteredBlock
from engine.wal.reader import WalReader
from engine.wal.record import STANDARD, WalRecord
from engine.wal.wal import Wal, WalShared

SEGMENT = 1 << 20
SYSTEM_IDENTIFIER = 0x6500_0000_0000_0007
SLOTS = 8
LOCATOR = RelFileLocator(1663, 5, 16384)


class CountingHost(RealHost):
    """The real host, which counts syncs and fails where it is told to."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.syncs = 0
        self.fail_sync = 0
        self.fail_write = 0
        self.short_write = 0

    def fsync(self, fd: int) -> None:
        self.syncs += 1
        if self.fail_sync:
            raise OSError(self.fail_sync, os.strerror(self.fail_sync))
        super().fsync(fd)

    def pwrite(self, fd: int, data: Buffer, offset: int) -> int:
        if self.fail_write:
            raise OSError(self.fail_write, os.strerror(self.fail_write))
        if self.short_write:
            data = memoryview(data)[: self.short_write]
        return super().pwrite(fd, data, offset)


class WalCluster:
    """Shared memory and files of a WAL that goes on at `start`."""

    def __init__(
        self, root: Path, *, start: int = SEGMENT, ring_pages: int = 16, **settings: object
    ) -> None:
        root.mkdir(exist_ok=True)
        (root / "pg_wal").mkdir(exist_ok=True)
        self.root = root
        self.host = CountingHost(str(root))
        self.host.create_latches(SLOTS)
        self.config = Config().replace(
            wal_buffers=ring_pages,
            wal_segment_size=SEGMENT,
            **settings,  # type: ignore[arg-type]
        )
        self.mutexes = self.host.create_mutexes(MUTEX_COUNT)
        self.lock_words = self.host.map_shared(LWLocks.size(16))
        self.procs = ProcTable(self.host.map_shared(ProcTable.size(SLOTS)), SLOTS)
        self.shared = WalShared(self.host.map_shared(WalShared.size(self.config)), self.config)
        self.checkpoint_requests = 0
        self.wal = self.process(1)
        self.wal.start_at(start, 0)
        self.wal.set_full_page_writes(True)
        self.wal.open_to_all()

    def process(self, slot: int) -> Wal:
        """The WAL as the process in that slot has it."""
        return Wal(
            self.host,
            self.shared,
            LWLocks(self.host, self.lock_words, self.mutexes, self.procs, slot),
            self.config,
            system_identifier=SYSTEM_IDENTIFIER,
            timeline=1,
            segment_size=SEGMENT,
            slot=slot,
            request_checkpoint=self._count_request,
        )

    def _count_request(self) -> None:
        self.checkpoint_requests += 1

    def reader(self, start: int = SEGMENT) -> WalReader:
        """Reads what is on disk, from `start` on."""
        return reader_of(self.root, start)

    def records(self, start: int = SEGMENT) -> list[WalRecord]:
        """All records on disk from `start` on."""
        return list(read_all(self.reader(start)))

    def segment_files(self) -> list[str]:
        """The names in pg_wal."""
        return sorted(os.listdir(self.root / "pg_wal"))


def reader_of(root: Path, start: int = SEGMENT) -> WalReader:
    """A reader of the segments in a data directory, which sees each change of them."""

    def read_page(lsn: int) -> bytes | None:
        segment, offset = divmod(lsn, SEGMENT)
        path = root / "pg_wal" / segment_name(segment)
        if not path.exists():
            return None
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(WAL_BLOCK_SIZE)

    reader = WalReader(read_page, SEGMENT, SYSTEM_IDENTIFIER)
    reader.begin(start)
    return reader


def read_all(reader: WalReader) -> Iterator[WalRecord]:
    """Every record up to the end of the WAL."""
    while (record := reader.read()) is not None:
        yield record


def segment_name(segment: int) -> str:
    """The file name of a 1 MB segment of timeline 1."""
    return f"00000001{segment // 4096:08X}{segment % 4096:08X}"


def data_page(lsn: int = 0) -> memoryview:
    """An empty heap page."""
    page = bytearray(8192)
    init_page(page)
    set_page_lsn(page, lsn)
    return memoryview(page)


def block(
    page: memoryview, number: int = 0, flags: int = STANDARD, data: bytes = b""
) -> RegisteredBlock:
    """A registered block of the tests' relation."""
    return RegisteredBlock(0, page, LOCATOR, 0, number, flags, data)


@contextmanager
def before_lock(wal: Wal, lock: int, action: Callable[[], None]) -> Iterator[None]:
    """Run `action` once, right before the process takes that lock."""
    locks = wal._locks
    acquire = locks.acquire
    pending = [action]

    def acquire_after_action(number: int, mode: int = 1) -> None:
        if number == lock and pending:
            pending.pop()()
        acquire(number, mode)

    locks.acquire = acquire_after_action  # type: ignore[method-assign]
    try:
        yield
    finally:
        del locks.acquire


ENOSPC = errno.ENOSPC
EIO = errno.EIO
