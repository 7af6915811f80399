"""Plays a script: does what each command says, and returns the script with what was printed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.scripts.runner.cluster import ROLES, Cluster
from tests.scripts.runner.disk import Disk, wal_lines
from tests.scripts.runner.elsewhere import STATEMENT
from tests.scripts.runner.masks import Masks
from tests.scripts.runner.script import ScriptError, Step
from tests.scripts.runner.session import Session
from tests.server import PATIENCE_S, Server

_NOT_READY = ("FATAL:  the database system is ",)


class Player:
    """One script and its server. The server starts with the first command that is not `set`."""

    def __init__(self, server: Server) -> None:
        self._cluster = Cluster(server)
        self._disk = Disk(server.data)
        self._masks = Masks(self._disk.control().wal_segment_size)
        self._sessions: dict[str, Session] = {}
        self._filenodes: dict[str, int] = {}
        self._wal_position = self._disk.wal_end()
        self._log_position = 0
        self._started = False
        self._commands: dict[str, Callable[[list[str]], list[str]]] = {
            "set": self._set,
            "start": self._start,
            "shutdown": self._shutdown,
            "restart": self._restart,
            "kill": self._kill,
            "cancel": self._cancel,
            "close": self._close,
            "stop": self._stop,
            "continue": self._continue,
            "forget": self._forget,
            "waldump": self._waldump,
            "pagedump": self._pagedump,
            "controldata": self._controldata,
            "log": self._log,
            "files": self._files,
            "damage": self._damage,
            "cut": self._cut,
        }

    def play(self, steps: list[Step]) -> list[Step]:
        """The steps with the output of this time."""
        try:
            return [self._play(step) for step in steps]
        finally:
            for session in self._sessions.values():
                session.close()

    def _play(self, step: Step) -> Step:
        if not step.is_command:
            return step
        try:
            return replace(step, output=self._run(step.text))
        except ScriptError as error:
            raise ScriptError(f"line {step.line}: {step.text}: {error}") from error

    def _run(self, text: str) -> list[str]:
        if not self._started and not text.startswith("set "):
            self._start_server()
        if match := STATEMENT.fullmatch(text):
            until_end = match["mode"] == "!"
            return self._statement(match["session"], match["statement"] or "", until_end)
        name, *arguments = text.split()
        if name not in self._commands:
            raise ScriptError("no such command")
        return self._commands[name](arguments)

    # sessions -----------------------------------------------------------------------------------

    def _statement(self, name: str, statement: str, until_end: bool) -> list[str]:
        if not statement:
            return self._session(name).answer(until_end=True)
        said = self._reap(name)
        session = self._session(name)
        session.send(statement)
        return said + session.answer(until_end=until_end)

    def _session(self, name: str) -> Session:
        if name not in self._sessions:
            self._sessions[name] = Session(name, self._cluster.address, self._masks)
        return self._sessions[name]

    def _reap(self, name: str) -> list[str]:
        """A session that the server ended by itself says so before the next one begins."""
        session = self._sessions.get(name)
        if session is None or not session.is_lost():
            return []
        return self._sessions.pop(name).last_words()

    def _lose_sessions(self) -> list[str]:
        """What all sessions say once their server processes are gone."""
        sessions = list(self._sessions.values())
        self._sessions.clear()
        return [line for session in sessions for line in session.last_words()]

    def _cancel(self, arguments: list[str]) -> list[str]:
        (name,) = arguments
        self._session(name).cancel()
        return []

    def _close(self, arguments: list[str]) -> list[str]:
        (name,) = arguments
        session = self._sessions.pop(name)
        session.close()
        self._cluster.wait_until_gone(session.pid)
        return []

    # the server ---------------------------------------------------------------------------------

    def _set(self, arguments: list[str]) -> list[str]:
        name, equals, value = arguments
        if equals != "=":
            raise ScriptError("it is `set NAME = VALUE`")
        self._cluster.settings[name] = value
        return []

    def _start_server(self) -> list[str]:
        self._started = True
        return [] if self._cluster.start() else ["the server ended"]

    def _start(self, arguments: list[str]) -> list[str]:
        _no_more(arguments)
        return [] if self._cluster.is_running else self._start_server()

    def _shutdown(self, arguments: list[str]) -> list[str]:
        (mode,) = arguments
        status = self._cluster.shutdown(mode)
        return self._lose_sessions() + ([f"exit status {status}"] if status else [])

    def _restart(self, arguments: list[str]) -> list[str]:
        return self._shutdown(arguments) + self._start_server()

    def _kill(self, arguments: list[str]) -> list[str]:
        cluster = self._cluster
        match arguments:
            case ["postmaster"]:
                cluster.kill_postmaster()
            case ["all"]:
                cluster.kill_all()
            case ["logger"]:
                cluster.kill_logger()
                return []
            case ["backend", name]:
                lives = cluster.kill(self._session(name).pid)
                return self._lose_sessions() + ([] if lives else ["the server ended"])
            case [role] if role in ROLES:
                lives = cluster.kill(cluster.pid_of(role))
                return self._lose_sessions() + ([] if lives else ["the server ended"])
            case _:
                raise ScriptError("kill whom?")
        return self._lose_sessions()

    def _stop(self, arguments: list[str]) -> list[str]:
        (role,) = arguments
        self._cluster.stop(role)
        return []

    def _continue(self, arguments: list[str]) -> list[str]:
        (role,) = arguments
        self._cluster.resume(role)
        return []

    # what is on disk ----------------------------------------------------------------------------

    def _forget(self, arguments: list[str]) -> list[str]:
        _no_more(arguments)
        if self._cluster.is_running:
            high, low = self._ask("SELECT pg_current_wal_insert_lsn()").split("/")
            self._wal_position = (int(high, 16) << 32) + int(low, 16)
        else:
            self._wal_position = self._disk.wal_end()
        self._log_position = len(self._cluster.log())
        return []

    def _waldump(self, arguments: list[str]) -> list[str]:
        if self._cluster.is_running and "walwriter" not in self._cluster.stopped_roles:
            self._wait_until_flushed()
        records, self._wal_position = self._disk.records(self._wal_position)
        return [self._masks.wal(line) for line in wal_lines(records, arguments)]

    def _wait_until_flushed(self) -> None:
        """The WAL writer takes a rollback's record to the disk, but a little later."""
        deadline = time.monotonic() + PATIENCE_S
        question = "SELECT pg_current_wal_flush_lsn() = pg_current_wal_insert_lsn()"
        while not self._ask(question):
            if time.monotonic() > deadline:
                raise ScriptError("WAL is in memory only: end the transaction that wrote it first")
            time.sleep(0.005)

    def _pagedump(self, arguments: list[str]) -> list[str]:
        table, block, *rest = arguments
        data = rest == ["data"]
        lines = self._disk.page_lines(self._filenode(table), int(block), data=data)
        return [self._masks.page(line) for line in lines]

    def _controldata(self, words: list[str]) -> list[str]:
        return [self._masks.lsns(line) for line in self._disk.control_lines(words)]

    def _log(self, words: list[str]) -> list[str]:
        text = self._cluster.log()
        new, self._log_position = text[self._log_position :], len(text)
        new = new.replace(str(self._cluster.server.sockets), "<directory>")
        lines = [self._masks.log(line) for line in new.splitlines()]
        return [
            line
            for line in lines
            if not line.startswith(_NOT_READY)
            and (not words or any(word.replace("_", " ") in line for word in words))
        ]

    def _files(self, arguments: list[str]) -> list[str]:
        (directory,) = arguments
        return self._disk.files(directory)

    def _damage(self, arguments: list[str]) -> list[str]:
        table, block, span = arguments
        first, end = span.split("-")
        self._disk.damage(self._filenode(table), int(block), int(first), int(end))
        return []

    def _cut(self, arguments: list[str]) -> list[str]:
        if arguments != ["wal"] or self._cluster.is_running:
            raise ScriptError("it is `cut wal`, while the server is down")
        record = self._disk.cut_last_record()
        return [self._masks.wal(line) for line in wal_lines([record], [])]

    def _filenode(self, table: str) -> int:
        """As pg_class has it; as it was when the server ran last."""
        if self._cluster.is_running:
            rows = self._cluster.ask(
                f"SELECT relname, relfilenode FROM pg_class WHERE relname = '{table}'"
            )
            self._filenodes.update({name: int(node) for name, node in rows})
        if table not in self._filenodes:
            raise ScriptError(f"no table {table}; look at it once before the server goes down")
        return self._filenodes[table]

    def _ask(self, question: str) -> Any:
        ((answer,),) = self._cluster.ask(question)
        return answer


def _no_more(arguments: list[str]) -> None:
    if arguments:
        raise ScriptError(f"what is {' '.join(arguments)!r}?")
