"""Pruning, VACUUM, freezing, the free space map: what is dead goes, and its room is used again."""

from __future__ import annotations

import errno
import os

import pytest

from engine.access.heap.tuple import XMIN_FROZEN, tuple_infomask
from engine.access.heap.vacuum import freeze_cutoff
from engine.errors import PanicError, SqlError
from engine.lmgr.lock_tag import LockTag
from engine.lmgr.modes import LockMode
from engine.storage.page import (
    LP_NORMAL,
    LP_REDIRECT,
    LP_UNUSED,
    line_pointers,
    prune_xid,
)
from engine.types import BLOCK_SIZE, RelFork
from tests.engine.access.heap.heap_cluster import INT4, INT8, TEXT, HeapCluster, Session
from tests.engine.access.heap.masked_pages import pages_of


def blocks(session: Session, table: object) -> int:
    return session.instance.smgr.nblocks(table.locator, RelFork.MAIN)  # type: ignore[attr-defined]


def states(page: bytes) -> list[int]:
    return [pointer >> 15 & 3 for pointer in line_pointers(page)]


def test_updates_of_one_row_stay_on_its_page_for_ever(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, INT8, TEXT)
    session.insert(table, (1, 0, "x" * 300))
    for _ in range(500):
        session.update(table, 1, lambda row: [row[0], row[1] + 1, row[2]])
    assert session.rows(table) == [[1, 500, "x" * 300]]
    assert blocks(session, table) == 1
    assert states(pages_of(session, table)[0])[0] == LP_REDIRECT


def test_pruning_leaves_what_an_old_snapshot_sees(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, INT8, TEXT)
    session.insert(table, (1, 0, "x" * 300))
    old = cluster.session()
    for _ in range(1, 5):
        session.update(table, 1, lambda row: [row[0], row[1] + 1, row[2]])
    old.begin("repeatable read")
    assert old.rows(table)[0][1] == 4
    for _ in range(100):
        session.update(table, 1, lambda row: [row[0], row[1] + 1, row[2]])
        assert old.rows(table)[0][1] == 4
    old.commit()
    for _ in range(100):
        session.update(table, 1, lambda row: [row[0], row[1] + 1, row[2]])
    session.vacuum(table)
    normal = sum(state == LP_NORMAL for page in pages_of(session, table) for state in states(page))
    assert normal == 1
    assert session.rows(table)[0][1] == 204


def test_a_snapshot_that_nobody_holds_any_more_protects_nothing(cluster: HeapCluster) -> None:
    reader, writer, table = cluster.session(), cluster.session(), cluster.relation()
    writer.insert(table, (1, 0))
    reader.begin()
    with reader.statement() as snapshot:
        assert list(reader.heap.scan(table, snapshot))
        del snapshot
    before = writer.instance.proc_array.oldest_nonremovable_xid()
    writer.update(table, 1, lambda row: [1, 1])
    assert writer.instance.proc_array.oldest_nonremovable_xid() == before + 1
    with reader.statement() as snapshot:
        writer.update(table, 1, lambda row: [1, 2])
        assert writer.instance.proc_array.oldest_nonremovable_xid() == before + 1
        del snapshot
    reader.commit()


def test_vacuum_empties_a_table_of_deleted_rows_and_cuts_its_end(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, TEXT)
    with session.statement():
        session.heap.multi_insert(table, [(n, "x" * 1000) for n in range(200)])
    assert blocks(session, table) > 20
    for number in range(20, 200):
        session.delete(table, number)
    result = session.vacuum(table)
    assert result.tuples_removed == 180
    assert result.tuples_live == 20
    assert result.pages_removed > 20
    assert blocks(session, table) == 3
    path = cluster.root / session.instance.smgr.relation_path(table.locator, RelFork.MAIN)
    assert path.stat().st_size == 3 * BLOCK_SIZE
    assert [row[0] for row in session.rows(table)] == list(range(20))


def test_a_truncated_table_is_the_same_after_a_crash(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, TEXT)
    with session.statement():
        session.heap.multi_insert(table, [(n, "x" * 1000) for n in range(200)])
    for number in range(20, 200):
        session.delete(table, number)
    session.vacuum(table)
    session.insert(table, (1000, "after"))
    again = cluster.crash_and_restart().session()
    assert sorted(row[0] for row in again.rows(table)) == [*range(20), 1000]
    assert blocks(again, table) == 3


