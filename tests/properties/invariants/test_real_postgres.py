"""Nothing is wrong with what a real PostgreSQL leaves, whatever was done in it."""

from __future__ import annotations

import contextlib

import psycopg

from properties.invariants import check_directory
from tests.postgres import ScratchCluster, scratch_cluster

SERVER = ("-c max_prepared_transactions=5", "-c autovacuum=off", "-c fsync=off")

IN_ONE_SESSION = (
    # HOT chains, deletes, subtransactions that are released and rolled back, an abort
    "create table t (id int primary key, v text, n int) with (fillfactor = 60)",
    "insert into t select i, repeat('x', i % 50), i from generate_series(1, 2000) i",
    "update t set n = n + 1 where id % 3 = 0",
    "update t set n = n + 1 where id % 6 = 0",
    "delete from t where id % 7 = 0",
    "begin",
    "update t set n = 0 where id % 11 = 0",
    "savepoint a",
    "update t set n = -1 where id % 13 = 0",
    "rollback to a",
    "update t set v = 'y' where id % 17 = 0",
    "savepoint b",
    "delete from t where id % 19 = 0",
    "release b",
    "commit",
    "begin",
    "update t set n = 99",
    "delete from t where id < 100",
    "rollback",
    "insert into t values (1, 'q', 2) on conflict (id) do update set n = t.n + 1",
    # frozen and all-visible pages, some of which are changed again; a truncation
    "create table u (a int, b text)",
    "insert into u select i, repeat('z', 100) from generate_series(1, 1500) i",
    "vacuum freeze u",
    "update u set a = a + 1 where a % 10 = 0",
    "vacuum u",
    "delete from u where a > 1200",
    "vacuum u",
    "update u set b = 'short' where a < 30",
    # columns that come and go, TOAST, unlogged, partitions, sequences, materialized views
    "alter table u add column c int default 5",
    "alter table u drop column b",
    "update u set c = 6 where a % 3 = 0",
    "create table long (x int, t text)",
    "insert into long select i / 200, md5(i::text) from generate_series(1, 4000) i",
    "insert into long select x, string_agg(t, '') from long group by x",
    "update long set t = t || 'a' where x % 2 = 0",
    "create unlogged table quick (a int)",
    "insert into quick select generate_series(1, 500)",
    "create table part (a int) partition by range (a)",
    "create table part1 partition of part for values from (0) to (10)",
    "create table part2 partition of part for values from (10) to (20)",
    "insert into part select generate_series(0, 19)",
    "update part set a = a + 5 where a between 5 and 9",
    "create sequence numbers",
    "select nextval('numbers')",
    "create materialized view few as select a from u where a < 50",
    "create table big (a int)",
    "insert into big select generate_series(1, 3000)",
    "vacuum full big",
    "cluster t using t_pkey",
    "update t set n = n + 1 where id between 1000 and 1100",
)


def locked_by_two(cluster: ScratchCluster) -> None:
    """A transaction that stays prepared, so that no version goes; then multixacts of lockers, also
    with an updater.
    """
    with (
        psycopg.connect(cluster.connection_string(), autocommit=True) as one,
        psycopg.connect(cluster.connection_string(), autocommit=True) as other,
    ):
        one.execute("begin")
        one.execute("update t set v = 'prepared' where id between 600 and 650")
        one.execute("delete from t where id between 651 and 660")
        one.execute("prepare transaction 'left'")
        for connection in (one, other):
            connection.execute("begin")
            connection.execute("select * from t where id between 200 and 300 for share")
        one.execute("select * from t where id between 400 and 500 for key share")
        other.execute("update t set n = n + 7 where id between 400 and 500")
        one.execute("commit")
        other.execute("commit")


def test_nothing_is_wrong_with_a_real_clusters_files() -> None:
    with scratch_cluster(*SERVER) as cluster:
        connection = psycopg.connect(cluster.connection_string(), autocommit=True)
        with contextlib.closing(connection):
            for statement in IN_ONE_SESSION:
                connection.execute(statement)
            locked_by_two(cluster)
            connection.execute("begin")
            connection.execute("create table ghost (a int)")
            connection.execute("insert into ghost values (1)")
            connection.execute("update u set c = 7")
            cluster.stop("immediate")
        cluster.start(*SERVER)
        cluster.psql("update t set n = n + 1 where id < 200")
        cluster.psql("vacuum u, long")
        cluster.psql("update t set n = n + 1 where id < 100")
        cluster.stop()
        report = check_directory(cluster.data)
    assert report.problems == ()
    assert report.unchecked == ()
    assert report.skipped["xmax: members of multixacts"] > 100
    assert report.looked_at["all-visible pages"] > 100
    assert any("no relation has this file" in note for note in report.notes)
