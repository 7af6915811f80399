"""The server under a script: starting, ending, and the faults of the grammar."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import psutil

from tests.scripts.runner.script import ScriptError
from tests.server import PATIENCE_S, Server, wait_until_dead

QUIET_SETTINGS = {
    "bgwriter_delay": "10s",
    "bgwriter_lru_maxpages": "0",
    "checkpoint_timeout": "1h",
    "checkpoint_completion_target": "0.1",
    "max_connections": "20",
    "restart_after_crash": "on",
}
"""Nothing happens that the script did not ask for."""

ROLES = {
    "bgwriter": "background writer", "checkpointer": "checkpointer",
    "logger": "logger", "walwriter": "walwriter",
}  # fmt: skip
_READY = "database system is ready to accept connections"


class Cluster:
    """A server whose every change of state is waited for."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.settings = dict(QUIET_SETTINGS)
        self.stopped_roles: list[str] = []

    @property
    def is_running(self) -> bool:
        return self.server.is_running()

    @property
    def address(self) -> str:
        """As libpq wants it."""
        return f"host={self.server.sockets} port={self.server.port} user=postgres dbname=postgres"

    def log(self) -> str:
        """All that was logged: on stderr, and by the logger if there is one."""
        files = sorted((self.server.data / "log").glob("*.log"))
        return self.server.log() + "".join(path.read_text() for path in files)

    def start(self) -> bool:
        """Start; whether it let clients in. It may refuse, and end."""
        if self.is_running:
            raise ScriptError("the server is running already")
        times = self._times_ready() + 1
        self.server.start(wait=False, **self.settings)
        return self._wait_until_ready(times)

    def shutdown(self, mode: str) -> int:
        """Shut down; the exit status."""
        for role in list(self.stopped_roles):
            self.resume(role)
        return self.server.stop(mode)

    def kill(self, pid: int) -> bool:
        """SIGKILL a child; wait until the postmaster has dealt with it; whether it lives on."""
        times = self._times_ready() + 1
        os.kill(pid, signal.SIGKILL)
        self.stopped_roles.clear()
        return self._wait_until_ready(times)

    def kill_logger(self) -> None:
        """SIGKILL the logger; wait until there is another."""
        before = self.pid_of("logger")
        os.kill(before, signal.SIGKILL)
        self._wait_for(lambda: self.server.processes().get("logger", before) != before)
        self._wait_for(lambda: f"logger process (PID {before})" in self.log())

    def kill_postmaster(self) -> None:
        """SIGKILL the postmaster alone; its children notice and end."""
        self.server.kill_postmaster()

    def kill_all(self) -> None:
        """SIGKILL the postmaster and all its children at once."""
        postmaster = psutil.Process(self.server.pid)
        children = postmaster.children(recursive=True)
        for process in (postmaster, *children):
            process.kill()
        self.server.wait_for_exit()
        wait_until_dead(children)
        self.stopped_roles.clear()

    def stop(self, role: str) -> None:
        """SIGSTOP; return when it stands still."""
        process = psutil.Process(self.pid_of(role))
        process.suspend()
        self._wait_for(lambda: process.status() == psutil.STATUS_STOPPED)
        self.stopped_roles.append(role)

    def resume(self, role: str) -> None:
        """SIGCONT."""
        self.stopped_roles.remove(role)
        os.kill(self.pid_of(role), signal.SIGCONT)

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """Rows that the runner itself needs; its connection is gone afterwards."""
        with self.server.connect(patience_s=PATIENCE_S) as connection:
            rows = connection.execute(question.encode()).fetchall()
            pid = connection.info.backend_pid
        self.wait_until_gone(pid)
        return rows

    def wait_until_gone(self, pid: int) -> None:
        """Until the postmaster has noticed that this child has ended."""
        self._wait_for(lambda: not psutil.pid_exists(pid))

    def pid_of(self, role: str) -> int:
        """The process of a role."""
        title = ROLES.get(role, role)
        found = self.server.processes()
        if title not in found:
            raise ScriptError(f"no process {title!r} among {sorted(found)}")
        return found[title]

    def _times_ready(self) -> int:
        return self.log().count(_READY)

    def _wait_until_ready(self, times: int) -> bool:
        self._wait_for(lambda: self._times_ready() >= times or not self.is_running)
        return self.is_running

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                raise ScriptError(f"waited too long; the log:\n{self.log()}")
            time.sleep(0.005)
