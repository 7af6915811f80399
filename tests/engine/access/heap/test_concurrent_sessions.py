"""Several processes on one table: no update is lost, no snapshot is torn."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from engine.access.relation import Relation
from engine.errors import EngineError
from tests.engine.access.heap.heap_cluster import INT4, INT8, TEXT, HeapCluster, Session

Say = Callable[[str], None]

PROCESSES = 4
ACCOUNTS = 6


def all_ended(cluster: HeapCluster, processes: int) -> list[str]:
    """What the processes said until each had ended; fails if one crashed."""
    said, ended = [], 0
    while ended < processes:
        line = cluster.next_line()
        assert not line.endswith("crashed"), line
        ended += line.endswith(" ended")
        said.append(line)
    return said


def transfer(session: Session, table: Relation, chance: random.Random) -> None:
    """Move money between two accounts, in a transaction; sometimes think better of it."""
    one, other = sorted(chance.sample(range(ACCOUNTS), 2))
    amount = chance.randrange(1, 10)
    session.begin()
    session.update(table, one, lambda row: [row[0], row[1] - amount, *row[2:]])
    session.update(table, other, lambda row: [row[0], row[1] + amount, *row[2:]])
    (session.rollback if chance.random() < 0.1 else session.commit)()


def test_no_increment_is_lost_under_read_committed(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    session.insert(table, (1, 0), (2, 0))

    def increment(one: Session, say: Say) -> None:
        for turn in range(100):
            done = one.update(table, 1 + turn % 2, lambda row: [row[0], row[1] + 1])
            assert done == 1

    for number in range(PROCESSES):
        cluster.run(f"p{number}", increment)
    all_ended(cluster, PROCESSES)
    assert sorted(session.rows(table)) == [[1, 200], [2, 200]]


def test_under_repeatable_read_the_second_updater_fails_and_nothing_is_lost(
    cluster: HeapCluster,
) -> None:
    session, table = cluster.session(), cluster.relation()
    session.insert(table, (1, 0))

    def increment(one: Session, say: Say) -> None:
        done = failed = 0
        while done < 50:
            try:
                one.begin("repeatable read")
                one.update(table, 1, lambda row: [row[0], row[1] + 1])
                one.commit()
                done += 1
            except EngineError as error:
                say(f"error {error.sqlstate}")
                one.rollback()
                failed += 1
        say(f"failed {failed}")

    for number in range(PROCESSES):
        cluster.run(f"p{number}", increment)
    said = all_ended(cluster, PROCESSES)
    assert sum(int(line.split()[-1]) for line in said if "failed" in line) > 0
    assert {line.split()[-1] for line in said if " error " in line} == {"40001"}
    assert session.rows(table) == [[1, 50 * PROCESSES]]


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
@pytest.mark.parametrize("shared_buffers", [16, 64])
def test_every_snapshot_sees_all_of_a_transfer_or_nothing(
    make_cluster: Callable[..., HeapCluster], isolation: str, shared_buffers: int
) -> None:
    cluster = make_cluster(shared_buffers=shared_buffers)
    session, table = cluster.session(), cluster.relation(INT4, INT8, TEXT)
    session.insert(table, *[(number, 100, "x" * 500) for number in range(ACCOUNTS)])

    def work(one: Session, say: Say) -> None:
        chance = random.Random(one.instance.slot)
        for _ in range(60):
            transfer(one, table, chance)

    def read(one: Session, say: Say) -> None:
        sums = set()
        for _ in range(60):
            one.begin(isolation)
            for _ in range(3):
                rows = one.rows(table)
                assert sorted(row[0] for row in rows) == list(range(ACCOUNTS))
                sums.add(sum(row[1] for row in rows))
            one.commit()
        say(f"sums {sorted(sums)}")

    for number in range(PROCESSES - 1):
        cluster.run(f"w{number}", work)
    cluster.run("reader", read)
    said = all_ended(cluster, PROCESSES)
    assert f"reader sums [{100 * ACCOUNTS}]" in said
    assert sum(row[1] for row in session.rows(table)) == 100 * ACCOUNTS


def test_vacuum_beside_updates_loses_and_resurrects_nothing(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, INT8, TEXT)
    session.insert(table, *[(number, 100, "x" * 900) for number in range(ACCOUNTS)])

    def work(one: Session, say: Say) -> None:
        chance = random.Random(one.instance.slot)
        for _ in range(80):
            transfer(one, table, chance)

    def vacuum(one: Session, say: Say) -> None:
        removed = 0
        for _ in range(30):
            removed += one.vacuum(table, freeze_min_age=3).tuples_removed
            rows = one.rows(table)
            assert sorted(row[0] for row in rows) == list(range(ACCOUNTS))
            assert sum(row[1] for row in rows) == 100 * ACCOUNTS
        say(f"removed {removed}")

    for number in range(PROCESSES - 1):
        cluster.run(f"w{number}", work)
    cluster.run("vacuum", vacuum)
    all_ended(cluster, PROCESSES)
    assert sum(row[1] for row in session.rows(table)) == 100 * ACCOUNTS


def test_rows_that_many_insert_at_once_are_all_there(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, TEXT)

    def insert(one: Session, say: Say) -> None:
        base = one.instance.slot * 1000
        for number in range(150):
            one.insert(table, (base + number, "t" * (number * 3)))
        with one.statement(table):
            one.heap.multi_insert(table, [(base + number, "m" * 99) for number in range(150, 400)])

    for number in range(PROCESSES):
        cluster.run(f"p{number}", insert)
    all_ended(cluster, PROCESSES)
    keys = [row[0] for row in session.rows(table)]
    assert len(keys) == len(set(keys)) == PROCESSES * 400


def test_two_that_wait_for_each_other_are_told_so(
    make_cluster: Callable[..., HeapCluster],
) -> None:
    cluster = make_cluster()
    session, table = cluster.session(), cluster.relation()
    session.insert(table, (1, 0), (2, 0))

    def cross(first: int, second: int) -> Callable[[Session, Say], None]:
        def body(one: Session, say: Say) -> None:
            one.settings.values["deadlock_timeout"] = 200
            one.begin()
            one.update(table, first, lambda row: [row[0], row[1] + 1])
            say("has")
            one.instance.host.sleep(300)
            try:
                one.update(table, second, lambda row: [row[0], row[1] + 1])
                one.commit()
            except EngineError as error:
                say(f"error {error.sqlstate}")
                one.rollback()

        return body

    cluster.run("a", cross(1, 2))
    cluster.run("b", cross(2, 1))
    said = all_ended(cluster, 2)
    assert len([line for line in said if line.endswith("error 40P01")]) == 1
    assert sorted(session.rows(table)) == [[1, 1], [2, 1]]


def test_a_waiter_goes_on_with_what_the_other_committed(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    session.insert(table, (1, 10))

    def first(one: Session, say: Say) -> None:
        one.begin()
        one.update(table, 1, lambda row: [1, row[1] * 2])
        say("changed")
        one.instance.host.sleep(300)
        one.commit()

    def second(one: Session, say: Say) -> None:
        one.update(table, 1, lambda row: [1, row[1] + 1])

    cluster.run("first", first)
    assert cluster.next_line() == "first changed"
    cluster.run("second", second)
    all_ended(cluster, 2)
    assert session.rows(table) == [[1, 21]]


def test_a_waiter_goes_on_with_the_old_row_when_the_other_rolls_back(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    session.insert(table, (1, 10))

    def first(one: Session, say: Say) -> None:
        one.begin()
        one.delete(table, 1)
        say("changed")
        one.instance.host.sleep(300)
        one.rollback()

    def second(one: Session, say: Say) -> None:
        assert one.update(table, 1, lambda row: [1, row[1] + 1]) == 1

    cluster.run("first", first)
    assert cluster.next_line() == "first changed"
    cluster.run("second", second)
    all_ended(cluster, 2)
    assert session.rows(table) == [[1, 11]]


def test_a_waiter_finds_nothing_when_the_other_deleted_the_row(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    session.insert(table, (1, 10))

    def first(one: Session, say: Say) -> None:
        one.begin()
        one.delete(table, 1)
        say("changed")
        one.instance.host.sleep(300)
        one.commit()

    def second(one: Session, say: Say) -> None:
        assert one.update(table, 1, lambda row: [1, row[1] + 1]) == 0

    cluster.run("first", first)
    assert cluster.next_line() == "first changed"
    cluster.run("second", second)
    all_ended(cluster, 2)
    assert session.rows(table) == []


def test_xids_are_given_out_once(cluster: HeapCluster) -> None:
    def take(one: Session, say: Say) -> None:
        for _ in range(100):
            one.begin()
            one.transactions.start_command()
            say(f"xid {one.transactions.current_xid()} {one.instance.xids.new_oid()}")
            one.transactions.commit_command()
            one.rollback()

    for number in range(PROCESSES):
        cluster.run(f"p{number}", take)
    said = [line.split() for line in all_ended(cluster, PROCESSES) if " xid " in line]
    assert len({line[2] for line in said}) == len({line[3] for line in said}) == 100 * PROCESSES
