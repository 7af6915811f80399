"""Reading what a server shows of itself: titles, logs, redo figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.targets.log import Replay, ServerLog, differences_in, marks_in, replay_in
from chaos.targets.processes import Role, role_of_title


@pytest.mark.parametrize(
    ("title", "role"),
    [
        ("postgres: checkpointer ", Role.CHECKPOINTER),
        ("postgres: background writer", Role.BGWRITER),
        ("postgres: walwriter ", Role.WALWRITER),
        ("postgres: logger ", Role.LOGGER),
        ("postgres: startup recovering 000000010000000000000001", Role.STARTUP),
        ("postgres: autovacuum worker postgres", Role.OTHER),
        ("postgres: postgres postgres [local] idle", Role.BACKEND),
        ("postgres: startupper postgres [local] idle", Role.BACKEND),
        ("/usr/lib/postgresql/15/bin/postgres -D data", Role.NEWBORN),
        ("", Role.NEWBORN),
    ],
)
def test_a_title_tells_the_role(title: str, role: Role) -> None:
    assert role_of_title(title) is role


def test_a_log_is_read_in_whole_lines_as_it_grows(tmp_path: Path) -> None:
    errors, logs = tmp_path / "stderr", tmp_path / "logs"
    log = ServerLog([errors], logs)
    assert log.news() == []
    errors.write_text("first\nsec")
    logs.mkdir()
    (logs / "server.log").write_text("third\n")
    assert log.news() == ["first", "third"]
    with errors.open("a") as file:
        file.write("ond\n")
    assert log.news() == ["second"]
    assert log.news() == []


POSTGRES = [
    "LOG:  redo starts at 0/8415B8",
    "LOG:  invalid record length at 0/8690B0: wanted 24, got 0",
    "LOG:  redo done at 0/868F18 system usage: CPU: user: 0.00 s, system: 0.00 s, elapsed: 0.02 s",
    "LOG:  database system is ready to accept connections",
]


def test_postgres_redo_is_told_by_its_ends() -> None:
    figure, span = replay_in(POSTGRES)
    assert span == (0x8415B8, 0x868F18)
    assert figure == Replay(None, 0x868F18 - 0x8415B8, 0.02)


def test_the_engines_own_figure_is_taken_wherever_it_stands() -> None:
    own = "LOG:  redo replayed 1200 records (98304 bytes) in 0.031 s"
    for lines in ([*POSTGRES, own], [*POSTGRES[:2], own, *POSTGRES[2:]]):
        assert replay_in(lines)[0] == Replay(1200, 98304, 0.031)


def test_a_page_that_replay_made_otherwise_is_named_once_however_often_recovery_fails() -> None:
    first, second = (
        f"inconsistent page found, rel 1663/5/16384, forknum 0, blkno {block}" for block in (3, 4)
    )
    lines = [f"2026-01-01 [9] FATAL:  {page}" for page in (first, first, second)]
    assert differences_in([*POSTGRES, *lines, "CONTEXT:  WAL redo at 0/1"]) == [first, second]
    assert differences_in(POSTGRES) == []


def test_an_unfinished_redo_is_none() -> None:
    assert replay_in(POSTGRES[:2]) == (None, None)


def test_marks_are_found_in_a_log() -> None:
    assert marks_in(POSTGRES) == ["redo_started", "redo_done", "ready"]
    lines = [
        "LOG:  server process (PID 12) was terminated by signal 9: Killed",
        "LOG:  terminating any other active server processes",
        "LOG:  all server processes terminated; reinitializing",
        "LOG:  aborting startup due to startup process failure",
    ]
    assert marks_in(lines) == ["killed", "crash_restart", "reinitialized", "gave_up"]


@pytest.mark.parametrize(
    ("line", "is_interlock"),
    [
        ('FATAL:  lock file "postmaster.pid" already exists', True),
        ('FATAL:  lock file "/data/postmaster.pid" already exists', True),
        ("FATAL:  processes of an earlier postmaster are still running", True),
        ("FATAL:  pre-existing shared memory block (key 7, ID 3) is still in use", True),
        ('FATAL:  lock file "/sockets/.s.PGSQL.5432.lock" already exists', False),
    ],
)
def test_the_interlock_of_the_data_directory_is_not_that_of_a_socket(
    line: str, is_interlock: bool
) -> None:
    assert ("old_processes" in marks_in([line])) is is_interlock
