"""The facade: plans are kept while they are true, and made again when they are not."""

from __future__ import annotations

import pytest

from engine.errors import SqlError
from tests.engine.sql.memory_session import MemorySession


def test_an_analyzed_statement_is_made_once_per_text(accounts: MemorySession) -> None:
    statement = "select id from accounts"
    assert accounts.analyze(statement) is accounts.analyze(statement)


def test_a_changed_catalog_makes_statements_anew(accounts: MemorySession) -> None:
    first = accounts.analyze("select id from accounts")
    accounts.run("create table other (a int)")
    assert not accounts.engine.is_current(first)
    assert accounts.analyze("select id from accounts") is not first


def test_a_stale_plan_is_replaced_when_it_starts(accounts: MemorySession) -> None:
    analyzed = accounts.analyze("select name from accounts where id = 1")
    accounts.run("drop table accounts")
    accounts.run("create table accounts (x int, id int, name text)")
    accounts.run("insert into accounts values (0, 1, 'new')")
    assert accounts.engine.start(analyzed).fetch(None) == [("new",)]


def test_a_prepared_statement_keeps_its_result_type(accounts: MemorySession) -> None:
    analyzed = accounts.analyze("select * from accounts")
    accounts.run("drop table accounts")
    accounts.run("create table accounts (id int)")
    with pytest.raises(SqlError, match="cached plan must not change result type"):
        accounts.engine.start(analyzed)


def test_a_dropped_table_is_missed_when_the_plan_starts(accounts: MemorySession) -> None:
    analyzed = accounts.analyze("select id from accounts")
    accounts.run("drop table accounts")
    with pytest.raises(SqlError, match='relation "accounts" does not exist'):
        accounts.engine.start(analyzed)


def test_commit_and_rollback_are_allowed_in_a_failed_transaction(session: MemorySession) -> None:
    assert session.analyze("commit").is_transaction_exit
    assert session.analyze("rollback").is_transaction_exit
    assert not session.analyze("begin").is_transaction_exit
    assert not session.analyze("select 1").is_transaction_exit
