"""A real PostgreSQL 15, for the tests that let its programs judge ours: finds it, or skips.

    pg_waldump = require_postgres("pg_waldump")             # a Path, or the test is skipped
    subprocess.run([pg_waldump, segment], ...)

    with scratch_cluster("-c", "wal_level=minimal") as cluster:  # a running server, gone afterwards
        cluster.psql("select 1")

PostgreSQL's server and initdb refuse to run as root, so under root a scratch cluster belongs to the
user `postgres`, or else `nobody`, in a directory of its own that this user can reach.
"""

from __future__ import annotations

import functools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

VERSION = "15"

CURE = (
    f"install PostgreSQL {VERSION} (Debian: apt-get install postgresql-{VERSION} "
    f"postgresql-client-{VERSION}) or put its programs on the PATH"
)


# finding it --------------------------------------------------------------------------------------


def require_postgres(program: str) -> Path:
    """The path of one of PostgreSQL 15's programs; skips the test, naming the cure, without it."""
    found = find_program(program)
    if found is None:
        pytest.skip(f"no {program} of PostgreSQL {VERSION}: {CURE}")
    return found


@functools.cache
def find_program(program: str) -> Path | None:
    """Where PostgreSQL 15's `program` is: beside pg_config, at the usual places, or on the PATH.

    The PATH comes last because Debian puts wrappers there that choose a version themselves.
    """
    for directory in candidate_directories():
        path = directory / program
        if os.access(path, os.X_OK) and is_wanted_version(path):
            return path
    return None


def candidate_directories() -> list[Path]:
    """The directories that may hold the programs, best first, each once."""
    directories: list[Path] = []
    if (named := os.environ.get("POSTGRES_BIN")) is not None:
        directories.append(Path(named))
    directories += [
        Path(pattern.format(VERSION))
        for pattern in (
            "/usr/lib/postgresql/{}/bin",
            "/usr/pgsql-{}/bin",
            "/usr/local/pgsql/bin",
            "/opt/homebrew/opt/postgresql@{}/bin",
            "/usr/local/opt/postgresql@{}/bin",
        )
    ]
    if (config := shutil.which("pg_config")) is not None:
        answer = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            directories.append(Path(answer.stdout.strip()))
    directories += [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    return list(dict.fromkeys(directories))


def is_wanted_version(program: Path) -> bool:
    """Whether `program --version` ends in a version 15 ("psql (PostgreSQL) 15.18 (Debian ...)")."""
    answer = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=False, timeout=20
    )
    return answer.returncode == 0 and f") {VERSION}." in answer.stdout


# running it --------------------------------------------------------------------------------------


@functools.cache
def server_user() -> pwd.struct_passwd | None:
    """The user that a scratch cluster runs as: None is the one who runs the tests."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("a PostgreSQL server does not run as root, and there is no user postgres or nobody")


def run_as_server_user(
    command: Sequence[str | Path], **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs as the user that owns the scratch clusters."""
    user = server_user()
    if user is not None:
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    environment = {key: text for key, text in os.environ.items() if not key.startswith("PG")}
    settings = {"text": True, "cwd": "/", "check": True, "timeout": 120, "env": environment}
    return subprocess.run(command, **(settings | options))


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A short-named directory that the server's user owns, removed at the end.

    Not pytest's tmp_path: that is closed to other users, and too long for a socket's name.
    """
    path = Path(tempfile.mkdtemp(prefix="pg15-"))
    try:
        user = server_user()
        if user is not None:
            os.chown(path, user.pw_uid, user.pw_gid)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class ScratchCluster:
    """A PostgreSQL 15 of the test's own: superuser postgres, a Unix socket only."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        self.socket_directory = directory
        self.log = directory / "log"

    def initialize(self, *initdb_options: str) -> None:
        """initdb, with checksums and without locale or fsync."""
        command = [require_postgres("initdb"), "-D", self.data, "-U", "postgres", "-A", "trust"]
        options = ["--no-locale", "-E", "UTF8", "-N", "-k", *initdb_options]
        run_as_server_user([*command, *options], capture_output=True)

    def start(self, *server_options: str) -> None:
        """Start the server (options as postgres has them) and wait until it answers."""
        options = ["-c", "listen_addresses=", "-k", str(self.socket_directory), *server_options]
        command = [require_postgres("pg_ctl"), "-D", self.data, "-l", self.log, "-w"]
        try:
            run_as_server_user([*command, "-o", " ".join(options), "start"], capture_output=True)
        except subprocess.CalledProcessError as error:
            raise RuntimeError(self.log.read_text()) from error

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; mode immediate leaves it to recover."""
        command = [require_postgres("pg_ctl"), "-D", self.data, "-w", "-m", mode, "stop"]
        run_as_server_user(command, capture_output=True)

    def is_running(self) -> bool:
        """Whether pg_ctl says that a server runs."""
        command = [require_postgres("pg_ctl"), "-D", self.data, "status"]
        return run_as_server_user(command, capture_output=True, check=False).returncode == 0

    def psql(self, statement: str, database: str = "postgres") -> str:
        """What `psql -XAt` prints for `statement`, without the last newline."""
        command = [require_postgres("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1"]
        where = ["-h", str(self.socket_directory), "-U", "postgres", "-d", database]
        answer = run_as_server_user([*command, *where, "-c", statement], capture_output=True)
        return str(answer.stdout).removesuffix("\n")

    def connection_string(self, database: str = "postgres") -> str:
        """For psycopg and libpq."""
        return f"host={self.socket_directory} user=postgres dbname={database}"


@contextmanager
def scratch_cluster(*server_options: str, initdb: Sequence[str] = ()) -> Iterator[ScratchCluster]:
    """A running scratch cluster, stopped and removed at the end."""
    require_postgres("postgres")
    with scratch_directory() as directory:
        cluster = ScratchCluster(directory)
        cluster.initialize(*initdb)
        cluster.start(*server_options)
        try:
            yield cluster
        finally:
            if cluster.is_running():
                cluster.stop("immediate")
