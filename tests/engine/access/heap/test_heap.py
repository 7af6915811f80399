"""One session, or several that take turns: what is stored is found, and seen by whom it should."""

from __future__ import annotations

import pytest

from engine.access.heap.visibility import TupleUpdate
from engine.errors import SqlError
from tests.engine.access.heap.heap_cluster import INT4, TEXT, HeapCluster


def test_an_inserted_row_is_found(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    session.insert(table, (1, 100), (2, None))
    assert session.rows(table) == [[1, 100], [2, None]]


def test_nobody_else_sees_a_row_before_its_commit(cluster: HeapCluster) -> None:
    one, other, table = cluster.session(), cluster.session(), cluster.relation()
    one.begin()
    one.insert(table, (1, 100))
    assert one.rows(table) == [[1, 100]]
    assert other.rows(table) == []
    one.commit()
    assert other.rows(table) == [[1, 100]]


def test_what_is_rolled_back_never_was(cluster: HeapCluster) -> None:
    one, other, table = cluster.session(), cluster.session(), cluster.relation()
    one.insert(table, (1, 100))
    one.begin()
    one.insert(table, (2, 100))
    one.update(table, 1, lambda row: [1, 50])
    assert sorted(one.rows(table)) == [[1, 50], [2, 100]]
    one.rollback()
    assert one.rows(table) == other.rows(table) == [[1, 100]]


def test_repeatable_read_keeps_its_snapshot_and_read_committed_does_not(
    cluster: HeapCluster,
) -> None:
    writer, table = cluster.session(), cluster.relation()
    writer.insert(table, (1, 1))
    committed, repeatable = cluster.session(), cluster.session()
    committed.begin()
    repeatable.begin("repeatable read")
    assert committed.rows(table) == repeatable.rows(table) == [[1, 1]]
    writer.update(table, 1, lambda row: [1, 2])
    assert committed.rows(table) == [[1, 2]]
    assert repeatable.rows(table) == [[1, 1]]
    repeatable.commit()
    assert repeatable.rows(table) == [[1, 2]]


def test_a_command_does_not_see_its_own_changes_but_the_next_one_does(
    cluster: HeapCluster,
) -> None:
    session, table = cluster.session(), cluster.relation()
    session.begin()
    session.insert(table, (1, 1))
    with session.statement() as snapshot:
        rows = list(session.heap.scan(table, snapshot))
        assert session.heap.update(table, rows[0].tid, [1, 2]).is_ok
        assert [row.values() for row in session.heap.scan(table, snapshot)] == [[1, 1]]
        outcome = session.heap.update(table, rows[0].tid, [1, 3])
        assert outcome.result is TupleUpdate.SELF_MODIFIED
    assert session.rows(table) == [[1, 2]]
    session.update(table, 1, lambda row: [1, row[1] + 1])
    session.delete(table, 1)
    assert session.rows(table) == []
    session.commit()
    assert session.rows(table) == []


def test_a_deleted_row_is_gone_for_those_who_come_later(cluster: HeapCluster) -> None:
    one, other, table = cluster.session(), cluster.session(), cluster.relation()
    one.insert(table, (1, 1), (2, 2))
    other.begin("repeatable read")
    assert len(other.rows(table)) == 2
    assert one.delete(table, 1) == 1
    assert one.rows(table) == [[2, 2]]
    assert len(other.rows(table)) == 2


def test_an_update_of_what_another_has_updated_says_where_the_new_version_is(
    cluster: HeapCluster,
) -> None:
    one, other, table = cluster.session(), cluster.session(), cluster.relation()
    one.insert(table, (1, 1))
    with other.statement() as snapshot:
        row = other.find(table, 1, snapshot)
        assert row is not None
        one.update(table, 1, lambda row: [1, 2])
        outcome = other.heap.update(table, row.tid, [1, 9])
        assert outcome.result is TupleUpdate.UPDATED
        latest = other.heap.latest_version(table, outcome)
        assert latest is not None
        assert latest.values() == [1, 2]
        one.delete(table, 1)
        outcome = other.heap.update(table, latest.tid, [1, 9])
        assert outcome.result is TupleUpdate.DELETED


def test_an_update_that_may_not_wait_says_who_is_at_the_row(cluster: HeapCluster) -> None:
    one, other, table = cluster.session(), cluster.session(), cluster.relation()
    one.insert(table, (1, 1))
    one.begin()
    one.update(table, 1, lambda row: [1, 2])
    with other.statement() as snapshot:
        row = other.find(table, 1, snapshot)
        assert row is not None
        outcome = other.heap.delete(table, row.tid, wait=False)
        assert outcome.result is TupleUpdate.BEING_MODIFIED
        assert outcome.xmax == one.transactions.xid


def test_rows_of_many_pages_and_with_long_text_are_found(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, TEXT)
    rows = [[number, "x" * (number * 7 % 3000)] for number in range(200)]
    session.insert(table, *rows)
    assert session.rows(table) == rows
    for number in range(0, 200, 3):
        session.update(table, number, lambda row: [row[0], row[1] + "longer" * 100])
        rows[number][1] += "longer" * 100  # type: ignore[operator]
    assert sorted(session.rows(table)) == rows


def test_many_rows_at_once_are_stored_like_single_ones(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, TEXT)
    rows = [[number, "y" * (number % 50)] for number in range(2000)]
    with session.statement():
        tids = session.heap.multi_insert(table, rows)
    assert len(set(tids)) == 2000
    assert session.rows(table) == rows
    with session.statement() as snapshot:
        found = session.heap.fetch(table, tids[1234], snapshot)
        assert found is not None
        assert found.values() == rows[1234]


def test_a_row_that_fits_on_no_page_is_refused(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, TEXT)
    session.insert(table, (1, "x" * 8100))
    with pytest.raises(SqlError) as refused:
        session.insert(table, (2, "x" * 8200))
    assert refused.value.sqlstate == "54000"
    assert len(session.rows(table)) == 1


def test_an_update_that_fits_goes_to_the_same_page(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, TEXT)
    session.insert(table, (1, "a"), (2, "b" * 4000), (3, "c" * 3500))
    with session.statement() as snapshot:
        row = session.find(table, 1, snapshot)
        assert row is not None
        small = session.heap.update(table, row.tid, [1, "aa"])
        assert small.tid is not None
        assert small.tid.block == 0
    with session.statement() as snapshot:
        row = session.find(table, 1, snapshot)
        assert row is not None
        large = session.heap.update(table, row.tid, [1, "a" * 2000])
        assert large.tid is not None
        assert large.tid.block == 1
    assert sorted(len(row[1]) for row in session.rows(table)) == [2000, 3500, 4000]


def test_a_row_overwritten_in_place_changes_for_everybody_at_once(cluster: HeapCluster) -> None:
    one, other, table = cluster.session(), cluster.session(), cluster.relation()
    one.insert(table, (1, 1))
    other.begin("repeatable read")
    assert other.rows(table) == [[1, 1]]
    with one.statement() as snapshot:
        row = one.find(table, 1, snapshot)
        assert row is not None
        one.heap.inplace_update(table, row.tid, [1, 77])
    assert other.rows(table) == [[1, 77]]


def test_each_snapshot_of_a_transaction_sees_the_commands_before_it(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    session.begin()
    seen = []
    for step in range(6):
        session.transactions.start_command()
        seen.append((session.transactions.snapshot(), step))
        if step % 2 == 0:
            session.heap.insert(table, (step, step))
        else:
            row = session.find(table, step - 1, seen[-1][0])
            assert row is not None
            assert session.heap.delete(table, row.tid).is_ok
        session.transactions.commit_command()
    for snapshot, step in seen:
        keys = [row.values()[0] for row in session.heap.scan(table, snapshot)]
        assert keys == ([step - 1] if step % 2 else [])
    session.commit()
