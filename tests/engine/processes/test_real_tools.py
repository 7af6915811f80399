"""PostgreSQL's own programs read and judge the data directory that a busy server leaves."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from engine.cli.controldata import controldata
from engine.cli.waldump import waldump
from tests.engine.cli.tool import Answer, ours, theirs
from tests.postgres import require_postgres
from tests.server import PATIENCE_S, Server

SETTINGS = {
    "shared_buffers": "256kB",
    "wal_keep_size": "1GB",
    "max_wal_size": "64MB",
    "max_connections": 12,
}

REINITIALIZING = "all server processes terminated; reinitializing"
LONG_NOTE = "a note of some length, so that segments fill, number"

DDL_AND_ROWS = f"""
CREATE TABLE accounts (id integer NOT NULL, balance bigint, note text, open boolean);
INSERT INTO accounts SELECT i, i * 10, 'account ' || i, i % 2 = 0 FROM generate_series(1, 1500) i;
CREATE TABLE wide (a smallint, b text);
INSERT INTO wide VALUES (1, 'x'), (2, NULL), (NULL, 'z') RETURNING a;
CREATE TABLE doomed (a bigint);
INSERT INTO doomed SELECT i FROM generate_series(1, 300) i;
UPDATE accounts SET balance = balance + 1 WHERE id <= 200;
UPDATE accounts SET note = 'a note that is rather longer than the one before' WHERE id <= 40;
DELETE FROM accounts WHERE id % 5 = 0;
CHECKPOINT;
DROP TABLE doomed;
VACUUM accounts;
SELECT count(*) FROM accounts;
BEGIN;
CREATE TABLE never (a integer);
INSERT INTO never SELECT i FROM generate_series(1, 50) i;
UPDATE accounts SET balance = 0 WHERE id < 30;
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
DELETE FROM wide WHERE a = 1;
UPDATE wide SET b = 'y' WHERE a = 2;
COMMIT;
INSERT INTO wide SELECT 7, '{LONG_NOTE}' || i FROM generate_series(1, 14000) i;
DELETE FROM wide WHERE a = 7;
VACUUM FREEZE wide;
VACUUM;
CHECKPOINT;
"""


def run_statements(server: Server, script: str) -> None:
    with server.connect(patience_s=PATIENCE_S) as connection:
        for statement in script.split(";"):
            if statement.strip():
                connection.execute(statement)  # type: ignore[call-overload]


def lock_rows(server: Server) -> None:
    """Two transactions that meet at one row: the second waits, and looks again."""
    with server.connect() as one, server.connect() as two:
        one.execute("BEGIN")
        one.execute("UPDATE accounts SET balance = 1 WHERE id = 7")
        two.execute("SET lock_timeout = '20ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            two.execute("UPDATE accounts SET balance = 2 WHERE id = 7")
        one.execute("COMMIT")


def crash(server: Server, role: str) -> None:
    seen = server.log().count(REINITIALIZING)
    server.kill(role)
    server.wait_for_log(REINITIALIZING, seen + 1)


@pytest.fixture(scope="module")
def used_server(
    cluster_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that was stopped in order after work, checkpoints and crashes of all kinds."""
    for program in ("pg_waldump", "pg_controldata", "pg_checksums"):
        require_postgres(program)
    server = Server.from_template(cluster_template, tmp_path_factory.mktemp("t"))
    try:
        work(server)
        yield server
    finally:
        server.destroy()


def work(server: Server) -> None:
    server.start(**SETTINGS)
    run_statements(server, DDL_AND_ROWS)
    lock_rows(server)
    crash(server, "checkpointer")
    run_statements(server, "UPDATE accounts SET balance = balance + 1 WHERE id > 500")
    unlucky = server.connect(patience_s=PATIENCE_S)
    unlucky.execute("SET synchronous_commit = off")
    unlucky.execute("CREATE TABLE late (a integer)")
    unlucky.execute("BEGIN")
    unlucky.execute("INSERT INTO late SELECT i FROM generate_series(1, 500) i")
    os.kill(unlucky.info.backend_pid, signal.SIGKILL)
    server.wait_for_log(REINITIALIZING, times=2)
    server.query("CREATE TABLE again (a integer)")
    server.kill_postmaster()
    server.start(**SETTINGS)
    run_statements(server, "INSERT INTO again VALUES (1); DROP TABLE wide; VACUUM again")
    server.stop("immediate")
    server.start(**(SETTINGS | {"max_connections": 13, "full_page_writes": "off"}))
    run_statements(server, "UPDATE again SET a = 2; DELETE FROM accounts")
    assert server.stop() == 0


def segments(server: Server) -> list[Path]:
    return sorted(path for path in (server.data / "pg_wal").iterdir() if len(path.name) == 24)


def in_use(server: Server) -> list[Path]:
    """The segments that were written, without those that were only made ahead."""
    last = control_values(server)["Latest checkpoint's REDO WAL file"]
    return [path for path in segments(server) if path.name <= last]


def control_values(server: Server) -> dict[str, str]:
    lines = theirs("pg_controldata", server.data).output.splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def descriptions(dump: Answer) -> list[str]:
    return [line.partition("desc: ")[2] for line in dump.output.splitlines() if "desc: " in line]


