"""The order of a commit, and what an abort, a crash and an error in the middle leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.access.heap.tuple import XMIN_COMMITTED, tuple_infomask
from engine.errors import PanicError, SqlError
from engine.host.points import Point
from engine.storage.page import line_pointers
from engine.transaction.clog import ABORTED, COMMITTED, IN_PROGRESS
from engine.types import RelFileLocator, RelFork
from tests.engine.access.heap.heap_cluster import HeapCluster, Session
from tests.engine.access.heap.masked_pages import pages_of


def watch(session: Session, points: list[tuple[str, Any]]) -> None:
    """Note at each injection point of the commit what the rest of the world sees."""
    instance = session.instance

    def point(where: Point, value: int = 0) -> None:
        if where.value.startswith(("commit-", "abort-")):
            xid = session.transactions.xid or session.last_xid  # type: ignore[attr-defined]
            session.last_xid = xid  # type: ignore[attr-defined]
            points.append(
                (
                    where.value,
                    (
                        instance.wal.flushed_lsn() == instance.wal.end_lsn(),
                        instance.clog.status(xid) == COMMITTED,
                        instance.proc_array.is_in_progress(xid),
                        bool(instance.procs.delay_checkpoint[instance.slot]),
                    ),
                )
            )

    instance.host.point = point  # type: ignore[method-assign]


def test_xact_1_each_step_of_a_commit_comes_after_the_one_before(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    session.begin()
    session.insert(table, (1, 1))
    points: list[tuple[str, Any]] = []
    watch(session, points)
    session.commit()
    assert points == [
        # flushed, in the commit log, in the proc array, holds off checkpoints
        ("commit-record-inserted", (False, False, True, True)),
        ("commit-record-flushed", (True, False, True, True)),
        ("commit-clog-marked", (True, True, True, True)),
        ("commit-proc-array-left", (True, True, False, False)),
    ]
    del session.instance.host.point


def test_an_asynchronous_commit_is_not_flushed_and_its_hint_waits_for_that(
    cluster: HeapCluster,
) -> None:
    session, table = cluster.session(synchronous_commit="off"), cluster.relation()
    reader = cluster.session()
    # A change of the page after the commit would let the hint pass: its LSN protects it.
    session.begin()
    session.insert(table, (1, 1))
    xid = session.transactions.xid
    session.commit()
    instance = session.instance
    assert instance.wal.flushed_lsn() < instance.clog.commit_lsn(xid)
    assert reader.rows(table) == [[1, 1]]
    assert not infomask(reader, table) & XMIN_COMMITTED
    instance.wal.flush(instance.wal.end_lsn())
    assert reader.rows(table) == [[1, 1]]
    assert infomask(reader, table) & XMIN_COMMITTED


def infomask(session: Session, table: Any) -> int:
    page = pages_of(session, table)[0]
    return tuple_infomask(page, line_pointers(page)[0] & 0x7FFF)


def test_an_abort_is_in_the_commit_log(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    session.begin()
    session.insert(table, (1, 1))
    xid = session.transactions.xid
    assert session.instance.clog.status(xid) == IN_PROGRESS
    session.rollback()
    assert session.instance.clog.status(xid) == ABORTED
    assert not session.instance.proc_array.is_in_progress(xid)


def test_a_transaction_that_changed_nothing_writes_nothing(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    before = session.instance.wal.end_lsn()
    session.begin()
    session.rows(table)
    session.commit()
    assert session.instance.wal.end_lsn() == before


def test_an_error_between_record_and_commit_log_is_a_panic(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    session.begin()
    session.insert(table, (1, 1))

    def fail(lsn: int) -> None:
        raise SqlError("58030", "could not write file")

    session.instance.wal.flush = fail  # type: ignore[method-assign]
    with pytest.raises(PanicError):
        session.commit()


@pytest.mark.parametrize("commits", [True, False])
def test_files_go_with_the_outcome_that_they_were_scheduled_for(
    cluster: HeapCluster, commits: bool
) -> None:
    session, old = cluster.session(), cluster.relation()
    session.insert(old, (1, 1))
    new = RelFileLocator(1663, 5, 99999)
    smgr, transactions = session.instance.smgr, session.transactions
    session.begin()
    with session.statement():
        smgr.create(new, RelFork.MAIN)
        transactions.schedule_drop(new, at_commit=False)
        transactions.schedule_drop(old.locator, at_commit=True)
        transactions.current_xid()
    (session.commit if commits else session.rollback)()
    kept, gone = (new, old.locator) if commits else (old.locator, new)
    sync = cluster.checkpointer.sync
    sync.pre_checkpoint()
    sync.process()
    sync.post_checkpoint()
    assert smgr.exists(kept, RelFork.MAIN)
    assert not smgr.exists(gone, RelFork.MAIN)
    if not commits:
        assert session.rows(old) == [[1, 1]]


def test_files_of_a_dropped_table_are_gone_after_a_crash_too(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    session.insert(table, (1, 1))
    session.begin()
    with session.statement():
        session.transactions.current_xid()
        session.transactions.schedule_drop(table.locator, at_commit=True)
    session.commit()
    path = cluster.root / session.instance.smgr.relation_path(table.locator, RelFork.MAIN)
    cluster.crash_and_restart()
    assert not path.exists()


def test_an_error_lets_go_of_locks_and_pins(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    session.insert(table, (1, 1))
    buffers = session.instance.buffers
    session.transactions.start_command()
    buffers.lock(buffers.read(table.locator, RelFork.MAIN, 0))
    session.transactions.abort_current()
    assert buffers.pinned() == []
    assert session.rows(table) == [[1, 1]]


def test_listeners_hear_of_each_end(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    ends: list[bool] = []
    session.transactions.at_end.append(ends.append)
    session.insert(table, (1, 1))
    session.begin()
    session.rollback()
    assert ends == [True, False]


def test_catalog_changes_are_announced_once_the_transaction_has_ended(
    make_cluster: Callable[..., HeapCluster],
) -> None:
    session = make_cluster().session()
    transactions = session.transactions
    heard: list[tuple[int, bool]] = []
    transactions.invalidate_catalog = lambda: heard.append(
        (transactions.xid, session.instance.proc_array.is_in_progress(xid))
    )
    session.begin()
    transactions.start_command()
    xid = transactions.current_xid()
    transactions.on_commit_invalidate()
    transactions.commit_command()
    assert heard == []
    session.commit()
    assert heard == [(0, False)]
    session.begin()
    session.commit()
    assert len(heard) == 1
