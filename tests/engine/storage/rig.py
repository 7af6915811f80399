"""A cluster small enough for one test: shared memory, files, and processes forked over them.

The WAL is a word in shared memory that says up to where it is "flushed"; records are only counted.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.config import Config
from engine.host.real import RealHost
from engine.shmem.log import Log
from engine.shmem.lwlock import MUTEX_COUNT, LWLocks
from engine.shmem.procs import FIRST_BACKEND_SLOT, BackendType, ProcTable
from engine.storage.buffer.buffers import Buffers
from engine.storage.buffer.pool import BufferPool
from engine.storage.smgr import Smgr
from engine.storage.sync_queue import SyncShared
from engine.storage.sync_requests import SyncRequests
from engine.transaction.clog import Clog, ClogShared
from engine.types import RelFileLocator

LOCATOR = RelFileLocator(1663, 5, 16384)
OTHER = RelFileLocator(1663, 5, 16385)
CHECKPOINTER = int(BackendType.CHECKPOINTER)
BACKEND = FIRST_BACKEND_SLOT


class FakeWal:
    """Counts LSNs up in shared memory: word 0 inserted, word 1 flushed, word 2 flushes done."""

    def __init__(self, words: memoryview) -> None:
        self.words = words

    @property
    def flushed(self) -> int:
        return self.words[1]

    def insert(self, rmid: int = 0, info: int = 0, main: bytes = b"") -> int:
        self.words[0] += 100
        return self.words[0]

    def flush(self, lsn: int) -> None:
        if lsn > self.words[1]:
            self.words[1] = lsn
            self.words[2] += 1

    def log_hint(self, buffer: int) -> int:
        return self.insert()


class Process:
    """The services of one process of the rig."""

    def __init__(
        self, rig: Rig, slot: int, *, in_recovery: bool = False, segment_blocks: int = 131072
    ) -> None:
        self.rig = rig
        self.host = rig.host
        self.slot = slot
        self.wal = FakeWal(rig.wal_words)
        self.log = Log(rig.host, rig.config)
        rig.procs.claim(slot, BackendType.CLIENT_BACKEND, rig.host)
        self.locks = LWLocks(rig.host, rig.lock_words, rig.mutexes, rig.procs, slot)
        self.sync = SyncRequests(
            rig.host, rig.sync, self.locks, self.log,
            owner=slot if slot == CHECKPOINTER else None,
            fsync=rig.config.fsync,
        )  # fmt: skip
        self.smgr = Smgr(
            rig.host, self.sync, self.log, in_recovery=in_recovery, segment_blocks=segment_blocks
        )
        self.buffers = Buffers(
            rig.host, rig.pool, self.locks, self.smgr, rig.procs, slot, rig.config, self.log,
            flush_wal=self.wal.flush, log_hint=self.wal.log_hint, in_recovery=in_recovery,
        )  # fmt: skip
        self.clog = Clog(
            rig.host, rig.clog, self.locks, self.wal, self.sync, self.log, in_recovery=in_recovery
        )

    def recover(self) -> None:
        """What every process does after an error."""
        self.locks.release_all()
        self.buffers.release_all()


class Rig:
    """The shared part, and the children that were forked over it."""

    def __init__(self, root: Path, host: RealHost | None = None, **settings: Any) -> None:
        values = {"shared_buffers": 16, "max_connections": 10, "fsync": False} | settings
        self.root = root
        self.host = host or RealHost(str(root))
        self.config = Config().replace(**values)
        for directory in ("base", "base/5", "global", "pg_xact"):
            (root / directory).mkdir(exist_ok=True)
        self.log_text = b""
        self.host.write_log = self._write_log  # type: ignore[method-assign]
        self.children: list[int] = []
        self.create_memory()

    def create_memory(self) -> None:
        """All shared memory new, as at the start and after a crash."""
        config = self.config
        slots = FIRST_BACKEND_SLOT + config.max_connections
        self.mutexes = self.host.create_mutexes(MUTEX_COUNT)
        self.host.create_latches(slots)
        share = self.host.map_shared
        self.procs = ProcTable(share(ProcTable.size(slots)), slots)
        self.lock_words = share(LWLocks.size(config.shared_buffers))
        self.wal_words = share(64).cast("Q")
        self.pool = BufferPool(share(BufferPool.size(config)), config)
        self.sync = SyncShared(share(SyncShared.size(config)), config)
        self.clog = ClogShared(share(ClogShared.size(config)), config)
        self.notes = share(4096).cast("Q")

    def process(self, slot: int = BACKEND, **options: Any) -> Process:
        """Be a process of the rig."""
        return Process(self, slot, **options)

    def fork(self, slot: int, main: Callable[[Process], None], **options: Any) -> int:
        """Start a child; its pid."""

        def run() -> None:
            try:
                main(Process(self, slot, **options))
            except BaseException:
                (self.root / f"complaint-{slot}").write_text(traceback.format_exc())
                raise

        pid = self.host.fork("backend", slot, run)
        self.children.append(pid)
        return pid

    def join(self, *pids: int) -> None:
        """Wait for children; each must have ended well."""
        for pid in pids:
            _, status = os.waitpid(pid, 0)
            self.children.remove(pid)
            complaints = [path.read_text() for path in self.root.glob("complaint-*")]
            assert status == 0, "\n".join(complaints) or f"wait status {status}"

    def destroy(self) -> None:
        """End what still runs."""
        for pid in self.children:
            os.kill(pid, 9)
            os.waitpid(pid, 0)

    def file(self, locator: RelFileLocator = LOCATOR) -> bytes:
        """What the file of a main fork has."""
        return (self.root / f"base/{locator.database}/{locator.relation}").read_bytes()

    def _write_log(self, data: bytes) -> None:
        self.log_text += bytes(data)
