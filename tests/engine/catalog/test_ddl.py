"""CREATE TABLE and DROP TABLE in a running server: transactional, durable, seen in time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.server import Server


def table_files(server: Server) -> set[str]:
    """The files of users' tables, but those that only wait for a checkpoint to be unlinked."""
    directory: Path = server.data / "base" / "5"
    return {
        path.name
        for path in directory.iterdir()
        if path.name.isdigit() and int(path.name) >= 16384 and path.stat().st_size > 0
    }


def catalog_rows(server: Server) -> list[tuple[int]]:
    """How many rows about users' tables each catalog has."""
    counts = []
    for catalog, column in (("pg_class", "oid"), ("pg_attribute", "attrelid"), ("pg_type", "oid")):
        counts += server.query(f"select count(*) from {catalog} where {column} >= 16384")
    return counts


def test_a_table_is_seen_by_others_once_it_is_committed(server: Server) -> None:
    with server.connect(autocommit=False) as mine, server.connect() as theirs:
        mine.execute("create table t (a int, b text)")
        mine.execute("insert into t values (1, 'x')")
        with pytest.raises(psycopg.errors.UndefinedTable, match='relation "t" does not exist'):
            theirs.execute("select * from t")
        mine.commit()
        assert theirs.execute("select * from t").fetchall() == [(1, "x")]


def test_a_table_that_was_rolled_back_leaves_no_row_and_no_file(server: Server) -> None:
    with server.connect(autocommit=False) as connection:
        connection.execute("create table t (a int)")
        connection.execute("insert into t values (1)")
        connection.rollback()
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("select * from t")
        connection.rollback()
        connection.execute("create table t (b text)")
        connection.commit()
        assert connection.execute("select * from t").fetchall() == []
        connection.execute("drop table t")
        connection.commit()
    assert catalog_rows(server) == [(0,), (0,), (0,)]
    assert table_files(server) == set()


def test_a_drop_that_was_rolled_back_leaves_the_table_as_it_was(server: Server) -> None:
    with server.connect() as connection:
        connection.execute("create table t (a int)")
        connection.execute("insert into t values (1)")
    with server.connect(autocommit=False) as connection:
        connection.execute("drop table t")
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("select * from t")
        connection.rollback()
        assert connection.execute("select * from t").fetchall() == [(1,)]


def test_another_session_forgets_a_table_that_was_dropped_and_made_anew(server: Server) -> None:
    with server.connect() as mine, server.connect() as theirs:
        mine.execute("create table t (a int)")
        assert theirs.execute("select * from t").fetchall() == []
        mine.execute("drop table t")
        mine.execute("create table t (b text, c int)")
        mine.execute("insert into t values ('x', 2)")
        assert theirs.execute("select * from t").fetchall() == [("x", 2)]


def test_of_two_sessions_that_create_the_same_table_the_second_waits_and_fails(
    server: Server,
) -> None:
    with server.connect(autocommit=False) as first, server.connect() as second:
        first.execute("create table t (a int)")
        outcome = in_background(lambda: second.execute("create table t (a int)"))
        first.commit()
        with pytest.raises(psycopg.errors.DuplicateTable, match='relation "t" already exists'):
            outcome()


def test_of_two_sessions_that_create_the_same_table_the_second_wins_if_the_first_gives_up(
    server: Server,
) -> None:
    with server.connect(autocommit=False) as first, server.connect() as second:
        first.execute("create table t (a int)")
        outcome = in_background(lambda: second.execute("create table t (b text)"))
        first.rollback()
        outcome()
        assert second.execute("select b from t").fetchall() == []


def test_who_waits_for_a_table_that_is_dropped_meanwhile_is_told(server: Server) -> None:
    with server.connect() as connection:
        connection.execute("create table t (a int)")
    with server.connect(autocommit=False) as first, server.connect() as second:
        second.execute("select * from t")
        first.execute("drop table t")
        outcome = in_background(lambda: second.execute("insert into t values (1)"))
        first.commit()
        with pytest.raises(psycopg.errors.UndefinedTable):
            outcome()


def in_background(action: Callable[[], object]) -> Callable[[], None]:
    """Start `action` in a thread, give it time to block, and return what waits for its outcome."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except psycopg.Error as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive(), "it did not wait"

    def finish() -> None:
        thread.join(20)
        assert not thread.is_alive(), "it still waits"
        if failures:
            raise failures[0]

    return finish


def test_tables_survive_a_kill_and_uncommitted_ones_do_not(server: Server) -> None:
    with server.connect() as connection:
        connection.execute("create table kept (a int, b text) with (fillfactor = 50)")
        connection.execute("insert into kept values (1, 'x')")
        connection.execute("create table dropped (a int)")
        connection.execute("insert into dropped values (1)")
        connection.execute("drop table dropped")
    connection = server.connect(autocommit=False)
    connection.execute("create table unfinished (a int)")
    connection.execute("insert into unfinished values (1)")
    server.kill_postmaster()
    connection.close()
    server.start()
    assert server.query("select * from kept") == [(1, "x")]
    names = server.query("select relname from pg_class where oid >= 16384 order by relname")
    assert names == [("kept",)]
    server.query("create table after_crash (a int)")
    server.query("checkpoint")
    oids = server.query("select oid from pg_class where oid >= 16384")
    assert len(oids) == len(set(oids)) == 2
    assert server.stop() == 0


def test_catalogs_can_be_asked_like_any_table(server: Server) -> None:
    server.query("create table t (a int not null, b text)")
    columns = server.query(
        "select attname, atttypid, attnum, attnotnull from pg_attribute "
        "where attrelid = 16384 order by attnum desc limit 3"
    )
    assert columns == [("b", 25, 2, False), ("a", 23, 1, True), ("ctid", 27, -1, True)]
    assert server.query("select relkind, relnatts from pg_class where relname = 't'") == [("r", 2)]
    types = server.query("select typname from pg_type where oid >= 16384 order by typname")
    assert types == [("_t",), ("t",)]
    databases = server.query("select datname from pg_database order by datname")
    assert databases == [("postgres",), ("template0",), ("template1",)]
