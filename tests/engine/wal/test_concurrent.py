"""Many processes write one WAL: what a process was told is durable is there, each record once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from struct import Struct

import pytest

from engine.host.api import Signal
from engine.wal.rmgr import Rmgr
from tests.engine.wal.wal_cluster import WalCluster

WRITERS = 5
RECORDS = 150
MAIN = Struct("<II")


class Writers:
    """Forked processes that insert numbered records, flush them, and note the last flushed."""

    def __init__(self, cluster: WalCluster) -> None:
        self.cluster = cluster
        self.acknowledged = cluster.host.map_shared(64).cast("I")
        self.pids: list[int] = []

    def fork(self, slot: int, records: int) -> None:
        def main() -> None:
            wal = self.cluster.process(slot)
            chance = random.Random(slot)
            for number in range(1, records + 1):
                size = chance.choice((0, 20, 500, 9000, 40_000 if number % 10 == 0 else 1))
                end = wal.insert(Rmgr.XLOG, 0x20, MAIN.pack(slot, number) + bytes(size))
                wal.flush(end)
                self.acknowledged[slot] = number

        self.pids.append(self.cluster.host.fork("backend", slot, main))

    def wait_for_all(self) -> list[tuple[int | None, int | None]]:
        """How each ended: (status, signal)."""
        ended = []
        while self.pids:
            for child in self.cluster.host.reap():
                self.pids.remove(child.pid)
                ended.append((child.status, child.signal))
            if self.pids:
                self.cluster.host.wait(5)
        return ended


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[Writers]:
    """Writers over a small ring, so that they meet each other everywhere."""
    found = Writers(WalCluster(tmp_path, ring_pages=6))
    yield found
    for pid in found.pids:
        found.cluster.host.signal(pid, Signal.KILL)
    found.wait_for_all()


def numbers_by_slot(cluster: WalCluster) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for record in cluster.records():
        slot, number = MAIN.unpack_from(record.main)
        found.setdefault(slot, []).append(number)
    return found


def test_records_of_many_processes_are_all_there_and_in_order(writers: Writers) -> None:
    for slot in range(1, WRITERS + 1):
        writers.fork(slot, RECORDS)
    assert writers.wait_for_all() == [(0, None)] * WRITERS
    found = numbers_by_slot(writers.cluster)
    assert found == {slot: list(range(1, RECORDS + 1)) for slot in range(1, WRITERS + 1)}


@pytest.mark.parametrize("delay_ms", [5, 20, 60])
def test_what_was_acknowledged_is_there_after_all_were_killed(
    writers: Writers, delay_ms: int
) -> None:
    for slot in range(1, WRITERS + 1):
        writers.fork(slot, 100_000)
    while not any(writers.acknowledged[slot] for slot in range(1, WRITERS + 1)):
        writers.cluster.host.wait(1)
    writers.cluster.host.sleep(delay_ms)
    for pid in writers.pids:
        writers.cluster.host.signal(pid, Signal.KILL)
    writers.wait_for_all()
    found = numbers_by_slot(writers.cluster)
    for slot in range(1, WRITERS + 1):
        acknowledged = writers.acknowledged[slot]
        numbers = found.get(slot, [])
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= acknowledged
