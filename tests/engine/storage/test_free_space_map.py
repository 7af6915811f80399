"""The free space map: what it promises is never more than a hint, and it finds what is there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.storage.checksum import verify
from engine.storage.free_space_map import category_of_need, category_of_space, physical_block
from engine.storage.free_space_page import (
    NODES_OFFSET,
    SLOTS,
    find_slot,
    highest,
    rebuild,
    set_slot,
    slot_value,
)
from engine.types import RelFork
from tests.engine.access.heap.conftest import cluster, make_cluster
from tests.engine.access.heap.heap_cluster import INT4, TEXT, HeapCluster

__all__ = ["cluster", "make_cluster"]


@given(st.lists(st.tuples(st.integers(0, SLOTS - 1), st.integers(0, 255)), max_size=30))
def test_a_page_finds_a_slot_exactly_when_there_is_one(changes: list[tuple[int, int]]) -> None:
    page = bytearray(8192)
    model: dict[int, int] = {}
    for slot, value in changes:
        set_slot(page, slot, value)
        model[slot] = value
    best = max(model.values(), default=0)
    assert highest(page) == best
    for least in {1, best, best + 1, *model.values()} - {0, 256}:
        found = find_slot(page, least, advance=True)
        assert (found is not None) == (best >= least)
        if found is not None:
            assert slot_value(page, found) == model[found] >= least


def test_searches_go_round_so_that_processes_spread() -> None:
    page = bytearray(8192)
    for slot in (3, 700, 4068):
        set_slot(page, slot, 100)
    assert [find_slot(page, 50, advance=True) for _ in range(4)] == [3, 700, 4068, 3]
    assert [find_slot(page, 50, advance=False) for _ in range(2)] == [700, 700]


def test_a_page_with_wrong_inner_nodes_mends_itself() -> None:
    page = bytearray(8192)
    set_slot(page, 10, 5)
    page[NODES_OFFSET] = 200
    assert find_slot(page, 100, advance=False) is None
    assert highest(page) == 5
    page[NODES_OFFSET : NODES_OFFSET + 4095] = bytes(4095)
    rebuild(page)
    assert highest(page) == 5


def test_categories_never_promise_more_than_there_is() -> None:
    for free in range(8193):
        for needed in (1, 31, 32, 33, 100, 8000, 8128, 8160):
            if category_of_space(free) >= category_of_need(needed):
                assert free >= needed


def test_pages_lie_where_postgres_has_them() -> None:
    assert [physical_block(2, 0), physical_block(1, 0), physical_block(0, 0)] == [0, 1, 2]
    assert physical_block(0, SLOTS - 1) == SLOTS + 1
    assert physical_block(1, 1) == SLOTS + 2
    assert physical_block(0, SLOTS) == SLOTS + 3


def test_the_map_remembers_and_corrects(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, TEXT)
    free_space = session.heap.context.free_space
    assert free_space.search(table.locator, 100) is None
    free_space.record(table.locator, 7, 4000)
    free_space.record(table.locator, 9, 500)
    free_space.propagate(table.locator)
    assert free_space.search(table.locator, 3000) == 7
    assert free_space.record_and_search(table.locator, 7, 0, 3000) is None
    assert free_space.search(table.locator, 400) == 9
    assert free_space.search(table.locator, 600) is None
    assert session.instance.buffers.pinned() == []


def test_a_lost_or_broken_map_costs_nothing_but_time(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, TEXT)
    with session.statement():
        session.heap.multi_insert(table, [(n, "x" * 1000) for n in range(100)])
    for number in range(0, 100, 2):
        session.delete(table, number)
    session.vacuum(table)
    session.instance.buffers.flush_all()
    path = cluster.root / session.instance.smgr.relation_path(table.locator, RelFork.FSM)
    content = bytearray(path.read_bytes())
    assert len(content) == 3 * 8192
    content[100] ^= 0xFF
    path.write_bytes(content)
    session.instance.wal.flush(session.instance.wal.end_lsn())
    again = cluster.crash_and_restart().session()
    again.insert(table, *[(1000 + n, "y" * 1000) for n in range(30)])
    assert len(again.rows(table)) == 80


def test_a_torn_page_of_the_map_is_repaired_by_replay(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, TEXT)
    with session.statement():
        session.heap.multi_insert(table, [(n, "x" * 1000) for n in range(100)])
    for number in range(0, 100, 2):
        session.delete(table, number)
    session.vacuum(table)
    session.instance.buffers.flush_all()
    path = cluster.root / session.instance.smgr.relation_path(table.locator, RelFork.FSM)
    whole = path.read_bytes()
    leaf = whole[2 * 8192 :]
    assert any(leaf[NODES_OFFSET:])
    path.write_bytes(whole[: 2 * 8192] + leaf[:4096] + bytes(4096))
    assert not verify(path.read_bytes()[2 * 8192 :], 2)
    session.instance.wal.flush(session.instance.wal.end_lsn())
    again = cluster.crash_and_restart().session()
    again.instance.buffers.flush_all()
    content = path.read_bytes()
    assert all(verify(content[at : at + 8192], at // 8192) for at in range(0, len(content), 8192))
    assert again.heap.context.free_space.search(table.locator, 500) is not None


def test_pages_of_the_map_have_good_checksums(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation(INT4, TEXT)
    with session.statement():
        session.heap.multi_insert(table, [(n, "x" * 1000) for n in range(100)])
    session.vacuum(table)
    session.instance.buffers.flush_all()
    path = cluster.root / session.instance.smgr.relation_path(table.locator, RelFork.FSM)
    content = path.read_bytes()
    assert all(verify(content[at : at + 8192], at // 8192) for at in range(0, len(content), 8192))
