"""DSG-1: valid histories are found valid, though registers show little of their versions' order."""

from __future__ import annotations

import pytest

from properties.isolation.checking import check
from tests.properties.isolation.database import Database

WORKLOADS = ("list-append", "rw-register")


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("seed", range(6))
def test_transactions_that_ran_at_one_moment_each_are_strictly_serializable(
    workload: str, seed: int
) -> None:
    history = Database(seed, workload, clients=2 + 3 * seed, one_at_a_time=True).run(600)
    assert check(history, workload=workload).valid is True


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("read_committed", [0, 0.5, 1])
def test_snapshots_that_were_new_are_strong_snapshot_isolation(
    workload: str, seed: int, read_committed: float
) -> None:
    database = Database(seed, workload, clients=2 + seed, read_committed=read_committed)
    verdict = check(database.run(300), workload=workload, model="strong-snapshot-isolation")
    assert verdict.valid is True


@pytest.mark.parametrize("workload", WORKLOADS)
def test_snapshots_alone_are_not_serializable(workload: str) -> None:
    verdicts = [
        check(Database(seed, workload).run(300), workload=workload, model="serializable")
        for seed in range(5)
    ]
    assert any(verdict.violations == ("G2-item",) for verdict in verdicts)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_database_that_loses_updates_is_caught(workload: str) -> None:
    history = Database(1, workload, clients=8, flaw="lost update").run(300)
    verdict = check(history, workload=workload, model="snapshot-isolation")
    assert "lost-update" in verdict.violations


@pytest.mark.parametrize("seed", range(6))
def test_old_snapshots_are_serializable_though_time_says_otherwise(seed: int) -> None:
    history = Database(seed, "rw-register", clients=8, one_at_a_time=True).run(200)
    # as if all had run at the same time, but processes kept their order
    for transaction in history:
        transaction.process = transaction.id
        transaction.invoked %= 17
    assert check(history, workload="rw-register", model="serializable").valid is True
