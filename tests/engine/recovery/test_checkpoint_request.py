"""Checkpoint requests between real processes: who waits is served by a checkpoint begun after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import Config
from engine.errors import SqlError
from engine.host.api import Signal
from engine.host.real import RealHost
from engine.recovery.checkpoint_request import (
    CheckpointFlags,
    CheckpointRequests,
    CheckpointRequestShared,
)
from engine.shmem.lwlock import MUTEX_COUNT, LWLocks
from engine.shmem.procs import ProcTable

CHECKPOINTER = 2
REQUESTER = 9
SLOTS = 20


class Requests:
    """The requests over shared memory, with a checkpointer process if a test starts one."""

    def __init__(self, root: Path) -> None:
        self.host = RealHost(str(root))
        self.host.create_latches(SLOTS)
        self.mutexes = self.host.create_mutexes(MUTEX_COUNT)
        self.words = self.host.map_shared(LWLocks.size(16))
        self.procs = ProcTable(self.host.map_shared(ProcTable.size(SLOTS)), SLOTS)
        config = Config().replace(max_connections=5)
        size = CheckpointRequestShared.size(config)
        self.shared = CheckpointRequestShared(self.host.map_shared(size), config)
        self.answers = self.host.map_shared(64).cast("I")
        self.pids: list[int] = []

    def of(self, slot: int) -> CheckpointRequests:
        """The requests as the process in that slot has them."""
        locks = LWLocks(self.host, self.words, self.mutexes, self.procs, slot)
        return CheckpointRequests(self.host, self.shared, locks, slot)

    def fork_requester(self, slot: int, flags: CheckpointFlags) -> None:
        """A process that requests, and notes 1 when served, 2 when told that it failed."""

        def main() -> None:
            try:
                self.of(slot).request(flags)
                self.answers[slot] = 1
            except SqlError:
                self.answers[slot] = 2
            self.host.wake(0)

        self.pids.append(self.host.fork("backend", slot, main))

    def wait_until(self, condition: object) -> None:
        """Wait, at most 10 s."""
        for _ in range(1000):
            if condition():  # type: ignore[operator]
                return
            self.host.wait(10)
        raise AssertionError("timed out")


@pytest.fixture
def requests(tmp_path: Path) -> Iterator[Requests]:
    """Requests without a server."""
    found = Requests(tmp_path)
    yield found
    for pid in found.pids:
        found.host.signal(pid, Signal.KILL)
    while found.pids:
        for ended in found.host.reap():
            found.pids.remove(ended.pid)
        found.host.wait(5)


def test_all_who_wait_are_served_by_one_checkpoint_with_all_their_flags(
    requests: Requests,
) -> None:
    requests.fork_requester(REQUESTER, CheckpointFlags.WAIT | CheckpointFlags.FORCE)
    requests.fork_requester(REQUESTER + 1, CheckpointFlags.WAIT | CheckpointFlags.IMMEDIATE)
    checkpointer = requests.of(CHECKPOINTER)
    both = CheckpointFlags.FORCE | CheckpointFlags.IMMEDIATE
    requests.wait_until(lambda: requests.shared.words[0] & both == both)
    flags = checkpointer.begin()
    assert flags & both == both
    assert list(requests.answers[REQUESTER : REQUESTER + 2]) == [0, 0]
    checkpointer.finish()
    requests.wait_until(lambda: list(requests.answers[REQUESTER : REQUESTER + 2]) == [1, 1])


def test_checkpoint_under_way_does_not_serve_a_later_request(requests: Requests) -> None:
    checkpointer = requests.of(CHECKPOINTER)
    checkpointer.begin()
    requests.fork_requester(REQUESTER, CheckpointFlags.WAIT)
    requests.wait_until(checkpointer.is_pending)
    checkpointer.finish()
    requests.host.wait(50)
    assert requests.answers[REQUESTER] == 0
    checkpointer.begin()
    checkpointer.finish()
    requests.wait_until(lambda: requests.answers[REQUESTER] == 1)


def test_who_waits_is_told_that_the_checkpoint_failed(requests: Requests) -> None:
    requests.fork_requester(REQUESTER, CheckpointFlags.WAIT)
    checkpointer = requests.of(CHECKPOINTER)
    requests.wait_until(checkpointer.is_pending)
    checkpointer.begin()
    checkpointer.finish(failed=True)
    requests.wait_until(lambda: requests.answers[REQUESTER] == 2)
