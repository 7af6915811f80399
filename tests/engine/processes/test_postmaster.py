"""The postmaster: shutdown modes, crash restart, the interlock, who may come in. PM-1 to PM-6."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from engine.processes.postmaster.states import TRANSITIONS, PostmasterState
from tests.server import PATIENCE_S, Server

CRASHING_ROLES = ["checkpointer", "background writer", "walwriter"]


def lives(process: psutil.Process) -> bool:
    """Whether it is more than an entry that nobody has reaped yet."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_every_state_is_reachable_and_named_in_the_table() -> None:
    reachable = {PostmasterState.INIT}
    for _ in PostmasterState:
        reachable |= {after for before in reachable for after in TRANSITIONS[before]}
    assert reachable == set(PostmasterState) == set(TRANSITIONS)


def test_every_process_has_postgresqls_title(server: Server) -> None:
    connection = server.connect()
    roles = server.processes()
    assert {"checkpointer", "background writer", "walwriter"} <= set(roles)
    assert any(role.startswith("postgres postgres [local] idle") for role in roles)
    connection.close()


@pytest.mark.parametrize("mode", ["fast", "smart"])
def test_an_orderly_shutdown_needs_no_recovery(server: Server, mode: str) -> None:
    server.query("CREATE TABLE t (a integer)")
    server.query("INSERT INTO t VALUES (1)")
    assert server.stop(mode) == 0
    assert not (server.data / "postmaster.pid").exists()
    assert "database system is shut down" in server.log()
    server.start()
    assert server.query("SELECT a FROM t") == [(1,)]
    assert "redo starts at" not in server.log()


def test_a_fast_shutdown_disconnects_clients_with_57p01(server: Server) -> None:
    connection = server.connect()
    assert server.stop("fast") == 0
    with pytest.raises(psycopg.OperationalError) as caught:
        connection.execute("SELECT 1")
    assert caught.value.sqlstate in ("57P01", None)
    assert "terminating connection due to administrator command" in server.log()


def test_a_smart_shutdown_waits_for_the_last_client(server: Server) -> None:
    connection = server.connect()
    os.kill(server.pid, signal.SIGTERM)
    server.wait_for_log("received smart shutdown request")
    assert connection.execute("SELECT 1").fetchall() == [(1,)]
    with pytest.raises(psycopg.OperationalError, match="the database system is shutting down"):
        server.connect()
    connection.close()
    assert server.wait_for_exit() == 0


def test_an_immediate_shutdown_is_a_crash_for_the_data(server: Server) -> None:
    server.query("CREATE TABLE t (a integer)")
    server.query("INSERT INTO t VALUES (1)")
    assert server.stop("immediate") == 0
    server.start()
    assert server.query("SELECT a FROM t") == [(1,)]
    assert "redo starts at" in server.log()


@pytest.mark.parametrize("role", CRASHING_ROLES)
def test_a_killed_child_leads_to_a_crash_restart(server: Server, role: str) -> None:
    server.query("CREATE TABLE t (a integer)")
    server.query("INSERT INTO t VALUES (1)")
    before = server.processes()
    server.kill(role)
    server.wait_for_log("all server processes terminated; reinitializing")
    assert server.query("SELECT a FROM t") == [(1,)]
    after = server.processes()
    for other in CRASHING_ROLES:
        assert before[other] != after[other], f"{other} went on over broken shared memory"
    assert "was terminated by signal 9: Killed" in server.log()
    assert server.stop() == 0


def test_a_killed_backend_leads_to_a_crash_restart_and_57p02_for_the_others(
    server: Server,
) -> None:
    victim, bystander = server.connect(), server.connect()
    os.kill(victim.info.backend_pid, signal.SIGKILL)
    server.wait_for_log("all server processes terminated")
    with pytest.raises(psycopg.OperationalError):
        bystander.execute("SELECT 1")
    assert server.query("SELECT 1") == [(1,)]
    assert server.stop() == 0


def test_a_killed_logger_is_replaced_and_nobody_else_notices(stopped_server: Server) -> None:
    server = stopped_server
    server.start(logging_collector="on")
    connection = server.connect()
    before = server.processes()
    server.kill("logger")
    deadline = time.monotonic() + PATIENCE_S
    while server.processes().get("logger", before["logger"]) == before["logger"]:
        assert time.monotonic() < deadline, "no new logger"
        time.sleep(0.01)
    assert connection.execute("SELECT 1").fetchall() == [(1,)]
    assert server.processes()["checkpointer"] == before["checkpointer"]
    connection.close()
    assert server.stop() == 0
    logs = "".join(path.read_text() for path in sorted((server.data / "log").iterdir()))
    assert "database system is ready to accept connections" in logs
    assert "database system is shut down" in logs


