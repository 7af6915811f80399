"""A real PostgreSQL as the target, from whatever version is installed; 15 is what the engine is
like.

PostgreSQL refuses to run as root: under root, the server gets the user `postgres`, or else
`nobody`.
"""

from __future__ import annotations

import functools
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar, Final

from chaos.targets.api import TargetUnusable
from chaos.targets.launcher import Program
from chaos.targets.server import PID_FILE, Server
from chaos.targets.templates import copy_tree

CURE: Final = (
    "install it (Debian: apt-get install postgresql-15), or name the directory of its programs in"
    " the environment variable POSTGRES_BIN"
)
INTERLOCK_LINE: Final = 6
"""Of postmaster.pid, from 0: key and number of the shared memory segment."""
USUAL_PLACES: Final = ("/usr/lib/postgresql/15/bin", "/usr/pgsql-15/bin", "/usr/local/pgsql/bin")


class PostgresTarget(Server):
    """PostgreSQL, with checksums and without locale."""

    name: ClassVar[str] = "postgres"

    def version(self) -> str:
        """What `postgres --version` says."""
        return _version(find_program("postgres"))

    def check_usable(self) -> None:
        """Find the programs, and the user."""
        find_program("postgres")
        find_program("initdb")
        if os.geteuid() == 0:
            self.user = _unprivileged_user()

    def base_settings(self) -> dict[str, str]:
        """Keep the WAL that a recovery read, to count its records. Dynamic shared memory is in the
        data directory: names in /dev/shm would outlive a run that ends with a kill.
        """
        return super().base_settings() | {
            "dynamic_shared_memory_type": "mmap",
            "log_rotation_age": "0",
            "wal_keep_size": "128MB",
            "lc_messages": "C",
            "autovacuum_naptime": "5s",
        }

    def initialize(self, data_directory: Path) -> None:
        """initdb, in a directory that the server's user can reach."""
        command = [
            str(find_program("initdb")), "-U", "postgres", "-A", "trust", "-k", "-N",
            "--no-locale", "-E", "UTF8", f"--wal-segsize={self.wal_segment_mb}",
        ]  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="chaos-initdb-") as scratch:
            if self.user is not None:
                os.chown(scratch, *self.user)
            made = Path(scratch) / "data"
            answer = self._run([*command, "-D", str(made)])
            if answer.returncode != 0:
                raise TargetUnusable(f"initdb failed: {answer.stderr.strip()}")
            copy_tree(made, data_directory)

    def program(self) -> Program:
        """The postmaster."""
        return Program(
            output=str(self.directory / "stderr"),
            argv=[str(find_program("postgres")), "-D", str(self.data_directory)],
            user=self.user,
            environment=_environment(),
        )

    def destroy(self) -> None:
        """A killed postmaster also leaves its interlock, a System V segment."""
        pid_file = self.data_directory / PID_FILE
        created = self.directory != Path() and pid_file.exists()
        lines = pid_file.read_text(encoding="utf-8").splitlines() if created else []
        super().destroy()
        numbers = lines[INTERLOCK_LINE].split() if len(lines) > INTERLOCK_LINE else []
        if len(numbers) == 2:
            _remove_unattached(int(numbers[0]), int(numbers[1]))

    def count_records(self, span: tuple[int, int]) -> int | None:
        """Ask pg_waldump."""
        try:
            command = [str(find_program("pg_waldump")), "--stats"]
        except TargetUnusable:
            return None
        start, end = (f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}" for lsn in (span[0], span[1] + 1))
        where = ["-p", str(self.data_directory / "pg_wal"), "-s", start, "-e", end]
        answer = self._run([*command, *where])
        totals = re.search(r"^Total\s+(\d+)", answer.stdout, re.MULTILINE)
        return int(totals[1]) if totals else None

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        uid, gid = self.user or (None, None)
        return subprocess.run(
            command,
            user=uid,
            group=gid,
            extra_groups=[] if uid is not None else None,
            env=_environment(),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


def _remove_unattached(key: int, segment: int) -> None:
    """Remove a System V segment, if it has this key and no process has it."""
    table = Path("/proc/sysvipc/shm").read_text(encoding="utf-8").splitlines()[1:]
    for fields in (line.split() for line in table):
        # key, shmid, perms, size, cpid, lpid, nattch; a key with its sign
        if (int(fields[0]) - key) % 2**32 == 0 and int(fields[1]) == segment and fields[6] == "0":
            subprocess.run(["ipcrm", "-m", str(segment)], check=False, capture_output=True)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


@functools.cache
def find_program(name: str) -> Path:
    """One of PostgreSQL's programs; TargetUnusable says how to get it."""
    named = os.environ.get("POSTGRES_BIN")
    for directory in [named] if named else USUAL_PLACES:
        path = Path(directory) / name
        if os.access(path, os.X_OK):
            return path
    config = shutil.which("pg_config")
    if config is not None and not named:
        answer = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        path = Path(answer.stdout.strip()) / name
        if answer.returncode == 0 and os.access(path, os.X_OK):
            return path
    on_path = shutil.which(name)
    if on_path is not None and not named:
        return Path(on_path)
    raise TargetUnusable(f"there is no PostgreSQL program {name!r} here: {CURE}")


@functools.cache
def _version(program: Path) -> str:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return answer.stdout.strip()


def _unprivileged_user() -> tuple[int, int]:
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise TargetUnusable("PostgreSQL does not run as root, and there is no user postgres or nobody")
