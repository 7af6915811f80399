"""Waiting for locks between real processes."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from engine.errors import SqlError
from engine.host.api import Signal
from engine.lmgr.lock_table import LockTable
from engine.lmgr.lock_tag import LockTag
from engine.lmgr.modes import LockMode
from tests.engine.lmgr.conftest import Cluster

Say = Callable[[str], None]

TABLE = LockTag.relation(5, 16384)
OTHER = LockTag.relation(5, 16385)


def test_a_waiter_is_granted_when_the_holder_releases(cluster: Cluster) -> None:
    holder = cluster.table(1)
    holder.acquire(TABLE, LockMode.ACCESS_EXCLUSIVE)

    def waiter(table: LockTable, say: Say) -> None:
        table.acquire(TABLE, LockMode.ACCESS_SHARE)
        say("granted")

    cluster.run("waiter", waiter)
    cluster.waits(0)
    assert [(row.mode, row.granted) for row in holder.status()] == [
        (LockMode.ACCESS_SHARE, False),
        (LockMode.ACCESS_EXCLUSIVE, True),
    ]
    holder.release_all()
    cluster.expect("waiter granted", "waiter ended")


def test_a_weak_request_does_not_overtake_a_strong_one(cluster: Cluster) -> None:
    holder = cluster.table(1)
    holder.acquire(TABLE, LockMode.ACCESS_SHARE)
    order = [LockMode.ACCESS_EXCLUSIVE, LockMode.ACCESS_SHARE, LockMode.ACCESS_EXCLUSIVE]
    for number, mode in enumerate(order):

        def body(table: LockTable, say: Say, mode: LockMode = mode) -> None:
            table.acquire(TABLE, mode)
            say("granted")

        cluster.run(str(number), body)
        cluster.waits(number)
    holder.release_all()
    lines = [cluster.next_line() for _ in range(6)]
    assert [line for line in lines if "granted" in line] == [
        "0 granted",
        "1 granted",
        "2 granted",
    ]


def test_waiters_that_do_not_conflict_are_granted_together(cluster: Cluster) -> None:
    holder = cluster.table(1)
    holder.acquire(TABLE, LockMode.ACCESS_EXCLUSIVE)

    def reader(table: LockTable, say: Say) -> None:
        table.acquire(TABLE, LockMode.ACCESS_SHARE)
        say("granted")
        cluster.host.sleep(60_000)

    for number in range(3):
        cluster.run("reader", reader)
        cluster.waits(number)
    holder.release_all()
    cluster.expect("reader granted", "reader granted", "reader granted")


def in_circle(cluster: Cluster, count: int) -> list[str]:
    """Processes that each hold one lock and then ask for the next one's; what they say."""
    tags = [LockTag.transaction(100 + number) for number in range(count)]
    barrier = LockTag.advisory(5, 0, 0, 1)
    gate = cluster.table(1)
    gate.acquire(barrier, LockMode.EXCLUSIVE)
    for number in range(count):

        def body(table: LockTable, say: Say, number: int = number) -> None:
            table.acquire(tags[number], LockMode.EXCLUSIVE)
            table.acquire(barrier, LockMode.SHARE)
            table.release(barrier, LockMode.SHARE)
            table.acquire(tags[(number + 1) % count], LockMode.SHARE)

        cluster.run(str(number), body)
        cluster.waits(number)
    gate.release_all()
    return [cluster.next_line() for _ in range(count + 1)]


def test_a_deadlock_of_two_ends_one_of_them_and_lets_the_other_go_on(cluster: Cluster) -> None:
    lines = in_circle(cluster, 2)
    (report,) = [line for line in lines if "error" in line]
    loser = int(report[0])
    winner = 1 - loser
    first, second = cluster.pids[loser], cluster.pids[winner]
    assert report == (
        f"{loser} error 40P01 deadlock detected "
        f"Process {first} waits for ShareLock on transaction {100 + winner}; "
        f"blocked by process {second}. / "
        f"Process {second} waits for ShareLock on transaction {100 + loser}; "
        f"blocked by process {first}."
    )


def test_a_deadlock_of_three_ends_only_one(cluster: Cluster) -> None:
    lines = in_circle(cluster, 3)
    assert sum("40P01" in line for line in lines) == 1


def test_two_holders_that_both_want_more_are_found_without_waiting_for_the_timeout(
    cluster: Cluster,
) -> None:
    cluster.config = cluster.config.replace(deadlock_timeout=60_000)
    mine = cluster.table(1)
    mine.acquire(TABLE, LockMode.ACCESS_SHARE)

    def other(table: LockTable, say: Say) -> None:
        table.acquire(TABLE, LockMode.ACCESS_SHARE)
        table.acquire(TABLE, LockMode.ACCESS_EXCLUSIVE)
        say("granted")

    cluster.run("other", other)
    cluster.waits(0)
    with pytest.raises(SqlError, match="deadlock detected") as caught:
        mine.acquire(TABLE, LockMode.ACCESS_EXCLUSIVE)
    assert caught.value.sqlstate == "40P01"
    assert mine.holds(TABLE, LockMode.ACCESS_SHARE)
    mine.release_all()
    cluster.expect("other granted", "other ended")


