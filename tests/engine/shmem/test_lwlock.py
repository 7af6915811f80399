"""Light-weight locks between real processes: LWL-1 to LWL-3."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from engine.errors import InvariantViolation
from engine.host.api import Mutex, Signal
from engine.host.real import RealHost
from engine.shmem.lwlock import EXCLUSIVE, MUTEX_COUNT, SHARED, LWLocks
from engine.shmem.procs import ProcTable

SLOTS = 16
LOCK = 3


class World:
    """Shared locks, and processes that use them."""

    def __init__(self, root: Path) -> None:
        self.host = RealHost(str(root))
        self.host.create_latches(SLOTS)
        self.mutexes: Sequence[Mutex] = self.host.create_mutexes(MUTEX_COUNT)
        self.procs = ProcTable(self.host.map_shared(ProcTable.size(SLOTS)), SLOTS)
        self.memory = self.host.map_shared(LWLocks.size(16))
        self.cells = self.host.map_shared(1024).cast("Q")

    def locks(self, slot: int) -> LWLocks:
        return LWLocks(self.host, self.memory, self.mutexes, self.procs, slot)

    def fork(self, slot: int, main: Callable[[LWLocks], None]) -> int:
        return self.host.fork("backend", slot, lambda: main(self.locks(slot)))

    def statuses(self, count: int) -> list[int | None]:
        ended: list[int | None] = []
        while len(ended) < count:
            ended += [child.status for child in self.host.reap()]
            self.host.sleep(1)
        return ended


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_exclusive_lock_excludes_every_other_process(world: World) -> None:
    def count(locks: LWLocks) -> None:
        for _ in range(1500):
            locks.acquire(LOCK)
            world.cells[0] += 1
            locks.release(LOCK)

    for slot in range(1, 7):
        world.fork(slot, count)
    assert world.statuses(6) == [0] * 6
    assert world.cells[0] == 9000


def test_sharers_hold_together_and_exclude_a_writer(world: World) -> None:
    cells = world.cells

    def read(locks: LWLocks) -> None:
        for _ in range(400):
            locks.acquire(LOCK, SHARED)
            if cells[0] != cells[1]:
                cells[2] += 1
            locks.release(LOCK)

    def write(locks: LWLocks) -> None:
        for _ in range(400):
            locks.acquire(LOCK, EXCLUSIVE)
            cells[0] += 1
            cells[1] += 1
            locks.release(LOCK)

    for slot in range(1, 4):
        world.fork(slot, read)
    for slot in range(4, 7):
        world.fork(slot, write)
    assert world.statuses(6) == [0] * 6
    assert (cells[0], cells[1], cells[2]) == (1200, 1200, 0)


def test_two_sharers_need_not_wait_for_each_other(world: World) -> None:
    first, second = world.locks(1), world.locks(2)
    first.acquire(LOCK, SHARED)
    assert second.try_acquire(LOCK, SHARED)
    assert not second.try_acquire(LOCK, EXCLUSIVE)
    first.release(LOCK)
    second.release(LOCK)
    assert second.try_acquire(LOCK, EXCLUSIVE)
    assert not first.try_acquire(LOCK, SHARED)


def test_a_lock_of_a_killed_process_stays_held(world: World) -> None:
    def hold(locks: LWLocks) -> None:
        locks.acquire(LOCK)
        world.host.wake(0)
        while True:
            world.host.wait()

    pid = world.fork(1, hold)
    while not world.host.wait(1000):
        pass
    world.host.signal(pid, Signal.KILL)
    assert world.statuses(1) == [None]
    assert not world.locks(2).try_acquire(LOCK, SHARED)


def test_who_waits_for_the_holder_to_be_done_does_not_get_the_lock(world: World) -> None:
    locks = world.locks(1)
    locks.acquire(LOCK)

    def wait(waiter: LWLocks) -> None:
        taken = waiter.acquire_or_wait(LOCK)
        world.host.exit(1 if taken or waiter.holds(LOCK) else 0)

    world.fork(2, wait)
    while not world.procs.lw_waiting[2]:
        world.host.sleep(1)
    locks.release(LOCK)
    assert world.statuses(1) == [0]


def test_a_free_lock_wakes_all_who_will_not_take_it_and_one_who_will(world: World) -> None:
    """Group commit: who leaves without the lock wakes nobody, so all are woken at once."""
    locks = world.locks(1)
    locks.acquire(LOCK)

    def wait(waiter: LWLocks) -> None:
        waiter.acquire_or_wait(LOCK)

    def take(waiter: LWLocks) -> None:
        waiter.acquire(LOCK)
        waiter.release(LOCK)

    for slot, main in enumerate((wait, take, wait, take, wait), start=2):
        world.fork(slot, main)
        while not world.procs.lw_waiting[slot]:
            world.host.sleep(1)
    locks.release(LOCK)
    assert world.statuses(5) == [0] * 5


def test_the_error_path_gives_everything_back(world: World) -> None:
    locks = world.locks(1)
    locks.acquire(LOCK)
    locks.acquire(LOCK + 1, SHARED)
    assert locks.holds(LOCK, EXCLUSIVE)
    locks.release_all()
    assert not locks.holds(LOCK)
    assert world.locks(2).try_acquire(LOCK)
    assert world.locks(2).try_acquire(LOCK + 1)


def test_releasing_what_is_not_held_is_a_broken_invariant(world: World) -> None:
    with pytest.raises(InvariantViolation, match="LWL-1"):
        world.locks(1).release(LOCK)