def test_pg_waldump_reads_every_segment_to_its_end(used_server: Server) -> None:
    written = in_use(used_server)
    assert len(written) >= 3, "the work was to fill several segments"
    for path in written[:-1]:
        dump = theirs("pg_waldump", "-q", path)
        assert (dump.status, dump.errors) == (0, ""), path.name


def test_pg_waldump_describes_every_record(used_server: Server) -> None:
    first, last = in_use(used_server)[0], in_use(used_server)[-1]
    dump = theirs("pg_waldump", first, last)
    lines = dump.output.splitlines()
    assert len(lines) > 1000
    for line in lines:
        assert "UNKNOWN" not in line, line
        assert line.partition("desc: ")[2].strip(), line


def test_all_kinds_of_records_are_there(used_server: Server) -> None:
    """Otherwise the other tests would prove little."""
    dump = theirs("pg_waldump", in_use(used_server)[0], in_use(used_server)[-1])
    seen = {description.split()[0] for description in descriptions(dump)}
    assert seen >= {
        "CHECKPOINT_SHUTDOWN", "CHECKPOINT_ONLINE", "RUNNING_XACTS", "COMMIT", "ABORT", "INSERT",
        "INSERT+INIT", "UPDATE", "HOT_UPDATE", "DELETE", "PRUNE", "CREATE", "TRUNCATE", "NEXTOID",
        "PARAMETER_CHANGE", "FPI_FOR_HINT",
    }  # fmt: skip


@pytest.mark.parametrize("options", [(), ("-b",), ("-z",), ("--stats=record",)])
def test_engine_waldump_prints_what_pg_waldump_prints(
    used_server: Server, options: tuple[str, ...]
) -> None:
    written = in_use(used_server)
    assert ours(waldump, *options, written[0], written[-1]) == theirs(
        "pg_waldump", *options, written[0], written[-1]
    )


def test_the_wal_ends_with_the_shutdown_checkpoint(used_server: Server) -> None:
    dump = theirs("pg_waldump", in_use(used_server)[-1])
    assert descriptions(dump)[-1].startswith("CHECKPOINT_SHUTDOWN redo ")
    assert "wanted 24, got 0" in dump.errors, "nothing but zeros behind it"
    assert control_values(used_server)["Latest checkpoint location"] in dump.output


def test_pg_checksums_finds_every_page_sound_after_a_clean_stop(used_server: Server) -> None:
    checked = theirs("pg_checksums", "--check", "-D", used_server.data)
    assert checked.status == 0, checked.errors
    assert "Bad checksums:  0\n" in checked.output
    blocks = next(line for line in checked.output.splitlines() if "Blocks scanned" in line)
    assert int(blocks.rpartition(" ")[2]) > 50


def test_engine_controldata_prints_what_pg_controldata_prints(used_server: Server) -> None:
    assert ours(controldata, "-D", used_server.data) == theirs("pg_controldata", used_server.data)


def test_pg_controldata_prints_the_state_of_the_cluster(used_server: Server) -> None:
    values = control_values(used_server)
    expected = {
        "pg_control version number": "1300",
        "Catalog version number": "202209061",
        "Database cluster state": "shut down",
        "Latest checkpoint's TimeLineID": "1",
        "Latest checkpoint's full_page_writes": "off",
        "Latest checkpoint location": values["Latest checkpoint's REDO location"],
        "Minimum recovery ending location": "0/0",
        "End-of-backup record required": "no",
        "wal_level setting": "replica",
        "max_connections setting": "13",
        "Database block size": "8192",
        "WAL block size": "8192",
        "Bytes per WAL segment": "1048576",
        "Data page checksum version": "1",
    }
    assert {name: values[name] for name in expected} == expected
    assert int(values["Latest checkpoint's NextOID"]) > 16384


def test_pg_controldata_follows_a_running_server(server: Server) -> None:
    def state() -> str:
        return control_values(server)["Database cluster state"]

    assert state() == "in production"
    server.query("CREATE TABLE t (a integer)")
    before = control_values(server)
    server.query("CHECKPOINT")
    after = control_values(server)
    assert position(after) > position(before)
    [(current,)] = server.query("SELECT pg_current_wal_lsn()")
    assert position(after) < lsn(str(current)), "the record begins before the end of WAL"
    assert after["Database system identifier"] == before["Database system identifier"]
    next_xid = int(after["Latest checkpoint's NextXID"].partition(":")[2])
    assert next_xid > int(before["Latest checkpoint's NextXID"].partition(":")[2])
    server.kill_postmaster()
    assert state() == "in production", "nobody was left to say otherwise"
    server.start()
    assert state() == "in production"
    server.stop()
    assert state() == "shut down"


def position(values: dict[str, str]) -> int:
    return lsn(values["Latest checkpoint location"])


def lsn(text: str) -> int:
    high, _, low = text.partition("/")
    return int(high, 16) << 32 | int(low, 16)


def test_pg_checksums_refuses_what_was_not_stopped_in_order(server: Server) -> None:
    server.query("CREATE TABLE t (a integer)")
    server.stop("immediate")
    checked = theirs("pg_checksums", "--check", "-D", server.data)
    assert checked.status == 1
    assert "cluster must be shut down" in checked.errors
