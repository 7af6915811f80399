"""The table of block states: every way through it that a client can take."""

from __future__ import annotations

import pytest

from engine.errors import InvariantViolation, Notice, SqlError
from engine.transaction.block_state import STATUS, TRANSITIONS, Action, BlockState, Event
from tests.engine.access.heap.heap_cluster import HeapCluster


def test_every_state_can_be_reached_and_left() -> None:
    reached = {transition.state for transition in TRANSITIONS.values()}
    assert reached == set(BlockState)
    for state in BlockState:
        ways_out = {to.state for (start, _), to in TRANSITIONS.items() if start is state}
        assert ways_out - {state}, state
        assert state in STATUS


def test_an_error_ends_what_runs_in_every_state() -> None:
    for state in BlockState:
        transition = TRANSITIONS[state, Event.ABORT_CURRENT]
        assert transition.state in (BlockState.DEFAULT, BlockState.ABORT)
        runs = state not in (BlockState.DEFAULT, BlockState.ABORT, BlockState.ABORT_END)
        aborts = transition.action in (Action.ABORT, Action.ABORT_AND_CLEAN_UP)
        assert aborts == runs


def test_a_failed_block_stays_failed_until_it_is_ended(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    transactions = session.transactions
    session.begin()
    assert transactions.status() == b"T"
    transactions.start_command()
    session.heap.insert(table, (1, 1))
    transactions.abort_current()
    assert transactions.status() == b"E"
    assert transactions.is_aborted_block()
    assert not transactions.is_active
    transactions.start_command()
    assert transactions.end_block() is False
    transactions.commit_command()
    assert transactions.status() == b"I"
    assert session.rows(table) == []


def test_begin_inside_a_block_and_commit_outside_warn(cluster: HeapCluster) -> None:
    session = cluster.session()
    said: list[Notice] = []
    session.transactions.notices = said.append
    session.begin()
    session.begin()
    session.commit()
    session.commit()
    session.rollback()
    assert [notice.sqlstate for notice in said] == ["25001", "25P01", "25P01"]
    assert session.transactions.status() == b"I"


def test_statements_of_one_message_are_one_transaction(cluster: HeapCluster) -> None:
    session, other, table = cluster.session(), cluster.session(), cluster.relation()
    transactions = session.transactions
    transactions.start_command()
    transactions.begin_implicit_block()
    session.heap.insert(table, (1, 1))
    transactions.commit_command()
    transactions.start_command()
    transactions.begin_implicit_block()
    assert transactions.in_block()
    session.heap.insert(table, (2, 2))
    assert other.rows(table) == []
    transactions.end_implicit_block()
    transactions.commit_command()
    assert other.rows(table) == [[1, 1], [2, 2]]


def test_an_error_in_one_of_several_statements_undoes_them_all(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    transactions = session.transactions
    transactions.start_command()
    transactions.begin_implicit_block()
    session.heap.insert(table, (1, 1))
    transactions.commit_command()
    transactions.start_command()
    transactions.abort_current()
    assert transactions.status() == b"I"
    assert session.rows(table) == []


def test_what_may_not_run_in_a_block_says_so(cluster: HeapCluster) -> None:
    session = cluster.session()
    session.transactions.start_command()
    session.transactions.prevent_in_block("VACUUM")
    session.transactions.commit_command()
    session.begin()
    with pytest.raises(SqlError, match="VACUUM cannot run inside a transaction block") as refused:
        session.transactions.prevent_in_block("VACUUM")
    assert refused.value.sqlstate == "25001"
    session.rollback()


def test_isolation_cannot_change_after_the_first_look(cluster: HeapCluster) -> None:
    session, table = cluster.session(), cluster.relation()
    session.begin()
    session.transactions.set_isolation("repeatable read")
    session.rows(table)
    with pytest.raises(SqlError) as refused:
        session.transactions.set_isolation("read committed")
    assert refused.value.sqlstate == "25001"
    with pytest.raises(SqlError) as missing:
        session.transactions.set_isolation("serializable")
    assert missing.value.sqlstate == "0A000"
    session.rollback()


def test_a_read_only_transaction_refuses_changes(cluster: HeapCluster) -> None:
    session = cluster.session(default_transaction_read_only=True)
    session.begin()
    with pytest.raises(SqlError) as refused:
        session.transactions.prevent_if_read_only("INSERT")
    assert refused.value.sqlstate == "25006"
    session.rollback()


def test_an_impossible_event_is_a_broken_invariant(cluster: HeapCluster) -> None:
    with pytest.raises(InvariantViolation, match="XACT-3"):
        cluster.session().transactions.end_block()
