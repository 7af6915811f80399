"""psycopg 3 against a running server: text, binary, prepared, pipelined, cancelled, cut off."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.server import Server


@pytest.fixture
def table(server: Server) -> Server:
    server.query("create table t (a int, b text)")
    return server


def test_values_go_in_and_come_out(table: Server) -> None:
    with table.connect(autocommit=False) as connection:
        cursor = connection.cursor()
        cursor.execute("insert into t values (%s, %s), (%s, %s)", (1, "one", -2, None))
        assert cursor.rowcount == 2
        cursor.execute("select a, b from t order by a")
        assert cursor.fetchall() == [(-2, None), (1, "one")]
        assert [column.name for column in cursor.description or ()] == ["a", "b"]
        assert [column.type_code for column in cursor.description or ()] == [23, 25]
    assert table.query("select count(*) from t") == [(2,)]


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(
    ("cast", "value"),
    [
        ("smallint", -32768),
        ("integer", 2147483647),
        ("bigint", -9223372036854775808),
        ("text", "quote ' and \\ and é and \U0001f600"),
        ("boolean", True),
        ("boolean", False),
        ("double precision", 0.1),
        ("integer", None),
    ],
)
def test_values_survive_the_round_trip_in_both_formats(
    server: Server, binary: bool, cast: str, value: Any
) -> None:
    place = "%b" if binary else "%t"
    with server.connect() as connection:
        cursor = connection.cursor(binary=binary)
        cursor.execute(f"select {place}::{cast}", (value,))
        assert cursor.fetchone() == (value,)


def test_a_statement_is_prepared_after_a_few_uses_and_survives(table: Server) -> None:
    with table.connect(prepare_threshold=2) as connection:
        for number in range(10):
            connection.execute("insert into t values (%s, %s)", (number, "x"))
        assert connection.execute("select sum(a) from t where b = %s", ("x",)).fetchone() == (45,)
        connection.execute("deallocate all")


def test_a_prepared_statement_follows_a_dropped_and_recreated_table(table: Server) -> None:
    with table.connect(prepare_threshold=0) as connection:
        connection.execute("insert into t values (1, 'x')")
        assert connection.execute("select a from t").fetchall() == [(1,)]
        table.query("drop table t")
        table.query("create table t (b text, a int)")
        assert connection.execute("select a from t").fetchall() == []
        table.query("drop table t")
        table.query("create table t (a text)")
        with pytest.raises(errors.FeatureNotSupported, match="must not change result type"):
            connection.execute("select a from t")


def test_many_parameter_sets_are_one_pipeline(table: Server) -> None:
    with table.connect(autocommit=False) as connection:
        cursor = connection.cursor()
        cursor.executemany("insert into t values (%s, %s)", [(n, str(n)) for n in range(200)])
        assert cursor.rowcount == 200
    assert table.query("select count(*) from t") == [(200,)]


def test_a_pipeline_rolls_back_what_follows_its_last_sync(table: Server) -> None:
    with table.connect() as connection:

        def pipelined() -> None:
            with connection.pipeline():
                connection.execute("insert into t values (1, 'lost')")
                connection.execute("select 1/0")
                connection.execute("insert into t values (2, 'never ran')")

        with pytest.raises(errors.DivisionByZero):
            pipelined()
        with connection.pipeline() as pipeline:
            connection.execute("insert into t values (3, 'kept')")
            pipeline.sync()
    assert table.query("select a from t") == [(3,)]


def test_a_failed_transaction_stays_failed_until_its_end(table: Server) -> None:
    with table.connect(autocommit=False) as connection:
        with pytest.raises(errors.UndefinedColumn):
            connection.execute("select nonsense from t")
        with pytest.raises(errors.InFailedSqlTransaction):
            connection.execute("select 1")
        connection.rollback()
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_named_cursor_reads_in_portions(server: Server) -> None:
    with server.connect(autocommit=False) as connection, connection.cursor("nc") as cursor:
        cursor.itersize = 7
        cursor.execute("select * from generate_series(1, 50)")
        assert sum(row[0] for row in cursor) == 1275


def test_rows_can_be_streamed(server: Server) -> None:
    with server.connect() as connection:
        total = sum(
            row[0] for row in connection.cursor().stream("select * from generate_series(1, 3000)")
        )
        assert total == 4501500


def test_notices_are_heard(server: Server) -> None:
    heard: list[str] = []
    with server.connect() as connection:
        connection.add_notice_handler(lambda notice: heard.append(str(notice.message_primary)))
        connection.execute("commit")
        connection.execute("drop table if exists nothing")
    assert heard == [
        "there is no transaction in progress",
        'table "nothing" does not exist, skipping',
    ]


def test_a_cancel_ends_the_statement_and_not_the_session(server: Server) -> None:
    with server.connect() as connection:
        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        with pytest.raises(errors.QueryCanceled):
            connection.execute("select pg_sleep(60)")
        timer.join()
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_cancel_ends_a_wait_for_a_row(table: Server) -> None:
    table.query("insert into t values (1, 'x')")
    with table.connect(autocommit=False) as first, table.connect() as second:
        first.execute("update t set b = 'y'")
        timer = threading.Timer(0.3, second.cancel)
        timer.start()
        with pytest.raises(errors.QueryCanceled):
            second.execute("update t set b = 'z'")
        timer.join()
        first.commit()
        second.execute("update t set b = 'z'")
    assert table.query("select b from t") == [("z",)]


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ("statement_timeout", errors.QueryCanceled),
        ("lock_timeout", errors.LockNotAvailable),
    ],
)
def test_time_outs_end_a_wait_for_a_row(
    table: Server, setting: str, error: type[Exception]
) -> None:
    table.query("insert into t values (1, 'x')")
    with table.connect(autocommit=False) as first, table.connect() as second:
        first.execute("update t set b = 'y'")
        second.execute(f"set {setting} = '50ms'")
        with pytest.raises(error):
            second.execute("update t set b = 'z'")


def test_a_deadlock_is_found_and_its_report_names_both(table: Server) -> None:
    table.query("insert into t values (1, 'x'), (2, 'x')")
    with table.connect(autocommit=False) as first, table.connect(autocommit=False) as second:
        for connection in (first, second):
            connection.execute("set deadlock_timeout = '100ms'")
        first.execute("update t set b = 'first' where a = 1")
        second.execute("update t set b = 'second' where a = 2")
        caught: list[errors.DeadlockDetected] = []

        def other() -> None:
            try:
                second.execute("update t set b = 'second' where a = 1")
                second.commit()
            except errors.DeadlockDetected as error:
                caught.append(error)
                second.rollback()

        thread = threading.Thread(target=other)
        thread.start()
        try:
            first.execute("update t set b = 'first' where a = 2")
            first.commit()
        except errors.DeadlockDetected as error:
            caught.append(error)
            first.rollback()
        thread.join()
    (error,) = caught
    detail = error.diag.message_detail or ""
    assert detail.count("waits for ShareLock on transaction") == 2
    assert error.diag.message_hint == "See server log for query details."
    assert error.diag.context is not None
    assert "while updating tuple" in error.diag.context


def test_backends_are_terminated_by_one_another(server: Server) -> None:
    with server.connect() as victim:
        pid = victim.info.backend_pid
        assert server.query(f"select pg_terminate_backend({pid})") == [(True,)]
        with pytest.raises(errors.AdminShutdown):
            victim.execute("select 1")


def test_activity_shows_what_each_session_does(table: Server) -> None:
    with table.connect(application_name="watched", autocommit=False) as connection:
        connection.execute("select 1 as shown")
        ((state, query, kind, wait),) = table.query(
            "select state, query, backend_type, wait_event from pg_stat_activity"
            " where application_name = 'watched'"
        )
        assert (state, query, kind, wait) == (
            "idle in transaction",
            "select 1 as shown",
            "client backend",
            "ClientRead",
        )
        assert "postgres postgres [local] idle in transaction" in table.processes()


def test_a_password_is_asked_for_on_tcp(stopped_server: Server) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stopped_server.port = port
    stopped_server.start(listen_addresses="127.0.0.1")
    with stopped_server.connect(host="127.0.0.1", password="secret") as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match='authentication failed for user "postgres"'):
        stopped_server.connect(host="127.0.0.1", password="wrong")
    with pytest.raises(psycopg.OperationalError, match='authentication failed for user "nobody"'):
        stopped_server.connect(host="127.0.0.1", user="nobody", password="secret")


def test_too_many_clients_are_told_so(stopped_server: Server) -> None:
    stopped_server.start(max_connections=2)
    with (
        stopped_server.connect(),
        stopped_server.connect(),
        pytest.raises(psycopg.OperationalError, match="sorry, too many clients already"),
    ):
        stopped_server.connect()
    deadline = time.monotonic() + 10
    while True:
        try:
            stopped_server.connect().close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline


def test_a_client_that_vanishes_leaves_no_locks_behind(table: Server) -> None:
    table.query("insert into t values (1, 'x')")
    connection = table.connect(autocommit=False)
    connection.execute("update t set b = 'lost'")
    raw = socket.socket(fileno=os.dup(connection.fileno()))
    raw.shutdown(socket.SHUT_RDWR)
    raw.close()
    table.wait_for_log("unexpected EOF on client connection with an open transaction")
    table.query("update t set b = 'kept'")
    assert table.query("select b from t") == [("kept",)]
    connection.close()


def test_a_crash_elsewhere_is_told_to_every_client(server: Server) -> None:
    with server.connect() as victim, server.connect() as bystander:
        heard: list[str | None] = []
        bystander.add_notice_handler(lambda notice: heard.append(notice.sqlstate))
        os.kill(victim.info.backend_pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            bystander.execute("select pg_sleep(30)")
        assert heard == ["57P02"]
    assert server.query("select 1") == [(1,)]


def test_a_session_hears_of_a_changed_configuration(server: Server) -> None:
    with server.connect() as connection:
        assert connection.execute("show deadlock_timeout").fetchone() == ("1s",)
        with (server.data / "postgresql.conf").open("a") as configuration:
            configuration.write("deadlock_timeout = 7s\n")
        os.kill(server.pid, signal.SIGHUP)
        deadline = time.monotonic() + 10
        while connection.execute("show deadlock_timeout").fetchone() != ("7s",):
            assert time.monotonic() < deadline
            time.sleep(0.01)
