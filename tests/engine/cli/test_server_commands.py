"""`engine initdb`, `start`, `stop`, `status`: pg_ctl's words and exit codes, never a traceback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from engine.cli.initdb import initdb
from engine.cli.main import main
from tests.engine.cli.tool import Answer, ours

NO_SERVER = 3
STATUS_UNKNOWN = 4


class Commands:
    """The commands on one data directory, run as a user runs them; `end` stops what is left."""

    def __init__(self, data: Path, sockets: Path) -> None:
        self.data = data
        self.sockets = sockets
        self.log = sockets / "log"

    def run(self, *arguments: str | Path) -> Answer:
        # The server inherits what it is not told to close: files, not pipes that would stay open.
        with (self.sockets / "out").open("w+") as out, (self.sockets / "err").open("w+") as err:
            command = [sys.executable, "-c", "from engine.cli.main import main; main()"]
            status = subprocess.run(
                [*command, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=60
            ).returncode
            out.seek(0)
            err.seek(0)
            answer = Answer(status, out.read(), err.read())
        assert "Traceback" not in answer.output + answer.errors + self.log_text()
        return answer

    def start(self, *arguments: str | Path) -> Answer:
        quiet = ["-c", "listen_addresses=", "-c", "logging_collector=off"]
        return self.run(
            "start", "-D", self.data, "-k", self.sockets, "-l", self.log, *quiet, *arguments
        )

    def log_text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split("\n")[0])

    def end(self) -> None:
        if (self.data / "postmaster.pid").exists():
            ours(main, "stop", "-D", self.data, "-m", "immediate")


@pytest.fixture
def commands(cluster_template: Path, short_directory: Path) -> Iterator[Commands]:
    shutil.copytree(cluster_template, short_directory / "data")
    commands = Commands(short_directory / "data", short_directory)
    yield commands
    commands.end()


def test_initdb_makes_a_cluster_that_says_how_to_start_it(tmp_path: Path) -> None:
    answer = ours(initdb, "-D", tmp_path / "data", "--wal-segsize", "1")
    assert answer.status == 0
    assert "Success. You can now start the database server using:" in answer.output
    assert f"engine start -D {tmp_path / 'data'} -l logfile" in answer.output
    assert (tmp_path / "data/PG_VERSION").read_text() == "15\n"
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data/pg_wal/000000010000000000000001").stat().st_size == 1 << 20


def test_initdb_takes_an_empty_directory_that_is_there(tmp_path: Path) -> None:
    assert ours(initdb, tmp_path, "--wal-segsize=1").status == 0
    assert (tmp_path / "global/pg_control").exists()


def test_initdb_leaves_a_directory_with_something_in_it_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    answer = ours(initdb, "-D", tmp_path)
    assert answer.status == 1
    assert f'engine: error: directory "{tmp_path}" exists but is not empty' in answer.errors
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no data directory specified"),
        (["-D", "x", "--wal-segsize", "3"], "must be a power of two between 1 and 1024"),
        (["-D", "x", "--wal-segsize", "many"], "--wal-segsize"),
        (["-D", "x", "--no-such-flag"], "No such option"),
        (["-D", "x", "y", "z"], "z"),
        (["-D", "/dev/null/x"], "Not a directory"),
        (["-D", "/dev/null"], "/dev/null"),
        (["-D", "x", "--pwfile", "/nowhere"], "/nowhere"),
    ],
)
def test_initdb_refuses_wrong_usage_with_status_1(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PGDATA", raising=False)
    answer = ours(initdb, *arguments)
    assert answer.status == 1
    assert message in answer.errors
    assert list(tmp_path.iterdir()) == []


def test_a_life_from_start_to_stop(commands: Commands) -> None:
    assert ours(main, "status", "-D", commands.data).status == NO_SERVER
    started = commands.start()
    assert started.status == 0, started.errors
    assert started.output.startswith("waiting for server to start.")
    assert started.output.endswith(" done\nserver started\n")
    status = ours(main, "status", "-D", commands.data)
    assert status.status == 0
    assert status.output.splitlines()[0] == f"engine: server is running (PID: {commands.pid()})"
    with psycopg.connect(host=str(commands.sockets), user="postgres") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    stopped = ours(main, "stop", "-D", commands.data)
    assert stopped.status == 0
    assert stopped.output.startswith("waiting for server to shut down.")
    assert stopped.output.endswith(" done\nserver stopped\n")
    assert ours(main, "status", "-D", commands.data) == (
        NO_SERVER, "engine: no server running\n", "",
    )  # fmt: skip
    assert "database system is shut down" in commands.log_text()


@pytest.mark.parametrize("mode", ["smart", "f", "immediate"])
def test_stop_knows_pg_ctls_modes(mode: str, commands: Commands) -> None:
    assert commands.start().status == 0
    assert ours(main, "stop", "-D", commands.data, "-m", mode).status == 0
    name = {"s": "smart", "f": "fast", "i": "immediate"}[mode[0]]
    assert f"received {name} shutdown request" in commands.log_text()


def test_nobody_waits_with_capital_w(commands: Commands) -> None:
    started = commands.start("-W")
    assert (started.status, started.output) == (0, "server starting\n")
    with psycopg.connect(**retrying(commands)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    stopped = ours(main, "stop", "-D", commands.data, "-W")
    assert (stopped.status, stopped.output) == (0, "server shutting down\n")
    assert ours(main, "stop", "-D", commands.data).status in (0, 1), "it may be gone by now"


def retrying(commands: Commands) -> dict[str, str]:
    """Connection parameters, once a connection is let in."""
    parameters = {"host": str(commands.sockets), "user": "postgres"}
    for _ in range(3000):
        try:
            psycopg.connect(**parameters).close()  # type: ignore[arg-type]
            break
        except psycopg.OperationalError:
            continue
    return parameters


def test_a_stop_that_takes_too_long_says_what_would_help(commands: Commands) -> None:
    assert commands.start().status == 0
    with psycopg.connect(host=str(commands.sockets), user="postgres"):
        answer = ours(main, "stop", "-D", commands.data, "-m", "smart", "-t", "1")
    assert answer.status == 1
    assert " failed\n" in answer.output
    assert "engine: server does not shut down" in answer.errors
    assert 'The "-m fast" option immediately disconnects sessions' in answer.errors


def test_stop_without_a_server_says_so(commands: Commands) -> None:
    answer = ours(main, "stop", "-D", commands.data)
    assert answer.status == 1
    assert f'PID file "{commands.data}/postmaster.pid" does not exist' in answer.errors
    assert "Is server running?" in answer.errors


def test_a_stale_pid_file_is_seen_through(commands: Commands) -> None:
    (commands.data / "postmaster.pid").write_text(f"{unused_pid()}\n{commands.data}\n")
    assert ours(main, "status", "-D", commands.data).status == NO_SERVER
    answer = ours(main, "stop", "-D", commands.data)
    assert answer.status == 1
    assert "No such process" in answer.errors
    again = commands.start()
    assert again.status == 0, again.errors
    assert "another server might be running; trying to start server anyway" in again.errors


def unused_pid() -> int:
    """The pid of a process that has ended."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