def test_a_holder_that_wants_more_goes_before_those_that_it_blocks(cluster: Cluster) -> None:
    mine = cluster.table(1)
    mine.acquire(TABLE, LockMode.SHARE)

    def writer(table: LockTable, say: Say) -> None:
        table.acquire(TABLE, LockMode.ROW_EXCLUSIVE)
        say("granted")

    cluster.run("writer", writer)
    cluster.waits(0)
    assert mine.acquire(TABLE, LockMode.SHARE_ROW_EXCLUSIVE)
    mine.release_all()
    cluster.expect("writer granted", "writer ended")


def test_a_deadlock_by_queue_order_alone_is_dissolved(cluster: Cluster) -> None:
    """See test_deadlock: the last reader is moved in front of the writer that it does not need."""
    one_gate, two_gate = LockTag.advisory(5, 0, 1, 1), LockTag.advisory(5, 0, 2, 1)
    gate = cluster.table(1)
    gate.acquire(one_gate, LockMode.EXCLUSIVE)
    gate.acquire(two_gate, LockMode.EXCLUSIVE)

    def one(table: LockTable, say: Say) -> None:
        table.acquire(TABLE, LockMode.ACCESS_SHARE)
        table.acquire(one_gate, LockMode.SHARE)
        table.acquire(OTHER, LockMode.EXCLUSIVE)
        say("granted")

    def two(table: LockTable, say: Say) -> None:
        table.acquire(TABLE, LockMode.ACCESS_EXCLUSIVE)
        say("granted")

    def three(table: LockTable, say: Say) -> None:
        table.acquire(OTHER, LockMode.EXCLUSIVE)
        table.acquire(two_gate, LockMode.SHARE)
        table.acquire(TABLE, LockMode.ACCESS_SHARE)
        say("granted")

    cluster.run("three", three)
    cluster.waits(0)
    cluster.run("one", one)
    cluster.waits(1)
    cluster.run("two", two)
    cluster.waits(2)
    gate.release(two_gate, LockMode.EXCLUSIVE)
    gate.release(one_gate, LockMode.EXCLUSIVE)
    cluster.expect("three granted")
    assert sorted(cluster.next_line() for _ in range(5)) == [
        "one ended",
        "one granted",
        "three ended",
        "two ended",
        "two granted",
    ]


def test_a_cancelled_wait_leaves_the_queue(cluster: Cluster) -> None:
    holder = cluster.table(1)
    holder.acquire(TABLE, LockMode.ACCESS_SHARE)

    def waiter(table: LockTable, say: Say) -> None:
        table.acquire(TABLE, LockMode.ACCESS_EXCLUSIVE)

    pid = cluster.run("waiter", waiter)
    cluster.waits(0)

    def reader(table: LockTable, say: Say) -> None:
        table.acquire(TABLE, LockMode.ACCESS_SHARE)
        say("granted")

    cluster.run("reader", reader)
    cluster.waits(1)
    cluster.host.signal(pid, Signal.INT)
    lines = sorted(cluster.next_line() for _ in range(4))
    assert lines == [
        "reader ended",
        "reader granted",
        "waiter ended",
        "waiter error 57014 canceling statement due to user request",
    ]
    holder.release_all()
    assert holder.status() == []


def test_lock_timeout_ends_the_wait(cluster: Cluster) -> None:
    cluster.config = cluster.config.replace(lock_timeout=30)
    holder = cluster.table(1)
    holder.acquire(TABLE, LockMode.ACCESS_EXCLUSIVE)

    def waiter(table: LockTable, say: Say) -> None:
        table.acquire(TABLE, LockMode.ACCESS_SHARE)

    cluster.run("waiter", waiter)
    cluster.expect("waiter error 55P03 canceling statement due to lock timeout", "waiter ended")


def test_waiting_for_a_transaction_ends_with_it(cluster: Cluster) -> None:
    updater = cluster.table(1)
    updater.lock_own_xid(735)

    def waiter(table: LockTable, say: Say) -> None:
        table.wait_for_xid(735, 'while updating tuple (0,1) in relation "t"')
        say("over")

    cluster.run("waiter", waiter)
    cluster.waits(0)
    assert cluster.procs.wait_event(9) == ("Lock", "transactionid")
    updater.release_all()
    cluster.expect("waiter over", "waiter ended")


def test_holders_of_exclusive_locks_never_overlap_whatever_deadlocks_happen(
    cluster: Cluster,
) -> None:
    cluster.config = cluster.config.replace(deadlock_timeout=5)
    counters = cluster.host.map_shared(16).cast("I")
    tags = [LockTag.transaction(number) for number in range(4)]
    rounds, workers = 150, 4

    def body(table: LockTable, say: Say, seed: int = 0) -> None:
        choose = random.Random(seed)
        done = 0
        while done < rounds:
            first, second = choose.sample(range(4), 2)
            try:
                table.acquire(tags[first], LockMode.EXCLUSIVE)
                table.acquire(tags[second], LockMode.EXCLUSIVE)
                for number in (first, second):
                    before = counters[number]
                    cluster.host.sleep(0)
                    counters[number] = before + 1
                done += 1
            except SqlError as error:
                if error.sqlstate != "40P01":
                    raise
            table.release_all()

    for number in range(workers):
        cluster.run(str(number), lambda table, say, seed=number: body(table, say, seed))
    assert sorted(cluster.next_line(60_000) for _ in range(workers)) == [
        f"{number} ended" for number in range(workers)
    ]
    assert sum(counters) == 2 * rounds * workers
    assert cluster.table(1).status() == []
