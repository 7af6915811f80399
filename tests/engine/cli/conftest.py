"""Files that a real PostgreSQL 15 wrote, with as many kinds of WAL record as one can provoke."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest

from tests.postgres import (
    ScratchCluster,
    require_postgres,
    run_as_server_user,
    scratch_cluster,
)

FIRST_LIFE: Final = """
create table t (a int primary key, b text, c bigint, d bool, e float8, f varchar(20), g "char")
insert into t select i, 'row ' || i, i * 10, i % 2 = 0, i / 3.0 from generate_series(1, 3000) i
create table u (a int, b text, c name)
insert into u select i, repeat('x', i % 300), 'n' || i from generate_series(1, 2000) i
update u set b = null where a < 100
update u set b = 'hot' where a < 50
delete from u where a % 3 = 0
vacuum u
vacuum (freeze) u
create index on t (b)
create index on t (c)
insert into t select i, 'r' || i, i % 7, i % 2 = 0 from generate_series(30000, 40000) i
delete from t where a between 33000 and 38000
vacuum t
delete from t where a > 5
vacuum t
truncate u
create sequence s
select nextval('s') from generate_series(1, 40)
create database d1
create database d2 strategy file_copy
drop database d1
select pg_create_restore_point('a point')
create table m (a int primary key, b int)
insert into m select i, i from generate_series(1, 100) i
create table spec (a int primary key)
insert into spec values (1) on conflict do nothing
cluster m using m_pkey
vacuum full m
create table h (a int, b int)
create index on h (a)
insert into h select i % 50, i from generate_series(1, 10000) i
delete from h where b % 4 = 0
vacuum h
insert into h select i % 50, i from generate_series(1, 1000) i
select pg_switch_wal()
checkpoint
"""
SECOND_LIFE: Final = """
select pg_logical_emit_message(true, 'prefix', 'hello payload')
select pg_logical_emit_message(false, 'p2', E'\\\\x000102ff'::bytea)
create table v (a int primary key, b text)
insert into v select i, 'x' from generate_series(1, 500) i
update v set b = 'y' where a < 100
alter table v add column c int
truncate v
drop table spec
"""


def _concurrent_lockers(cluster: ScratchCluster) -> None:
    """Row locks held by several transactions: multixacts, and lock records on old versions."""
    with (
        psycopg.connect(cluster.connection_string()) as one,
        psycopg.connect(cluster.connection_string()) as two,
        psycopg.connect(cluster.connection_string()) as three,
    ):
        one.execute("select * from m where a in (1, 2) for share")
        two.execute("select * from m where a in (1, 2) for key share")
        three.execute("select * from m where a = 3 for no key update")
        three.execute("select * from m where a = 4 for update")
        two.execute("update m set b = b + 1 where a = 10")
        one.execute("select * from m where a = 10 for key share")
        one.commit()
        two.commit()
        one.execute("update m set b = b + 1 where a = 3 and false")
        three.execute("update m set b = b + 1 where a = 1")
        three.execute("update m set a = -a where a in (20, -20)")
        one.execute("select * from m where a = 1 for key share")
        three.rollback()


def _transactions(cluster: ScratchCluster, first: int) -> None:
    """Subtransactions, two-phase commit and explicit table locks."""
    with psycopg.connect(cluster.connection_string(), autocommit=True) as connection:
        run = connection.execute
        run("begin")
        run("lock table m in access exclusive mode")
        for number in range(70):
            run("savepoint p")
            run("insert into m values (%s, 1)", (first + number,))
            run("rollback to p" if number % 3 == 0 else "release p")
        run("commit")
        for gid, ending in (("gid one", "commit prepared"), ("gid2", "rollback prepared")):
            run("begin")
            run("insert into m values (%s, 1)", (first + 100 + len(gid),))
            run("savepoint q")
            run("create table prepared_table (a int)")
            run("drop table if exists v")
            run(f"prepare transaction '{gid}'")
            run(f"{ending} '{gid}'")
            run("drop table if exists prepared_table")
        run("begin")
        run("create table never (a int)")
        run("insert into never values (1)")
        run("rollback")


@pytest.fixture(scope="session")
def postgres_data() -> Iterator[Path]:
    """The data directory of a cluster that was stopped cleanly, with all its WAL."""
    for program in ("pg_waldump", "pg_controldata", "pgbench"):
        require_postgres(program)
    options = ("-c autovacuum=off", "-c max_prepared_transactions=5", "-c wal_keep_size=2GB")
    with scratch_cluster(*options) as cluster:
        _run(cluster, FIRST_LIFE)
        _transactions(cluster, 1000)
        _concurrent_lockers(cluster)
        _run(cluster, "vacuum freeze m\ncheckpoint")
        _pgbench(cluster)
        cluster.stop()
        cluster.start(*options, "-c wal_level=logical", "-c wal_compression=lz4")
        _run(cluster, SECOND_LIFE)
        _transactions(cluster, 3000)
        _concurrent_lockers(cluster)
        cluster.stop()
        yield cluster.data


def _run(cluster: ScratchCluster, script: str) -> None:
    with psycopg.connect(cluster.connection_string(), autocommit=True) as connection:
        for line in script.strip().splitlines():
            connection.execute(line)  # type: ignore[call-overload]


def _pgbench(cluster: ScratchCluster) -> None:
    command = [require_postgres("pgbench"), "-h", str(cluster.socket_directory), "-U", "postgres"]
    run_as_server_user([*command, "-i", "-q", "postgres"], capture_output=True)
    run_as_server_user([*command, "-t", "300", "-c", "4", "postgres"], capture_output=True)
