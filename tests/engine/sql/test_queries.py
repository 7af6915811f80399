"""SELECT beyond what the comparison with PostgreSQL covers."""

from __future__ import annotations

import pytest

from engine.lmgr.modes import LockMode
from engine.sql.executor.scans import ROWS_BETWEEN_INTERRUPTS
from tests.engine.sql.memory_session import MemorySession


def test_avg_of_integers_has_sixteen_significant_digits(session: MemorySession) -> None:
    assert session.text("avg(x) from (values (2), (3)) v(x)") == "2.5000000000000000"


def test_a_portal_can_be_fetched_in_parts(accounts: MemorySession) -> None:
    execution = accounts.engine.start(accounts.analyze("select id from accounts"))
    assert [row[0] for row in execution.fetch(4)] == [1, 2, 3, 4]
    assert (execution.done, execution.tag) == (False, "SELECT 4")
    assert len(execution.fetch(None)) == 6
    assert execution.done
    assert execution.fetch(None) == []


def test_an_open_portal_does_not_see_later_changes(accounts: MemorySession) -> None:
    execution = accounts.engine.start(accounts.analyze("select sum(balance) from accounts"))
    accounts.run("update accounts set balance = 0")
    assert execution.fetch(None) == [(1000,)]


def test_two_portals_of_one_statement_have_their_own_parameters(accounts: MemorySession) -> None:
    analyzed = accounts.analyze("select name from accounts where id = $1")
    first, second = accounts.engine.start(analyzed, [1]), accounts.engine.start(analyzed, [2])
    assert first.fetch(None) == [("n1",)]
    assert second.fetch(None) == [("n2",)]


def test_long_function_scans_listen_to_interrupts(session: MemorySession) -> None:
    rows = 3 * ROWS_BETWEEN_INTERRUPTS
    assert session.value(f"select count(*) from generate_series(1, {rows})") == rows
    assert session.interrupts.checks >= 3


def test_a_select_locks_what_it_reads(accounts: MemorySession) -> None:
    accounts.locks.held.clear()
    accounts.run("select * from accounts where id in (select id from accounts)")
    assert [mode for _, mode in accounts.locks.held] == [LockMode.ACCESS_SHARE]


def test_a_change_locks_its_table_more_strongly(accounts: MemorySession) -> None:
    accounts.locks.held.clear()
    accounts.run("update accounts set balance = (select max(balance) from accounts)")
    assert [mode for _, mode in accounts.locks.held] == [LockMode.ROW_EXCLUSIVE]


def test_result_columns_name_their_origin(accounts: MemorySession) -> None:
    first, second = accounts.analyze("select balance, balance + 1 from accounts").columns
    oid = accounts.catalog.relations["accounts"].oid
    assert (first.table_oid, first.attribute_number, first.type_length) == (oid, 2, 8)
    assert (second.table_oid, second.attribute_number) == (0, 0)


def test_every_process_is_in_pg_stat_activity(session: MemorySession) -> None:
    rows = session.rows("select pid, backend_type from pg_stat_activity")
    assert rows == [(4242, "client backend")]


def test_pg_settings_shows_units_and_limits(session: MemorySession) -> None:
    query = "select setting, unit, vartype from pg_settings where name = 'shared_buffers'"
    assert session.rows(query) == [("16384", "8kB", "integer")]


def test_sleeping_takes_its_time(session: MemorySession) -> None:
    session.run("select pg_sleep(2.5)")
    assert session.clock.time_us == 2_500_000
    assert session.interrupts.checks >= 3


@pytest.mark.parametrize(
    "query",
    [
        "select id from accounts order by balance, id desc limit 3",
        "select id from (select * from accounts) s order by id desc limit 3",
        "select id from accounts where id > 7 order by 1 desc",
    ],
)
def test_order_and_limit_work_at_every_level(accounts: MemorySession, query: str) -> None:
    assert [row[0] for row in accounts.rows(query)] == [10, 9, 8]


def test_a_regclass_shows_the_name(accounts: MemorySession) -> None:
    oid = accounts.catalog.relations["accounts"].oid
    assert accounts.text("'accounts'::regclass") == "accounts"
    assert accounts.value("select 'accounts'::regclass::oid") == oid
    assert accounts.value("select 'accounts'::regclass::text || '!'") == "accounts!"
    assert accounts.text("1::regclass") == "1"