def test_a_pid_file_with_garbage_is_no_server(commands: Commands) -> None:
    (commands.data / "postmaster.pid").write_bytes(b"\xff\xfe garbage")
    assert ours(main, "status", "-D", commands.data).status == NO_SERVER
    assert ours(main, "stop", "-D", commands.data).status == 1
    assert commands.start().status == 0


@pytest.mark.parametrize(
    ("command", "status"), [("start", 1), ("stop", 1), ("status", STATUS_UNKNOWN)]
)
def test_a_wrong_directory_has_pg_ctls_status(command: str, status: int, tmp_path: Path) -> None:
    missing = ours(main, command, "-D", tmp_path / "nowhere")
    assert missing.status == status
    assert f'engine: directory "{tmp_path / "nowhere"}" does not exist' in missing.errors
    other = ours(main, command, "-D", tmp_path)
    assert other.status == status
    assert f'engine: directory "{tmp_path}" is not a database cluster directory' in other.errors
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    unreadable = ours(main, command, "-D", loop)
    assert unreadable.status == status
    assert f'engine: could not access directory "{loop}": Too many levels' in unreadable.errors


@pytest.mark.parametrize("command", ["start", "stop", "status"])
def test_a_pid_file_that_cannot_be_read_is_an_error(command: str, commands: Commands) -> None:
    pid_file = commands.data / "postmaster.pid"
    pid_file.symlink_to(pid_file)
    answer = ours(main, command, "-D", commands.data)
    pid_file.unlink()
    assert answer.status == 1
    assert f'engine: could not open PID file "{pid_file}": Too many levels' in answer.errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["start"], "no database directory specified and environment variable PGDATA unset"),
        (["status"], "no database directory specified and environment variable PGDATA unset"),
        (["stop", "-D", ".", "-m", "gently"], 'unrecognized shutdown mode "gently"'),
        (["start", "-D", ".", "--no-such-flag"], "No such option"),
        (["start", "-D", ".", "-p", "notaport"], "notaport"),
        (["start", "-D", ".", "-p", "70000"], "70000"),
        (["start", "-D", ".", "-c", "no_such_setting=1"], 'parameter "no_such_setting"'),
        (["start", "-D", ".", "-c", "port"], "-c port is not NAME=VALUE"),
        (["start", "-D", ".", "-t", "soon"], "soon"),
        (["start", "-D", ".", "extra"], "extra"),
        (["restart", "-D", "."], "restart"),
    ],
)
def test_wrong_usage_ends_with_status_1(
    arguments: list[str], message: str, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(commands.data)
    monkeypatch.delenv("PGDATA", raising=False)
    answer = ours(main, *arguments)
    assert answer.status == 1, answer
    assert message in answer.errors
    assert not (commands.data / "postmaster.pid").exists()


def test_pgdata_names_the_directory(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGDATA", str(commands.data))
    assert ours(main, "status").status == NO_SERVER


def test_a_second_start_is_refused_and_harms_nothing(commands: Commands) -> None:
    assert commands.start().status == 0
    pid = commands.pid()
    again = commands.start()
    assert again.status == 1
    assert "engine: could not start server\nExamine the log output.\n" in again.errors
    assert 'FATAL:  lock file "postmaster.pid" already exists' in commands.log_text()
    assert commands.pid() == pid
    assert ours(main, "status", "-D", commands.data).status == 0


def test_a_port_in_use_is_refused(commands: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = commands.start("-c", "listen_addresses=127.0.0.1", "-p", port)
    assert answer.status == 1
    assert 'could not bind IPv4 address "127.0.0.1": Address already in use' in commands.log_text()
    assert f"Is another postmaster already running on port {port}?" in commands.log_text()
    assert "FATAL:  could not create any TCP/IP sockets" in commands.log_text()
    assert not (commands.data / "postmaster.pid").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no_such_setting = 1",
         'unrecognized configuration parameter "no_such_setting" in postgresql.conf line 1'),
        ("shared_buffers = lots", 'invalid value for parameter "shared_buffers": "lots"'),
        ("max_connections = 0", "0 is outside the valid range for parameter \"max_connections\""),
        ("port 5432 5433", 'syntax error in file "postgresql.conf" line 1, near "port 5432 5433"'),
        ("wal_segment_size = 1MB", 'parameter "wal_segment_size" cannot be changed'),
        ("\xff\xfe = 1", "postgresql.conf"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_refused_by_name_and_line(
    line: str, message: str, commands: Commands
) -> None:
    (commands.data / "postgresql.conf").write_bytes(line.encode("latin-1") + b"\n")
    assert commands.start().status == 1
    assert "FATAL:  " in commands.log_text()
    assert message in commands.log_text()
    assert not (commands.data / "postmaster.pid").exists()


def test_a_missing_configuration_file_is_named(commands: Commands) -> None:
    (commands.data / "postgresql.conf").unlink()
    assert commands.start().status == 1
    assert "could not access the server configuration file" in commands.log_text()


def test_a_log_file_that_cannot_be_written_is_named(commands: Commands) -> None:
    answer = commands.run("start", "-D", commands.data, "-l", "/nowhere/log")
    assert answer.status == 1
    assert 'could not open log file "/nowhere/log": No such file or directory' in answer.errors


def test_a_socket_directory_that_is_not_there_is_named(commands: Commands) -> None:
    assert commands.start("-k", "/nowhere").status == 1
    assert 'could not create lock file "/nowhere/.s.PGSQL.5432.lock"' in commands.log_text()


def test_a_socket_path_that_is_too_long_is_refused(commands: Commands) -> None:
    long = commands.sockets / ("d" * 120)
    long.mkdir()
    assert commands.start("-k", long).status == 1
    assert "FATAL:  " in commands.log_text()


@pytest.mark.parametrize("arguments", [["--help"], ["start", "--help"], ["initdb", "-?"]])
def test_help_is_given(arguments: list[str]) -> None:
    answer = ours(main, *arguments)
    assert answer.status == 0
    assert "Usage:" in answer.output


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_told(option: str) -> None:
    answer = ours(main, option)
    assert answer.status == 0
    assert "engine (PostgreSQL) 15" in answer.output
