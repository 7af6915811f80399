"""Damaged files: refused or reported, in PostgreSQL's words, and never silently wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.server import Server

FIRST_SEGMENT = "pg_wal/000000010000000000000001"
SECOND_SEGMENT = "pg_wal/000000010000000000000002"


def flip(path: Path, offset: int) -> None:
    """Change one byte."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(data)


def refuses_to_start(server: Server) -> str:
    """Start in vain; what was logged. The data directory can be started again."""
    before = len(server.log())
    server.start(wait=False)
    assert server.wait_for_exit() == 1
    logged = server.log()[before:]
    assert "Traceback" not in logged
    assert "This is a bug" not in logged
    assert "ready to accept connections" not in logged
    assert not (server.data / "postmaster.pid").exists()
    return logged


# pg_control --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: flip(path, 48), "incorrect checksum in control file"),
        (lambda path: flip(path, 8), "database files are incompatible with server"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:100]),
            'could not read file "global/pg_control": read 100 of',
        ),
        (lambda path: path.write_bytes(b""), 'could not read file "global/pg_control": read 0 of'),
        (lambda path: path.write_bytes(bytes(8192)), ""),
        (
            lambda path: path.unlink(),
            'could not open file "global/pg_control": No such file or directory',
        ),
    ],
    ids=["checksum", "version", "cut", "empty", "zeros", "missing"],
)
def test_a_corrupt_pg_control_is_refused(
    damage: Callable[[Path], object], message: str, stopped_server: Server
) -> None:
    path = stopped_server.data / "global/pg_control"
    sound = path.read_bytes()
    damage(path)
    logged = refuses_to_start(stopped_server)
    assert "FATAL:  " in logged
    assert message in logged
    path.write_bytes(sound)
    stopped_server.start()
    assert stopped_server.query("SELECT 1") == [(1,)]


# WAL ---------------------------------------------------------------------------------------------


def crashed_with_two_segments(server: Server) -> None:
    """A server that crashed when its redo point was one segment before its checkpoint's end."""
    server.start(max_wal_size="64MB", wal_keep_size="64MB")
    server.query("CREATE TABLE t (a integer, b text)")
    server.query("CHECKPOINT")
    with server.connect() as connection:
        for start in range(0, 36_000, 12_000):
            connection.execute(
                "INSERT INTO t SELECT i, 'a text that fills the log ' || i "
                f"FROM generate_series({start + 1}, {start + 12_000}) i"
            )
    server.stop("immediate")
    assert (server.data / SECOND_SEGMENT).exists()


def test_without_the_segment_of_the_checkpoint_start_up_is_refused(stopped_server: Server) -> None:
    server = stopped_server
    crashed_with_two_segments(server)
    missing = server.data / FIRST_SEGMENT
    missing.rename(server.data / "aside")
    logged = refuses_to_start(server)
    assert f'could not open file "{FIRST_SEGMENT}": No such file or directory' in logged
    assert "invalid primary checkpoint record" in logged
    assert "PANIC:  could not locate a valid checkpoint record" in logged
    assert "shutting down due to startup process failure" in logged
    (server.data / "aside").rename(missing)
    server.start()
    assert server.query("SELECT count(*) FROM t") == [(36_000,)], "nothing was lost by the refusal"


def test_a_damaged_checkpoint_record_is_refused(stopped_server: Server) -> None:
    server = stopped_server
    crashed_with_two_segments(server)
    path = server.data / FIRST_SEGMENT
    sound = path.read_bytes()
    path.write_bytes(bytes(len(sound)))
    assert "PANIC:  could not locate a valid checkpoint record" in refuses_to_start(server)
    path.write_bytes(sound)
    server.start()
    assert server.query("SELECT count(*) FROM t") == [(36_000,)]


def test_a_missing_wal_directory_is_refused(stopped_server: Server) -> None:
    (stopped_server.data / "pg_wal").rename(stopped_server.data / "aside")
    assert 'required WAL directory "pg_wal" does not exist' in refuses_to_start(stopped_server)
    (stopped_server.data / "aside").rename(stopped_server.data / "pg_wal")
    stopped_server.start()
    assert stopped_server.query("SELECT 1") == [(1,)]


# pages -------------------------------------------------------------------------------------------


