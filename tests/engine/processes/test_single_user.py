"""Single-user mode: what a process that runs alone recovers, answers, refuses and leaves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner

from engine.cli.single import single
from engine.errors import FatalError, SqlError
from engine.host.real import RealHost
from engine.processes.single_user import SingleUser
from engine.recovery.control import read_control_file
from engine.recovery.control_file import ClusterState
from tests.engine.cli.tool import Answer
from tests.server import Server

SETTINGS = {"shared_buffers": "256kB", "log_line_prefix": ""}
QUERY = "SELECT a, b FROM t ORDER BY a"


def started(data: Path, **settings: str) -> SingleUser:
    process = SingleUser(RealHost(str(data)), str(data), SETTINGS | settings)
    process.start("postgres")
    return process


def run(data: Path, lines: str, *arguments: str) -> Answer:
    """`engine single` with these lines."""
    options = ["-D", str(data), "-c", "shared_buffers=256kB", *arguments]
    result = CliRunner().invoke(single, options, input=lines)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return Answer(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def data(stopped_server: Server) -> Path:
    return stopped_server.data


def test_a_crashed_cluster_answers_as_it_does_to_a_server(server: Server) -> None:
    server.query("CREATE TABLE t (a integer, b text)")
    server.query("INSERT INTO t VALUES (1, 'one'), (2, NULL), (3, 'three')")
    server.query("CHECKPOINT")
    server.query("UPDATE t SET b = b || '!' WHERE a > 1")
    left_open = server.connect(autocommit=False)
    left_open.execute("INSERT INTO t VALUES (99, 'never committed')")
    server.query("DELETE FROM t WHERE a = 1")
    server.kill_postmaster()
    image = server.data.with_name("image")
    shutil.copytree(server.data, image)
    server.start()
    expected = [tuple(map(_text, row)) for row in server.query(QUERY)]
    assert expected == [("2", None), ("3", "three!")]
    process = started(image)
    assert list(process.execute(QUERY)[0].rows) == expected
    process.leave()


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def test_after_a_shutdown_a_server_needs_no_recovery(data: Path, stopped_server: Server) -> None:
    process = started(data)
    process.execute("CREATE TABLE t (a integer, b text)")
    process.execute("INSERT INTO t VALUES (1, 'x')")
    process.execute("BEGIN")
    process.execute("INSERT INTO t VALUES (2, 'rolled back')")
    process.shut_down()
    assert read_control_file(RealHost(str(data))).state == ClusterState.SHUT_DOWN
    stopped_server.start()
    assert stopped_server.query(QUERY) == [(1, "x")]
    assert "redo starts at" not in stopped_server.log()


def test_one_that_leaves_without_a_checkpoint_is_recovered_by_the_next(data: Path) -> None:
    first = started(data)
    first.execute("CREATE TABLE t (a integer, b text)")
    first.execute("INSERT INTO t VALUES (1, 'x')")
    first.leave()
    assert read_control_file(RealHost(str(data))).state == ClusterState.IN_PRODUCTION
    second = started(data)
    assert second.execute(QUERY)[0].rows == (("1", "x"),)
    second.leave()


def test_it_recovers_with_fewer_buffers_than_pages_and_sync_requests_than_files(
    data: Path,
) -> None:
    first = started(data)
    for number in range(80):
        first.execute(f"CREATE TABLE t{number} (a integer)")
        first.execute(f"INSERT INTO t{number} VALUES ({number})")
    first.leave()
    second = started(data, shared_buffers="128kB")
    assert second.execute("SELECT a FROM t79")[0].rows == (("79",),)
    second.execute("DROP TABLE t1")
    second.execute("CHECKPOINT")
    second.shut_down()


def test_the_tag_the_columns_and_the_rows_of_each_statement_of_a_text_are_returned(
    data: Path,
) -> None:
    process = started(data)
    answers = process.execute("CREATE TABLE t (a integer, b text); SELECT 1 AS one, NULL AS two")
    assert [answer.tag for answer in answers] == ["CREATE TABLE", "SELECT 1"]
    assert answers[1].columns == ("one", "two")
    assert answers[1].rows == (("1", None),)
    process.leave()


def test_an_error_ends_the_transaction_and_not_the_process(data: Path) -> None:
    process = started(data)
    process.execute("CREATE TABLE t (a integer, b text)")
    with pytest.raises(SqlError) as caught:
        process.execute("INSERT INTO t VALUES (1, 'x'); SELECT 1 / 0")
    assert caught.value.sqlstate == "22012"
    assert process.execute(QUERY)[0].rows == ()
    process.execute("BEGIN")
    with pytest.raises(SqlError):
        process.execute("SELECT nothing")
    with pytest.raises(SqlError) as caught:
        process.execute("SELECT 1")
    assert caught.value.sqlstate == "25P02"
    assert process.execute("COMMIT")[0].tag == "ROLLBACK"
    process.leave()


def test_ctrl_c_between_two_statements_ends_it_in_order(data: Path) -> None:
    command = [sys.executable, "-c", "from engine.cli.main import main; main()", "single"]
    with subprocess.Popen(
        [*command, "-D", data],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"CREATE TABLE kept (a integer)\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"CREATE TABLE\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Aborted" not in errors
    assert b"Traceback" not in errors
    assert read_control_file(RealHost(str(data))).state == ClusterState.SHUT_DOWN


def test_ctrl_c_in_a_statement_ends_it_as_if_it_had_died(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_self: SingleUser, _text: str) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(SingleUser, "execute", interrupted)
    answer = run(data, "SELECT 1\n")
    assert answer.status == 130
    assert answer.errors.endswith("engine: interrupted; the next start recovers the database\n")
    assert read_control_file(RealHost(str(data))).state == ClusterState.IN_PRODUCTION
    assert not (data / "postmaster.pid").exists()


def test_no_such_database_ends_it_in_order(data: Path) -> None:
    process = SingleUser(RealHost(str(data)), str(data), SETTINGS)
    with pytest.raises(FatalError) as caught:
        process.start("nowhere")
    assert caught.value.sqlstate == "3D000"
    assert read_control_file(RealHost(str(data))).state == ClusterState.SHUT_DOWN
    assert not (data / "postmaster.pid").exists()


def test_it_refuses_a_directory_in_which_a_server_runs(server: Server) -> None:
    answer = run(server.data, "SELECT 1\n")
    assert answer.status == 1
    assert "F0001" in answer.errors
    assert f"Is another postmaster (PID {server.pid}) running" in answer.errors
    assert server.query("SELECT 1") == [(1,)]


def test_a_server_refuses_a_directory_in_which_one_runs(data: Path, stopped_server: Server) -> None:
    process = started(data)
    assert (data / "postmaster.pid").read_text().splitlines()[0] == str(-os.getpid())
    stopped_server.start(wait=False)
    assert stopped_server.wait_for_exit() == 1
    assert f"Is another postgres (PID {os.getpid()}) running" in stopped_server.log()
    process.leave()


def test_status_and_stop_tell_it_from_a_server(data: Path) -> None:
    process = started(data)
    told = {}
    for verb in ("status", "stop"):
        command = [sys.executable, "-c", "from engine.cli.main import main; main()", verb]
        told[verb] = subprocess.run(
            [*command, "-D", data], capture_output=True, text=True, timeout=60, check=False
        )
    pid = os.getpid()
    assert told["status"].stdout == f"engine: single-user server is running (PID: {pid})\n"
    assert told["status"].returncode == 0
    assert "cannot stop server; single-user server is running" in told["stop"].stderr
    assert told["stop"].returncode == 1
    process.leave()


def test_the_command_prints_rows_and_tags_and_goes_on_after_an_error(data: Path) -> None:
    lines = "CREATE TABLE t (a integer, b text)\n\nINSERT INTO t VALUES (1, NULL), (2, 'x')\n"
    answer = run(data, f"{lines}SELECT 1 / 0\n{QUERY}\n")
    assert answer.output == "CREATE TABLE\nINSERT 0 2\na|b\n1|\n2|x\nSELECT 2\n"
    assert "ERROR:  22012: division by zero\n" in answer.errors
    assert answer.status == 1
    assert run(data, f"{QUERY}\n").status == 0
    assert read_control_file(RealHost(str(data))).state == ClusterState.SHUT_DOWN


@pytest.mark.parametrize(
    ("damage", "said"),
    [("global/pg_control", "pg_control"), ("postgresql.conf", "postgresql.conf")],
)
def test_the_command_tells_what_is_wrong_with_a_directory(
    data: Path, damage: str, said: str
) -> None:
    (data / damage).unlink()
    answer = run(data, "SELECT 1\n")
    assert answer.status == 1
    assert said in answer.errors
    assert not (data / "postmaster.pid").exists()
