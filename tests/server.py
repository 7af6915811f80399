"""A server of the engine for tests: its own data directory and socket, ended with the test."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg

from engine.processes.postmaster.entry import run_postmaster

PATIENCE_S = 30.0


class Server:
    """One cluster and, between `start` and `stop`, its postmaster, a child of this process."""

    def __init__(self, data: Path, sockets: Path, port: int = 5432) -> None:
        self.data = data
        self.sockets = sockets
        self.port = port
        self.output = data.parent / f"{data.name}.output"
        self.pid = 0
        self._connections: list[psycopg.Connection[Any]] = []

    @classmethod
    def from_template(cls, template: Path, directory: Path) -> Server:
        """A server on a copy of an initdb'd directory. `directory` must have a short path."""
        shutil.copytree(template, directory / "data")
        return cls(directory / "data", directory)

    def start(self, *, wait: bool = True, **settings: object) -> None:
        """Fork the postmaster; with `wait`, return when it accepts connections."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "port": str(self.port),
            "logging_collector": "off",
            "shared_buffers": "1MB",
            **{name: str(value) for name, value in settings.items()},
        }
        log = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            os.dup2(log, 1)
            os.dup2(log, 2)
            run_postmaster(str(self.data), options)
        os.close(log)
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Return when a client is let in; fail when the postmaster ends or time runs out."""
        self.connect(patience_s=PATIENCE_S).close()

    def connect(self, *, patience_s: float = 0.0, **parameters: Any) -> psycopg.Connection[Any]:
        """A connection in autocommit mode; `patience_s` retries while the server is not ready.

        `destroy` closes what the test has left open.
        """
        parameters = {
            "host": str(self.sockets), "port": self.port, "user": "postgres",
            "dbname": "postgres", "autocommit": True, "connect_timeout": 10, **parameters,
        }  # fmt: skip
        deadline = time.monotonic() + patience_s
        while True:
            try:
                connection = psycopg.connect(**parameters)
                self._connections.append(connection)
                return connection
            except psycopg.OperationalError:
                if time.monotonic() >= deadline or not self.is_running():
                    raise
                time.sleep(0.005)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of one statement, on a connection of its own; waits for the server if needed."""
        with self.connect(patience_s=PATIENCE_S) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def is_running(self) -> bool:
        """Whether the postmaster lives; reaps it when not."""
        if self.pid == 0:
            return False
        ended, _ = os.waitpid(self.pid, os.WNOHANG)
        if ended:
            self.pid = 0
        return self.pid != 0

    def processes(self) -> dict[str, int]:
        """The postmaster's children by role, as `ps` shows it: {"checkpointer": pid, ...}."""
        found = {}
        for process in psutil.Process(self.pid).children():
            try:
                title = " ".join(process.cmdline())
            except psutil.NoSuchProcess:
                continue
            if title.startswith("postgres: "):
                found[title.removeprefix("postgres: ").strip()] = process.pid
        return found

    def kill(self, role: str) -> None:
        """SIGKILL the process of that role."""
        os.kill(self.processes()[role], signal.SIGKILL)

    def kill_postmaster(self) -> None:
        """SIGKILL the postmaster alone, and wait until its children are gone too."""
        children = psutil.Process(self.pid).children()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.pid = 0
        psutil.wait_procs(children, timeout=PATIENCE_S)

    def stop(self, mode: str = "fast") -> int:
        """Shut down; the postmaster's exit status."""
        if not self.is_running():
            return 0
        number = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
        os.kill(self.pid, number)
        return self.wait_for_exit()

    def wait_for_exit(self) -> int:
        """Wait for the postmaster's end; its exit status."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        self.destroy()
        raise TimeoutError(f"the postmaster did not end; its output:\n{self.log()}")

    def destroy(self) -> None:
        """End whatever is left, without ceremony: for fixtures."""
        for connection in self._connections:
            connection.close()
        self._connections = []
        if not self.is_running():
            return
        family = [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        os.waitpid(self.pid, 0)
        self.pid = 0
        wait_until_dead(family[1:])

    def log(self) -> str:
        """What the server has logged."""
        return self.output.read_text() if self.output.exists() else ""

    def wait_for_log(self, text: str, times: int = 1) -> None:
        """Return when the log has that text, so many times."""
        deadline = time.monotonic() + PATIENCE_S
        while self.log().count(text) < times:
            if time.monotonic() >= deadline:
                raise TimeoutError(f"the log never said {text!r}:\n{self.log()}")
            time.sleep(0.005)


def wait_until_dead(processes: list[psutil.Process]) -> None:
    """Return when none of them runs. Orphans may stay zombies until init looks: that is dead."""
    deadline = time.monotonic() + PATIENCE_S
    while any(_is_alive(process) for process in processes):
        if time.monotonic() >= deadline:
            raise TimeoutError(f"still running: {processes}")
        time.sleep(0.002)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