def with_two_tables(server: Server) -> Path:
    """A stopped server; the file of table `bad`, whose second page can be damaged."""
    server.start()
    for name in ("bad", "good"):
        server.query(f"CREATE TABLE {name} (a integer, b text)")
        server.query(
            f"INSERT INTO {name} SELECT i, 'a text of some length ' || i "
            "FROM generate_series(1, 400) i"
        )
    [(node,)] = server.query("SELECT relfilenode FROM pg_class WHERE relname = 'bad'")
    [(database,)] = server.query("SELECT oid FROM pg_database WHERE datname = 'postgres'")
    assert server.stop() == 0
    return server.data / f"base/{database}/{node}"


def test_a_page_with_a_bad_checksum_is_an_error_for_its_readers_alone(
    stopped_server: Server,
) -> None:
    server = stopped_server
    path = with_two_tables(server)
    flip(path, 8192 + 5000)
    server.start()
    with server.connect() as connection:
        for statement in ("SELECT count(*) FROM bad", "UPDATE bad SET a = 0", "VACUUM bad"):
            with pytest.raises(psycopg.errors.DataCorrupted) as caught:
                connection.execute(statement)  # type: ignore[call-overload]
            name = str(path.relative_to(server.data))
            assert f"invalid page in block 1 of relation {name}" in str(caught.value)
        assert connection.execute("SELECT count(*) FROM good").fetchall() == [(400,)]
        assert connection.execute("SELECT a FROM bad LIMIT 1").fetchall() == [(1,)], "page 0"
        connection.execute("INSERT INTO good VALUES (401, 'more')")
    assert "WARNING:  page verification failed, calculated checksum " in server.log()
    assert server.stop() == 0
    flip(path, 8192 + 5000)
    server.start()
    assert server.query("SELECT count(*) FROM bad") == [(400,)], "nobody wrote over it"


def test_zero_damaged_pages_goes_on_without_the_page(stopped_server: Server) -> None:
    server = stopped_server
    path = with_two_tables(server)
    flip(path, 8192 + 5000)
    server.start()
    with server.connect() as connection:
        connection.execute("SET zero_damaged_pages = on")
        [(count,)] = connection.execute("SELECT count(*) FROM bad").fetchall()
    assert 0 < count < 400
    assert "WARNING:  invalid page in block 1 of relation " in server.log()


def test_a_missing_table_file_is_an_error_for_its_readers_alone(
    stopped_server: Server,
) -> None:
    server = stopped_server
    path = with_two_tables(server)
    path.unlink()
    server.start()
    with server.connect() as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute("SELECT count(*) FROM bad")
        assert caught.value.sqlstate == "58P01"
        assert "No such file or directory" in str(caught.value)
        assert connection.execute("SELECT count(*) FROM good").fetchall() == [(400,)]
    assert "terminated by signal" not in server.log()


def test_a_torn_page_is_repaired_from_its_full_page_image(stopped_server: Server) -> None:
    server = stopped_server
    path = with_two_tables(server)
    server.start()
    server.query("CHECKPOINT")
    server.query("UPDATE bad SET a = a + 1000")
    server.stop("immediate")
    data = bytearray(path.read_bytes())
    data[8192 + 4096 : 16384] = bytes(4096)
    path.write_bytes(data)
    server.start()
    assert server.query("SELECT count(*), min(a) FROM bad") == [(400, 1001)]
    assert server.stop() == 0


@pytest.mark.parametrize("relation", [1260, 1262], ids=["pg_authid", "pg_database"])
def test_a_catalog_page_that_cannot_be_read_at_login_costs_that_session_alone(
    relation: int, stopped_server: Server
) -> None:
    server = stopped_server
    path = server.data / f"global/{relation}"
    sound = path.read_bytes()
    flip(path, 8000)
    server.start(wait=False)
    server.wait_for_log("database system is ready to accept connections")
    for _ in range(2):
        with pytest.raises(psycopg.OperationalError, match="FATAL:  invalid page in block 0"):
            server.connect()
    logged = server.log()
    assert "terminating any other active server processes" not in logged
    assert "Traceback" not in logged
    assert "This is a bug" not in logged
    path.write_bytes(sound)
    assert server.query("SELECT 1") == [(1,)]
    assert server.stop() == 0
