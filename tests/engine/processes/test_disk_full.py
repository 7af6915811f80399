"""A full disk: for tables it costs one transaction, for WAL a restart; nothing is lost.

The data directory, or pg_wal alone, lies on a small tmpfs, and a ballast file fills it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.server import Server

SIZE_MB = 24


class SmallDisk:
    """A mounted tmpfs, and the ballast that fills it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ballast = directory / "ballast"

    def fill(self, leave: int = 0) -> None:
        """Leave no more than `leave` bytes."""
        free = os.statvfs(self.directory).f_bavail * os.statvfs(self.directory).f_bsize
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(free - leave, 1))

    def make_room(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def small_disk(short_directory: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system that gets really full")
    directory = short_directory / "disk"
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(directory)]
    mounted = subprocess.run(command, capture_output=True, text=True, timeout=20)
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield SmallDisk(directory)
    subprocess.run(["umount", "-l", str(directory)], check=True, timeout=20)


@pytest.fixture
def full_data_server(
    small_disk: SmallDisk, short_directory: Path, cluster_template: Path
) -> Iterator[Server]:
    """A server, not started, with its tables on the small disk and its WAL elsewhere."""
    yield from placed_server(cluster_template, short_directory, small_disk.directory, "base")


@pytest.fixture
def full_wal_server(
    small_disk: SmallDisk, short_directory: Path, cluster_template: Path
) -> Iterator[Server]:
    """A server, not started, with its WAL on the small disk and all else elsewhere."""
    yield from placed_server(cluster_template, short_directory, small_disk.directory, "pg_wal")


def placed_server(template: Path, directory: Path, disk: Path, part: str) -> Iterator[Server]:
    server = Server.from_template(template, directory)
    shutil.move(server.data / part, disk / part)
    (server.data / part).symlink_to(disk / part)
    yield server
    server.destroy()


def test_a_full_disk_for_tables_costs_one_transaction(
    full_data_server: Server, small_disk: SmallDisk
) -> None:
    server = full_data_server
    server.start(max_wal_size="256MB")
    connection = server.connect()
    connection.execute("CREATE TABLE t (a integer, b text)")
    connection.execute("INSERT INTO t SELECT i, 'a row' FROM generate_series(1, 100) i")
    connection.execute("CREATE TABLE other (a integer)")
    connection.execute("INSERT INTO other VALUES (1)")
    small_disk.fill(leave=32 * 1024)
    checkpointer = server.processes()["checkpointer"]
    with pytest.raises(psycopg.errors.DiskFull) as caught:
        connection.execute(
            "INSERT INTO t SELECT i, 'some text that needs space ' || i "
            "FROM generate_series(1, 5000) i"
        )
    assert "could not extend file" in str(caught.value)
    assert "No space left on device" in str(caught.value)
    assert caught.value.diag.message_hint == "Check free disk space."
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(100,)]
    assert connection.execute("UPDATE other SET a = 2 RETURNING a").fetchall() == [(2,)]
    assert server.processes()["checkpointer"] == checkpointer, "no restart"
    small_disk.make_room()
    connection.execute("INSERT INTO t SELECT i, 'more' FROM generate_series(101, 3000) i")
    connection.execute("CHECKPOINT")
    assert server.stop() == 0
    server.start()
    assert server.query("SELECT count(*), max(a) FROM t") == [(3000, 3000)]
    assert "PANIC" not in server.log()


def test_a_table_that_cannot_be_made_on_a_full_disk_is_an_error(
    full_data_server: Server, small_disk: SmallDisk
) -> None:
    server = full_data_server
    server.start()
    connection = server.connect()
    small_disk.fill()
    for _ in range(3):
        try:
            connection.execute("CREATE TABLE t (a integer)")
            connection.execute("INSERT INTO t VALUES (1)")
        except psycopg.errors.DiskFull:
            connection.execute("DROP TABLE IF EXISTS t")
            break
    else:
        pytest.fail("the disk was not full")
    small_disk.make_room()
    connection.execute("CREATE TABLE t (a integer)")
    connection.execute("INSERT INTO t VALUES (1)")
    assert server.stop() == 0
    assert "PANIC" not in server.log()


def fill_wal(server: Server, small_disk: SmallDisk) -> int:
    """Insert until the WAL has no room left; how many rows were acknowledged."""
    connection = server.connect()
    connection.execute("CREATE TABLE t (a integer, b text)")
    small_disk.fill()
    for acknowledged in range(2000):
        try:
            connection.execute(
                "INSERT INTO t SELECT %s, 'text ' || i FROM generate_series(1, 100) i",
                (acknowledged + 1,),
            )
        except psycopg.OperationalError:
            return acknowledged
    raise AssertionError("the disk never was full")


def test_a_full_disk_for_wal_is_a_panic_and_loses_nothing_acknowledged(
    full_wal_server: Server, small_disk: SmallDisk
) -> None:
    server = full_wal_server
    server.start(checkpoint_timeout=3600)
    acknowledged = fill_wal(server, small_disk)
    assert acknowledged > 10
    server.wait_for_log('PANIC:  could not write to file "pg_wal/xlogtemp.')
    assert "No space left on device" in server.log()
    assert "Traceback" not in server.log()
    assert "This is a bug" not in server.log()
    small_disk.make_room()
    try:
        server.wait_until_ready()
    except psycopg.OperationalError:
        server.start()  # it had given up before there was room again
    rows = server.query("SELECT a, count(*) FROM t GROUP BY a ORDER BY a")
    assert len(rows) in (acknowledged, acknowledged + 1)
    assert rows == [(number, 100) for number in range(1, len(rows) + 1)], "each wholly, no hole"
    server.query("INSERT INTO t VALUES (0, 'again')")
    assert server.stop() == 0


def test_a_disk_for_wal_that_stays_full_ends_in_a_clear_refusal(
    full_wal_server: Server, small_disk: SmallDisk
) -> None:
    server = full_wal_server
    server.start(checkpoint_timeout=3600)
    acknowledged = fill_wal(server, small_disk)
    assert server.wait_for_exit() == 1
    assert 'FATAL:  could not write to file "pg_wal/xlogtemp.' in server.log()
    assert "shutting down due to startup process failure" in server.log()
    assert "No space left on device" in server.log()
    assert "Traceback" not in server.log()
    assert "This is a bug" not in server.log()
    small_disk.make_room()
    server.start()
    [(groups,)] = server.query("SELECT count(*) FROM t WHERE b = 'text 1'")
    assert groups in (acknowledged, acknowledged + 1)
    assert server.stop() == 0


def test_a_server_on_a_disk_that_is_wholly_full_says_so_and_starts_later(
    small_disk: SmallDisk, cluster_template: Path
) -> None:
    server = Server.from_template(cluster_template, small_disk.directory)
    server.output = small_disk.directory.parent / "output"
    server.sockets = small_disk.directory.parent
    try:
        small_disk.fill()
        server.start(wait=False)
        assert server.wait_for_exit() == 1
        assert "FATAL:  " in server.log()
        assert "No space left on device" in server.log()
        assert "Traceback" not in server.log()
        assert "This is a bug" not in server.log()
        assert not (server.data / "postmaster.pid").exists()
        small_disk.make_room()
        server.start()
        assert server.query("SELECT 1") == [(1,)]
        assert server.stop() == 0
    finally:
        server.destroy()
