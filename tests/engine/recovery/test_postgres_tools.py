"""PostgreSQL's own programs read what checkpoints and recovery leave."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from engine.types import format_lsn
from tests.engine.recovery.recovery_cluster import SEGMENT, RecoveryCluster
from tests.postgres import require_postgres


@pytest.fixture
def cluster(tmp_path: Path) -> RecoveryCluster:
    """A cluster with work, a crash and a recovery behind it."""
    cluster = RecoveryCluster(tmp_path / "data").initialize()
    cluster.start()
    cluster.commit_rows(*(b"row %d" % number for number in range(500)))
    cluster.checkpoint()
    cluster.commit_rows(b"more")
    wal = cluster.backend.wal
    wal.flush(wal.insert(0, 0x20, bytes(20_000)))
    cluster.crash()
    path = cluster.root / "pg_wal/000000010000000000000001"
    data = bytearray(path.read_bytes())
    cut = wal.end_lsn() % SEGMENT // 8192 * 8192
    data[cut:] = bytes(len(data) - cut)
    path.write_bytes(data)
    cluster.config = cluster.config.replace(max_connections=6)
    cluster.start()
    cluster.commit_rows(b"last")
    cluster.schedule().replace_config(cluster.config.replace(full_page_writes=False))
    return cluster


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [require_postgres(program), *map(str, arguments)]
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env=environment
    )


def test_pg_controldata_shows_the_cluster(cluster: RecoveryCluster) -> None:
    state = "Database cluster state:               "
    running = run("pg_controldata", cluster.root).stdout
    assert f"{state}in production\n" in running
    cluster.stop()
    stopped = run("pg_controldata", cluster.root)
    assert f"{state}shut down\n" in stopped.stdout
    assert stopped.stderr == ""
    lsn = format_lsn(cluster.control().checkpoint_lsn)
    assert f"Latest checkpoint location:           {lsn}\n" in stopped.stdout
    assert f"Latest checkpoint's REDO location:    {lsn}\n" in stopped.stdout
    assert "max_connections setting:              6\n" in stopped.stdout


def test_pg_waldump_decodes_the_wal_of_checkpoints_and_recovery(cluster: RecoveryCluster) -> None:
    cluster.stop()
    start = format_lsn(SEGMENT + 40)
    dumped = run("pg_waldump", "-p", cluster.root / "pg_wal", "-s", start)
    described = [line.partition("desc: ")[2] for line in dumped.stdout.splitlines()]
    for wanted in (
        "CHECKPOINT_SHUTDOWN redo 0/100028; tli 1; prev tli 1; fpw true; xid 0:3; oid 16384;",
        "INSERT+INIT off 1",
        "COMMIT 20",
        "RUNNING_XACTS nextXid 4 latestCompletedXid 3 oldestRunningXid 4",
        "CHECKPOINT_ONLINE redo",
        "OVERWRITE_CONTRECORD lsn",
        "PARAMETER_CHANGE max_connections=6 max_worker_processes=8",
        "FPW_CHANGE false",
    ):
        assert any(line.startswith(wanted) for line in described), wanted
    assert "UNKNOWN" not in dumped.stdout
    # What it stops at is the end of the shutdown checkpoint, and nothing else.
    end = cluster.shared.wal.words[0]
    assert f"invalid record length at {format_lsn(end)}: wanted 24, got 0" in dumped.stderr


def test_pg_checksums_finds_every_page_sound_after_a_clean_stop(cluster: RecoveryCluster) -> None:
    cluster.stop()
    checked = run("pg_checksums", "--check", "-D", cluster.root)
    assert checked.returncode == 0, checked.stderr
    assert "Bad checksums:  0\n" in checked.stdout