def test_a_stopped_child_that_does_not_quit_is_killed(server: Server) -> None:
    """PM-4."""
    roles = server.processes()
    os.kill(roles["background writer"], signal.SIGSTOP)
    server.kill("checkpointer")
    server.wait_for_log("issuing SIGKILL to recalcitrant children")
    assert server.query("SELECT 1") == [(1,)]


def test_children_leave_when_the_postmaster_is_gone(server: Server) -> None:
    server.query("CREATE TABLE t (a integer)")
    server.query("INSERT INTO t VALUES (1)")
    connection = server.connect()
    children = psutil.Process(server.pid).children()
    server.kill_postmaster()
    assert not [child for child in children if lives(child)]
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    server.start()
    assert server.query("SELECT a FROM t") == [(1,)]


def test_a_new_postmaster_refuses_while_a_child_of_the_old_one_lives(server: Server) -> None:
    """PM-1."""
    child = server.processes()["checkpointer"]
    os.kill(child, signal.SIGSTOP)
    os.kill(server.pid, signal.SIGKILL)
    server.wait_for_exit()
    server.start(wait=False)
    assert server.wait_for_exit() == 1
    assert "processes of an earlier postmaster are still running" in server.log()
    os.kill(child, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_S
    while psutil.pid_exists(child) and lives(psutil.Process(child)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    server.start()
    assert server.query("SELECT 1") == [(1,)]


def test_a_second_postmaster_refuses_and_harms_nothing(server: Server) -> None:
    second = Server(server.data, server.sockets, port=5433)
    second.start(wait=False)
    assert second.wait_for_exit() == 1
    assert 'lock file "postmaster.pid" already exists' in second.log()
    assert server.query("SELECT 1") == [(1,)]
    assert (server.data / "postmaster.pid").exists()


def test_a_port_in_use_is_refused_with_advice(server: Server, tmp_path: object) -> None:
    other = server.data.parent / "other"
    os.system(f"cp -r {server.data} {other} && rm {other}/postmaster.pid")
    second = Server(other, server.sockets)
    second.start(wait=False)
    assert second.wait_for_exit() == 1
    assert "already exists" in second.log()
    assert "Choose another port (-p)" in second.log()
    assert server.query("SELECT 1") == [(1,)]


def test_too_many_clients_are_told_so(stopped_server: Server) -> None:
    server = stopped_server
    server.start(max_connections=2, superuser_reserved_connections=0)
    connections = [server.connect(patience_s=PATIENCE_S) for _ in range(2)]
    with pytest.raises(psycopg.OperationalError, match="sorry, too many clients already"):
        server.connect()
    for connection in connections:
        connection.close()
    assert server.query("SELECT 1") == [(1,)], "a slot is free again"


def test_a_data_directory_that_is_none_is_refused(stopped_server: Server) -> None:
    (stopped_server.data / "PG_VERSION").unlink()
    stopped_server.start(wait=False)
    assert stopped_server.wait_for_exit() == 1
    assert "is not a valid data directory" in stopped_server.log()


def test_a_fast_shutdown_during_recovery_ends_it(server: Server) -> None:
    server.kill("checkpointer")
    server.wait_for_log("all server processes terminated; reinitializing")
    assert server.stop("fast") == 0
    server.start()
    assert server.query("SELECT 1") == [(1,)]


# what the machine refuses -------------------------------------------------------------------------


@pytest.fixture
def no_forks(short_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """While this file is there, the postmaster can fork as often as it says and no more.

    Ask for it before the server.
    """
    flag = short_directory / "no-forks"
    fork, here = os.fork, os.getpid()
    done = 0

    def fork_if_allowed() -> int:
        nonlocal done
        if os.getpid() != here and flag.exists():
            if done >= int(flag.read_text()):
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            done += 1
        return fork()

    monkeypatch.setattr(os, "fork", fork_if_allowed)
    return flag


def test_a_client_for_whom_no_process_can_be_had_harms_nobody(
    no_forks: Path, server: Server
) -> None:
    connection = server.connect()
    no_forks.write_text("0")
    with pytest.raises(psycopg.OperationalError):
        server.connect()
    assert "could not fork new process for connection" in server.log()
    assert connection.execute("SELECT 1").fetchall() == [(1,)]
    no_forks.unlink()
    assert server.query("SELECT 1") == [(1,)]
    assert server.stop() == 0


def test_an_auxiliary_process_that_cannot_be_forked_is_tried_again(
    no_forks: Path, server: Server
) -> None:
    server.query("CREATE TABLE t (a integer)")
    # Checkpointer, background writer and startup process; the WAL writer comes after recovery.
    no_forks.write_text("3")
    server.kill("checkpointer")
    server.wait_for_log("could not fork WAL writer process")
    assert server.is_running()
    no_forks.unlink()
    assert server.query("SELECT count(*) FROM t") == [(0,)]
    deadline = time.monotonic() + PATIENCE_S
    while "walwriter" not in server.processes():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert server.stop() == 0


def test_a_startup_process_that_cannot_be_forked_ends_the_postmaster_in_order(
    no_forks: Path, server: Server
) -> None:
    server.query("CREATE TABLE t (a integer)")
    no_forks.write_text("0")
    children = psutil.Process(server.pid).children()
    server.kill("checkpointer")
    assert server.wait_for_exit() == 1
    assert "could not fork startup process" in server.log()
    assert not [child for child in children if lives(child)]
    assert not (server.data / "postmaster.pid").exists()
    no_forks.unlink()
    server.start()
    assert server.query("SELECT count(*) FROM t") == [(0,)]


def test_a_pid_file_that_cannot_be_written_is_no_reason_to_end(server: Server) -> None:
    server.query("CREATE TABLE t (a integer)")
    pid_file = server.data / "postmaster.pid"
    pid_file.unlink()
    pid_file.mkdir()
    server.kill("checkpointer")
    server.wait_for_log('could not write to file "postmaster.pid"')
    assert server.query("SELECT count(*) FROM t") == [(0,)]
    pid_file.rmdir()
    assert server.stop() == 0


def test_a_shutdown_checkpoint_that_fails_is_reported_and_recovered_from(server: Server) -> None:
    server.query("CREATE TABLE t (a integer)")
    server.query("INSERT INTO t VALUES (1)")
    ((number, database),) = server.query(
        "SELECT relfilenode, (SELECT oid FROM pg_database WHERE datname = 'postgres') "
        "FROM pg_class WHERE relname = 't'"
    )
    (server.data / f"base/{database}/{number}").unlink()
    assert server.stop() == 1
    assert "FATAL:  could not open file" in server.log()
    assert "Traceback" not in server.log()
    assert "This is a bug" not in server.log()
    assert "abnormal database system shutdown" in server.log()
    server.start()
    assert server.query("SELECT a FROM t") == [(1,)]


# SIGHUP -------------------------------------------------------------------------------------------


def test_a_reload_leaves_the_command_line_and_what_memory_was_laid_out_for(
    stopped_server: Server,
) -> None:
    server = stopped_server
    server.start(synchronous_commit="on", checkpoint_timeout="77s", max_connections=7)
    session = server.connect()
    server.query("CREATE TABLE t (a integer)")
    with (server.data / "postgresql.conf").open("a") as file:
        file.write(
            "synchronous_commit = off\nmax_connections = 3\ndeadlock_timeout = 7s\n"
            "superuser_reserved_connections = 0\n"
        )
    os.kill(server.pid, signal.SIGHUP)
    server.wait_for_log('parameter "superuser_reserved_connections" cannot be changed without')
    names = ("synchronous_commit", "checkpoint_timeout", "max_connections", "data_directory")
    expected = ["on", "77s", "7", str(server.data)]
    deadline = time.monotonic() + PATIENCE_S
    while session.execute("SHOW deadlock_timeout").fetchall() != [("7s",)]:
        assert time.monotonic() < deadline
    for connection in (session, server.connect()):
        shown = [connection.execute(f"SHOW {name}").fetchall()[0][0] for name in names]
        assert shown == expected
    server.kill("checkpointer")
    server.wait_for_log("all server processes terminated; reinitializing")
    connections = [server.connect(patience_s=PATIENCE_S) for _ in range(4)]
    assert [one.execute("SELECT count(*) FROM t").fetchall() for one in connections] == [[(0,)]] * 4
    assert server.query("SHOW max_connections") == [("7",)]


def test_a_configuration_file_that_cannot_be_read_changes_nothing(server: Server) -> None:
    path = server.data / "postgresql.conf"
    path.rename(server.data / "away")
    path.mkdir()
    os.kill(server.pid, signal.SIGHUP)
    server.wait_for_log("configuration file contains errors; no changes were applied")
    assert server.query("SELECT 1") == [(1,)]
