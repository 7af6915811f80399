"""What the engine and PostgreSQL have in common: everything but how they are made and started.

RUN/data      the data directory          RUN/sockets   the Unix socket
RUN/logs      the logger's files          RUN/stderr    what is written before the logger runs
RUN/crash     the data directory as the last crash left it
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from chaos.oracle import DEFAULT_INVARIANTS
from chaos.targets import processes
from chaos.targets.launcher import Launcher, Program
from chaos.targets.log import Replay, ServerLog, replay_in
from chaos.targets.processes import ProcessTable, Role
from chaos.targets.templates import copy_of_template, copy_tree
from chaos.waiting.free import FreeWaiting

SHARED_MEMORY: Final = Path("/dev/shm")
LEAVING_SECONDS: Final = 5.0
PID_FILE: Final = "postmaster.pid"
SOCKET: Final = ".s.PGSQL.5432.lock"
SOCKET_PATH_BYTES: Final = 100
"""A Unix socket's path may have 107 bytes; the server's own limit is a little less."""


class Server(ABC):
    """A server in a directory of its own, started through a launcher."""

    name: ClassVar[str]
    invariants: str = DEFAULT_INVARIANTS

    def __init__(
        self, launcher: Launcher, settings: Mapping[str, str], wal_segment_mb: int
    ) -> None:
        self.launcher = launcher
        self.settings = dict(settings)
        self.wal_segment_mb = wal_segment_mb
        self.directory = Path()
        self.data_directory = Path()
        self.log = ServerLog([], Path())
        self.user: tuple[int, int] | None = None
        self._table: ProcessTable | None = None
        self._shared_memory: set[str] = set()
        self._has_image = False
        self._waiting = FreeWaiting()

    # what differs --------------------------------------------------------------------------------

    @abstractmethod
    def version(self) -> str: ...

    def template_version(self) -> str:
        """What the bytes of a new data directory depend on, as a text."""
        return self.version()

    @abstractmethod
    def check_usable(self) -> None:
        """TargetUnusable when it cannot run here; finds programs, a user, ..."""

    @abstractmethod
    def initialize(self, data_directory: Path) -> None:
        """Make a new data directory."""

    @abstractmethod
    def program(self) -> Program:
        """What starts the postmaster."""

    def base_settings(self) -> dict[str, str]:
        """The settings that a run needs, over which the run's own go."""
        return {
            "listen_addresses": "",
            "unix_socket_directories": str(self.directory / "sockets"),
            "logging_collector": "on",
            "log_directory": str(self.directory / "logs"),
            "log_filename": "server.log",
            "log_rotation_size": "0",
            "max_connections": "40",
            "restart_after_crash": "on",
        }

    def count_records(self, _span: tuple[int, int]) -> int | None:
        """How many records lie between two LSNs; None when nobody can tell."""
        return None

    # life ----------------------------------------------------------------------------------------

    def create(self) -> None:
        """Copy the template and write the configuration."""
        self.check_usable()
        self.directory = new_run_directory()
        self.launcher.guard([str(self.directory)])
        self.data_directory = self.directory / "data"
        self.log = ServerLog([self.directory / "stderr"], self.directory / "logs")
        copy_of_template(
            self.name,
            self.template_version(),
            f"{self.wal_segment_mb} MB segments",
            self.initialize,
            self.data_directory,
        )
        for part in ("sockets", "logs"):
            (self.directory / part).mkdir(mode=0o700)
        lines = [f"{name} = '{value}'" for name, value in self.all_settings().items()]
        with (self.data_directory / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\n# of this run\n" + "\n".join(lines) + "\n")
        self._give_to_user()

    def all_settings(self) -> dict[str, str]:
        """What goes into the configuration file."""
        return self.base_settings() | self.settings

    def _give_to_user(self) -> None:
        if self.user is None:
            return
        for directory, _, files in os.walk(self.directory):
            os.chown(directory, *self.user)
            for file in files:
                os.chown(os.path.join(directory, file), *self.user)

    def launch(self) -> int:
        """Start the postmaster."""
        pid = self.launcher.start(self.program())
        self._table = ProcessTable(pid)
        return pid

    def postmaster(self) -> int:
        """The postmaster's pid; 0 before the first launch."""
        return self._table.postmaster if self._table is not None else 0

    def exit_status(self) -> int | None:
        """As the launcher saw it."""
        return self.launcher.exit_status(self.postmaster())

    def processes(self) -> dict[int, Role]:
        """The children."""
        return self._table.scan() if self._table is not None else {}

    def conninfo(self) -> str:
        """Through the Unix socket, without asking for encryption first."""
        return (
            f"host={self.directory / 'sockets'} port={self.settings.get('port', '5432')}"
            " user=postgres dbname=postgres sslmode=disable gssencmode=disable"
            " application_name=chaos"
        )

    def stop(self, seconds: float) -> int | None:
        """SIGINT, as pg_ctl -m fast."""
        self.send(self.postmaster(), signal.SIGINT)
        return self.launcher.wait(self.postmaster(), seconds)

    def survivors(self) -> list[int]:
        """Whatever below the launcher still runs."""
        return [pid for pid in self.launcher.processes() if self.is_running(pid)]

    def destroy(self) -> None:
        """Kill everything below the launcher, then remove the directory."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            left = [pid for pid in self.launcher.processes() if processes.is_running(pid)]
            if not left:
                break
            for pid in left:
                processes.send(pid, signal.SIGKILL)
            time.sleep(0.002)
        if self.directory != Path():
            shutil.rmtree(self.directory, ignore_errors=True)
        self._waiting.close()

    # its processes -------------------------------------------------------------------------------

    def waiting(self) -> FreeWaiting:
        """The machine decides who runs when."""
        return self._waiting

    def send(self, pid: int, number: signal.Signals) -> bool:
        """A signal of the kernel's."""
        return processes.send(pid, number)

    def is_running(self, pid: int) -> bool:
        """As /proc has it."""
        return processes.is_running(pid)

    def has_stopped(self, pid: int) -> bool:
        """As /proc has it."""
        return processes.has_stopped(pid)

    def title_of(self, pid: int) -> str:
        """As /proc has it."""
        return processes.title_of(pid)

    # what is seen --------------------------------------------------------------------------------

    def replayed(self, lines: list[str]) -> Replay | None:
        """The target's own figure, or one counted from the WAL."""
        figure, span = replay_in(lines)
        if figure is not None and figure.records is None and span is not None:
            return Replay(self.count_records(span), figure.bytes, figure.seconds)
        return figure

    def crash_image(self) -> None:
        """Copy the data directory."""
        image = self.directory / "crash"
        shutil.rmtree(image, ignore_errors=True)
        copy_tree(self.data_directory, image)
        self._has_image = True

    def crash_image_directory(self) -> Path | None:
        """The copy, once there is one."""
        return self.directory / "crash" if self._has_image else None

    def remember_shared_memory(self) -> None:
        """Named segments that the postmaster maps: POSIX ones, System V ones by number."""
        with contextlib.suppress(OSError):
            maps = Path(f"/proc/{self.postmaster()}/maps").read_text(encoding="utf-8")
            for line in maps.splitlines():
                fields = line.split(maxsplit=5)
                if len(fields) == 6 and fields[5].startswith((f"{SHARED_MEMORY}/", "/SYSV")):
                    self._shared_memory.add(_segment_name(fields))

    def leftovers(self) -> list[str]:
        """Processes (the last get a moment to leave), sockets, lock files, shared memory."""
        deadline = time.monotonic() + LEAVING_SECONDS
        while self.launcher.processes() and time.monotonic() < deadline:
            time.sleep(0.002)
        found = [f"process {pid} ({self.title_of(pid) or 'ended, not reaped'})" for pid in
                 self.launcher.processes()]  # fmt: skip
        found += [f"file {path.name}" for path in sorted((self.directory / "sockets").iterdir())]
        if (self.data_directory / PID_FILE).exists():
            found.append(f"file {PID_FILE}")
        existing = _segments()
        found += [f"shared memory {name}" for name in sorted(self._shared_memory & existing)]
        return found


def new_run_directory() -> Path:
    """A directory for one run, whose path is short enough for the socket in it."""
    base = tempfile.gettempdir()
    fits = len(os.path.join(base, "chaos-12345678", "sockets", SOCKET)) <= SOCKET_PATH_BYTES
    return Path(tempfile.mkdtemp(prefix="chaos-", dir=base if fits else "/tmp"))


def _segment_name(fields: list[str]) -> str:
    path = fields[5].removesuffix(" (deleted)")
    return f"System V {fields[4]}" if path.startswith("/SYSV") else path


def _segments() -> set[str]:
    """The named shared memory there is on this machine."""
    found = {str(path) for path in SHARED_MEMORY.glob("*")} if SHARED_MEMORY.is_dir() else set()
    with contextlib.suppress(OSError):
        lines = Path("/proc/sysvipc/shm").read_text(encoding="utf-8").splitlines()[1:]
        found |= {f"System V {line.split()[1]}" for line in lines}
    return found
