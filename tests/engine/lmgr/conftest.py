"""A lock table over real shared memory, and processes that use it step by step."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.config import Config, SessionSettings
from engine.errors import EngineError
from engine.host.api import Signal
from engine.host.real import RealHost
from engine.lmgr.lock_shared import LockTableShared
from engine.lmgr.lock_table import LockTable
from engine.shmem.interrupts import Interrupts
from engine.shmem.lwlock import MUTEX_COUNT, LWLocks
from engine.shmem.procs import FIRST_BACKEND_SLOT, BackendType, ProcTable

SLOTS = 20


class Cluster:
    """Shared memory with a lock table; `table(slot)` is that of one process."""

    def __init__(self, root: Path, **settings: int) -> None:
        self.host = RealHost(str(root))
        self.config = Config().replace(max_connections=10, **settings)
        self.host.create_latches(SLOTS)
        self.mutexes = self.host.create_mutexes(MUTEX_COUNT)
        self.proc_memory = self.host.map_shared(ProcTable.size(SLOTS))
        self.procs = ProcTable(self.proc_memory, SLOTS)
        self.lwlock_memory = self.host.map_shared(LWLocks.size(16))
        memory = self.host.map_shared(LockTableShared.size(self.config, SLOTS))
        self.shared = LockTableShared(memory, self.config, SLOTS)
        self.journal_read, self.journal_write = self.host.pipe()
        self.pids: list[int] = []
        self._journal = b""

    def table(self, slot: int) -> LockTable:
        """The lock table as that slot's process sees it."""
        interrupts = Interrupts(self.host)
        interrupts.terminate_raises = True
        locks = LWLocks(self.host, self.lwlock_memory, self.mutexes, self.procs, slot)
        settings = SessionSettings(self.config)
        return LockTable(self.host, self.shared, locks, self.procs, slot, settings, interrupts)

    def run(self, name: str, body: Callable[[LockTable, Callable[[str], None]], None]) -> int:
        """Fork a process that runs `body(table, say)`; `say` writes a line to the journal."""
        slot = FIRST_BACKEND_SLOT + len(self.pids)

        def say(text: str) -> None:
            self.host.send(self.journal_write, f"{name} {text}\n".encode())

        def main() -> None:
            self.procs.claim(slot, BackendType.CLIENT_BACKEND, self.host)
            table = self.table(slot)
            try:
                body(table, say)
            except EngineError as error:
                detail = (error.detail or "").replace("\n", " / ")
                say(f"error {error.sqlstate} {error.message} {detail}".rstrip())
            except BaseException:
                traceback.print_exc()
                say("crashed")
                raise
            table.release_all()
            say("ended")

        pid = self.host.fork("backend", slot, main)
        self.pids.append(pid)
        return pid

    def next_line(self, timeout_ms: float = 10_000) -> str:
        """The next line of the journal; fails after the time-out."""
        while b"\n" not in self._journal:
            ready = self.host.wait(timeout_ms, read=[self.journal_read], latch=False)
            assert ready, "nothing more was said"
            self._journal += self.host.receive(self.journal_read, 4096)
        line, self._journal = self._journal.split(b"\n", 1)
        return line.decode()

    def expect(self, *lines: str) -> None:
        """The next lines of the journal, in this order."""
        assert [self.next_line() for _ in lines] == list(lines)

    def waits(self, pid_index: int) -> None:
        """Return once that process waits for a lock."""
        slot = FIRST_BACKEND_SLOT + pid_index
        for _ in range(5000):
            if self.procs.wait_event(slot)[0] == "Lock":
                return
            self.host.sleep(1)
        raise AssertionError("the process does not wait")

    def end(self) -> None:
        for pid in self.pids:
            self.host.signal(pid, Signal.KILL)
        left = set(self.pids)
        while left:
            left -= {child.pid for child in self.host.reap()}
            self.host.sleep(1)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path, deadlock_timeout=100)
    yield made
    made.end()


@pytest.fixture
def small_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Room for 100 objects."""
    made = Cluster(tmp_path, max_locks_per_transaction=10)
    yield made
    made.end()
