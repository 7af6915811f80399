"""Xids and oids: given out once, never again after a crash, across the wrap-around."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.transaction.proc_array import ProcArray
from engine.transaction.snapshot import Snapshot
from engine.transaction.xids import NEXT_FULL_XID, XidShared
from engine.types import next_xid, xid_precedes
from tests.engine.access.heap.heap_cluster import HeapCluster


def shared(next_full_xid: int) -> XidShared:
    made = XidShared(memoryview(bytearray(XidShared.size())))
    made.initialize(next_full_xid, 16384, 3)
    return made


@given(st.integers(3, 2**40), st.integers(1, 2**30))
def test_replay_moves_the_counter_past_every_xid_it_sees(start: int, step: int) -> None:
    xids = shared(start if start & 0xFFFFFFFF >= 3 else start + 3)
    before = xids.next_full_xid
    seen = (before + step) & 0xFFFFFFFF
    xids.advance_past(seen)
    if seen < 3:
        assert xids.next_full_xid == before, "no transaction has such an xid"
        return
    assert xids.next_full_xid & 0xFFFFFFFF == next_xid(seen)
    assert xids.next_full_xid > before
    again = xids.next_full_xid
    xids.advance_past(seen)
    xids.advance_past(before & 0xFFFFFFFF)
    assert xids.next_full_xid == again


def test_oids_are_logged_ahead_and_not_given_out_twice_after_a_crash(cluster: HeapCluster) -> None:
    session = cluster.session()
    xids = session.instance.xids
    first = [xids.new_oid() for _ in range(10)]
    assert first == list(range(16384, 16394))
    assert xids.next_oid_for_checkpoint(is_shutdown=False) == 16384 + 8192
    assert xids.next_oid_for_checkpoint(is_shutdown=True) == 16394
    session.instance.wal.flush(session.instance.wal.end_lsn())
    again = cluster.crash_and_restart().session()
    assert again.instance.xids.new_oid() == 16384 + 8192


def test_oids_wrap_round_to_the_first_one_for_users(cluster: HeapCluster) -> None:
    session = cluster.session()
    session.instance.shared.xids.words[3] = 0xFFFFFFFF
    assert session.instance.xids.new_oid() == 0xFFFFFFFF
    assert session.instance.xids.new_oid() == 16384


def test_an_xid_shows_in_its_slot_from_its_assignment_to_its_end(cluster: HeapCluster) -> None:
    session = cluster.session()
    proc_array = session.instance.proc_array
    session.begin()
    session.transactions.start_command()
    xid = session.transactions.current_xid()
    assert proc_array.is_in_progress(xid)
    assert session.transactions.current_xid() == xid
    with proc_array.running_transactions() as running:
        assert running.xids == (xid,)
        assert running.next_xid == next_xid(xid)
        assert running.oldest_running_xid == xid
    session.transactions.commit_command()
    session.commit()
    assert not proc_array.is_in_progress(xid)
    with proc_array.running_transactions() as running:
        assert running.xids == ()
        assert running.latest_completed_xid == xid


@pytest.mark.parametrize("next_full", [0xFFFFFFF0, 0x1_FFFF_FFF8, 0x3])
def test_rows_stay_visible_when_the_xids_wrap_round(cluster: HeapCluster, next_full: int) -> None:
    session, other, table = cluster.session(), cluster.session(), cluster.relation()
    words = cluster.shared.xids.words
    words[NEXT_FULL_XID] = next_full
    cluster.shared.xids.finish_recovery()
    # As if the pages of the commit log had been made when the xids before were given out.
    for xid in (next_full & 0xFFFFFFFF, 3):
        session.instance.clog.redo_zero_page(xid // 32768)
    for number in range(30):
        other.begin("repeatable read")
        before = other.rows(table)
        session.insert(table, (number, number))
        session.update(table, number, lambda row: [row[0], row[1] + 1])
        assert other.rows(table) == before
        other.commit()
        assert sorted(other.rows(table)) == [[n, n + 1] for n in range(number + 1)]


@given(st.integers(3, 2**32 - 1), st.lists(st.integers(0, 40)), st.integers(0, 40))
def test_a_snapshot_agrees_with_the_plain_definition(
    start: int, offsets: list[int], ended: int
) -> None:
    xids = [start]
    for _ in range(60):
        xids.append(next_xid(xids[-1]))
    running = sorted({offset for offset in offsets if offset <= ended})
    low = running[0] if running else ended + 1
    snapshot = Snapshot(xids[low], xids[ended + 1], [xids[at] for at in running], 0)
    for at, xid in enumerate(xids):
        assert snapshot.is_running(xid) == (at > ended or at in running)
    assert not snapshot.is_running(2)
    assert xid_precedes(xids[0], xids[1])


def test_the_horizon_is_held_back_by_every_reader(cluster: HeapCluster) -> None:
    session, reader, table = cluster.session(), cluster.session(), cluster.relation()
    session.insert(table, (1, 1))
    reader.begin("repeatable read")
    reader.rows(table)
    held: ProcArray = reader.instance.proc_array
    oldest = held.own_xmin
    for number in range(5):
        session.insert(table, (number, number))
    assert session.instance.proc_array.oldest_nonremovable_xid() == oldest
    reader.commit()
    assert session.instance.proc_array.oldest_nonremovable_xid() == oldest + 5
