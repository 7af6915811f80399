"""Commands: tables, settings, transactions, maintenance."""

from __future__ import annotations

import pytest

from engine.lmgr.modes import LockMode
from tests.engine.sql.memory_session import MemorySession


def test_a_dropped_table_is_locked_against_everybody(accounts: MemorySession) -> None:
    accounts.locks.held.clear()
    accounts.run("drop table accounts")
    assert [mode for _, mode in accounts.locks.held] == [LockMode.ACCESS_EXCLUSIVE]


def test_what_if_exists_skips_is_noticed(session: MemorySession) -> None:
    assert session.run("drop table if exists a, nosuch.b").tag == "DROP TABLE"
    assert [notice.message for notice in session.notices] == [
        'table "a" does not exist, skipping',
        'schema "nosuch" does not exist, skipping',
    ]


def test_what_if_not_exists_skips_is_noticed(accounts: MemorySession) -> None:
    assert accounts.run("create table if not exists accounts (x int)").tag == "CREATE TABLE"
    (notice,) = accounts.notices
    assert (notice.sqlstate, notice.message) == (
        "42P07",
        'relation "accounts" already exists, skipping',
    )


def test_long_names_are_cut(session: MemorySession) -> None:
    session.run(f"create table {'n' * 80} (a int)")
    assert list(session.catalog.relations) == ["n" * 63]


def test_vacuum_names_tables_or_means_all(accounts: MemorySession) -> None:
    accounts.run("create table other (a int)")
    accounts.run("vacuum accounts")
    accounts.run("vacuum")
    assert accounts.cluster.vacuumed == ["accounts", "accounts", "other"]


def test_checkpoint_asks_for_one(session: MemorySession) -> None:
    assert session.run("checkpoint").tag == "CHECKPOINT"
    assert session.cluster.checkpoints == 1


def test_set_and_show_agree(session: MemorySession) -> None:
    session.run("set application_name to 'bank'")
    assert session.rows("show application_name") == [("bank",)]
    assert session.value("select current_setting('application_name')") == "bank"
    session.run("reset application_name")
    assert session.rows("show application_name") == [("",)]


def test_set_local_outside_a_block_is_warned_about(session: MemorySession) -> None:
    session.run("set local application_name = 'x'")
    assert session.notices[0].message == "SET LOCAL can only be used in transaction blocks"


@pytest.mark.parametrize(
    ("begin", "isolation"),
    [
        ("begin", "read committed"),
        ("begin isolation level read uncommitted", "read committed"),
        ("start transaction isolation level repeatable read", "repeatable read"),
    ],
)
def test_begin_sets_the_isolation_level(session: MemorySession, begin: str, isolation: str) -> None:
    session.run(begin)
    assert session.rows("show transaction isolation level") == [(isolation,)]


def test_lock_table_takes_the_mode_asked_for(accounts: MemorySession) -> None:
    accounts.run("begin")
    accounts.locks.held.clear()
    accounts.run("lock table accounts in share row exclusive mode")
    assert [mode for _, mode in accounts.locks.held] == [LockMode.SHARE_ROW_EXCLUSIVE]
