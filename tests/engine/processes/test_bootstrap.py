"""A new cluster, before any server ran on it: PostgreSQL's own tools accept it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from engine.cli.initdb import initialize, initialize_through
from engine.host.api import Buffer, OpenMode
from engine.host.real import RealHost
from engine.host.whole_file import directory_of
from tests.postgres import require_postgres


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [require_postgres(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_pg_checksums_finds_every_page_of_a_new_cluster_right(cluster_template: Path) -> None:
    answer = run("pg_checksums", "--check", cluster_template)
    assert answer.returncode == 0, answer.stderr
    assert "Bad checksums:  0" in answer.stdout


def test_pg_controldata_says_that_a_new_cluster_was_shut_down(cluster_template: Path) -> None:
    answer = run("pg_controldata", cluster_template)
    assert answer.returncode == 0
    assert "WARNING" not in answer.stdout + answer.stderr
    shown = dict(line.split(":", 1) for line in answer.stdout.splitlines())
    assert shown["Database cluster state"].strip() == "shut down"
    assert shown["Latest checkpoint's NextXID"].strip() == "0:3"
    assert shown["Data page checksum version"].strip() == "1"


def test_pg_waldump_reads_the_one_record_of_a_new_cluster(cluster_template: Path) -> None:
    segment = cluster_template / "pg_wal" / "000000010000000000000001"
    answer = run("pg_waldump", segment)
    assert "CHECKPOINT_SHUTDOWN" in answer.stdout
    assert "wanted 24, got 0" in answer.stderr


class WatchedHost(RealHost):
    """The real host, which notes what is not durable yet."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.unsynced: set[str] = set()
        self._paths: dict[int, str] = {}

    def open(self, path: str, mode: OpenMode = OpenMode.READ) -> int:
        if mode & OpenMode.CREATE and self.stat(path) is None:
            self.unsynced |= {path, directory_of(path)}
        fd = super().open(path, mode)
        self._paths[fd] = path
        return fd

    def make_directory(self, path: str) -> None:
        super().make_directory(path)
        if path:
            self.unsynced |= {path, directory_of(path)}

    def pwrite(self, fd: int, data: Buffer, offset: int) -> int:
        self.unsynced.add(self._paths[fd])
        return super().pwrite(fd, data, offset)

    def fsync(self, fd: int) -> None:
        super().fsync(fd)
        self.unsynced.discard(self._paths[fd])

    def fsync_directory(self, path: str) -> None:
        super().fsync_directory(path)
        self.unsynced.discard(path or ".")


def test_a_new_cluster_is_durable_with_all_its_names(tmp_path: Path) -> None:
    host = WatchedHost(str(tmp_path / "data"))
    initialize_through(host, str(tmp_path / "data"), wal_segment_mb=1)
    assert sorted(host.unsynced) == []
    assert (tmp_path / "data" / "global" / "pg_control").exists()


def test_two_clusters_are_told_apart(tmp_path: Path) -> None:
    identifiers = set()
    for name in ("one", "two"):
        initialize(str(tmp_path / name), wal_segment_mb=1)
        control = (tmp_path / name / "global" / "pg_control").read_bytes()
        identifiers.add(control[:8])
    assert len(identifiers) == 2