def test_a_cut_that_fails_after_its_record_lets_no_checkpoint_be_made(
    cluster: HeapCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, table = cluster.session(), cluster.relation(INT4, TEXT)
    with session.statement():
        session.heap.multi_insert(table, [(n, "x" * 1000) for n in range(100)])
    for number in range(100):
        session.delete(table, number)

    def broken(fd: int, size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(cluster.host, "truncate", broken)
    session.transactions.start_command()
    with pytest.raises(PanicError, match="could not truncate file"):
        session.heap.vacuum(table, freeze_min_age=0)
    # A redo point behind the record would leave the pages there for ever.
    instance = session.instance
    assert instance.procs.delay_checkpoint[instance.slot]


def test_a_table_that_another_uses_is_not_cut(cluster: HeapCluster) -> None:
    session, other = cluster.session(), cluster.session()
    table = cluster.relation(INT4, TEXT)
    with session.statement():
        session.heap.multi_insert(table, [(n, "x" * 1000) for n in range(100)])
    for number in range(100):
        session.delete(table, number)
    other.begin()
    other.transactions.start_command()
    other.locks.acquire(LockTag.relation(table.database, table.oid), LockMode.ACCESS_SHARE)
    session.instance.host.sleep = lambda milliseconds: None  # type: ignore[method-assign]
    assert session.vacuum(table).pages_removed == 0
    del session.instance.host.sleep
    other.rollback()
    before = blocks(session, table)
    assert session.vacuum(table).pages_removed == before


def test_room_that_vacuum_finds_is_used_again(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, TEXT)
    with session.statement():
        session.heap.multi_insert(table, [(n, "x" * 1000) for n in range(300)])
    before = blocks(session, table)
    for number in range(0, 290, 2):
        session.delete(table, number)
    session.vacuum(table)
    other = cluster.session()
    for turn in range(140):
        (session if turn % 2 else other).insert(table, (1000 + turn, "y" * 1000))
    assert blocks(session, table) == before
    keys = sorted(row[0] for row in session.rows(table))
    assert keys == sorted([*range(1, 290, 2), *range(290, 300), *range(1000, 1140)])


def test_vacuum_does_not_touch_rows_of_running_transactions(cluster: HeapCluster) -> None:
    session, other, table = cluster.session(), cluster.session(), cluster.relation()
    session.insert(table, (1, 1), (2, 2))
    other.begin()
    other.insert(table, (3, 3))
    other.update(table, 1, lambda row: [1, 9])
    other.delete(table, 2)
    result = session.vacuum(table, freeze_min_age=0)
    assert result.tuples_removed == 0
    assert sorted(session.rows(table)) == [[1, 1], [2, 2]]
    other.commit()
    assert sorted(session.rows(table)) == [[1, 9], [3, 3]]
    assert session.vacuum(table, freeze_min_age=0).tuples_removed == 2


def test_rows_of_aborted_transactions_are_removed(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    session.insert(table, (1, 1))
    session.begin()
    session.insert(table, (2, 2))
    session.update(table, 1, lambda row: [1, 5])
    session.rollback()
    assert session.vacuum(table).tuples_removed == 2
    assert session.rows(table) == [[1, 1]]
    page = pages_of(session, table)[0]
    assert [state for state in states(page) if state != LP_UNUSED] == [LP_NORMAL]


def test_old_rows_are_frozen_and_stay_visible(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    session.insert(table, (1, 1), (2, 2))
    session.begin()
    session.delete(table, 2)
    session.rollback()
    result = session.vacuum(table, freeze_min_age=0)
    assert result.tuples_frozen == 2
    page = pages_of(session, table)[0]
    for pointer in line_pointers(page):
        assert tuple_infomask(page, pointer & 0x7FFF) & XMIN_FROZEN == XMIN_FROZEN
    assert session.rows(table) == [[1, 1], [2, 2]]
    assert session.vacuum(table, freeze_min_age=0).tuples_frozen == 0
    assert result.oldest_xid == session.instance.proc_array.oldest_nonremovable_xid()
    again = cluster.crash_and_restart().session()
    assert again.rows(table) == [[1, 1], [2, 2]]


def test_freezing_refuses_what_never_was(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    session.insert(table, (1, 1))
    with session.statement():
        buffer = session.instance.buffers.read(table.locator, RelFork.MAIN, 0)
        page = session.instance.buffers.page(buffer)
        at = line_pointers(page)[0] & 0x7FFF
        # An xmin that the commit log knows nothing of, behind a hint that says it committed.
        page[at : at + 4] = (5).to_bytes(4, "little")
        page[at + 20 : at + 22] = (0x0900).to_bytes(2, "little")
        session.instance.buffers.release(buffer)
    for key in range(5, 12):
        session.insert(table, (key, key))
    session.visibility._outcomes[5] = False
    with pytest.raises(SqlError) as refused:
        session.vacuum(table, freeze_min_age=0)
    assert refused.value.sqlstate == "XX001"


def test_the_prune_hint_is_the_oldest_change_of_the_page(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    session.insert(table, (1, 1), (2, 2))
    assert prune_xid(pages_of(session, table)[0]) == 0
    session.begin()
    session.update(table, 1, lambda row: [1, 5])
    first = session.transactions.xid
    session.commit()
    session.delete(table, 2)
    assert prune_xid(pages_of(session, table)[0]) == first


def test_the_cutoff_never_leaves_the_normal_xids() -> None:
    assert freeze_cutoff(1000, 100) == 900
    assert freeze_cutoff(1000, 0) == 1000
    assert freeze_cutoff(1000, 50_000_000) == 2**32 + 1000 - 50_000_000
    assert freeze_cutoff(1000, 999) == 3
    assert freeze_cutoff(5, 3) == 3
    assert freeze_cutoff(2**31 + 500, 100) == 2**31 + 400


def test_wide_rows_of_an_update_that_must_move_find_room_elsewhere(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, INT8, TEXT)
    session.insert(table, *[(n, n, "x" * 1500) for n in range(30)])
    for turn in range(8):
        for number in range(30):
            text = "abcdefgh"[turn] * (1500 + turn * 10)
            session.update(table, number, lambda row, text=text: [row[0], row[1], text])
        session.vacuum(table)
    assert len(session.rows(table)) == 30
    assert blocks(session, table) < 20
