"""The sessions of a scenario: connections by name, all of them served while any is waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chaos.connection import Connection, ConnectionLost, Refusal, State
from chaos.waiting.api import READABLE, WRITABLE, Waiting
from chaos.workloads.api import Answer

TICK_S: Final = 0.002
"""How often what gives no sign by itself is looked at: logs, processes."""


class Session:
    """One named connection: at most one thing that it has sent is unanswered.

    `lost` says how the connection ended; it is None while there is one.
    """

    def __init__(self, name: str, conninfo: str, waiting: Waiting) -> None:
        self.name = name
        self.answer: Answer | Refusal | None = None
        self.lost: ConnectionLost | None = None
        self.was_established = False
        self.is_pending = False
        self._waiting = waiting
        self._connection: Connection | None = None
        self._fd = -1
        try:
            self._connection = Connection(conninfo)
            self._watch()
        except ConnectionLost as lost:
            self.lost = lost

    @property
    def fd(self) -> int:
        """What is watched; -1 when nothing is."""
        return self._fd

    @property
    def backend_pid(self) -> int:
        """Who serves it; 0 when nobody does."""
        return self._connection.backend_pid if self._connection is not None else 0

    def ask(self, sql: str) -> None:
        """Send statements; `answer` will have what came of the last."""
        self.answer = None
        connection = self._connection
        if connection is None:
            return
        self.is_pending = True
        try:
            connection.ask(sql)
            self._watch()
        except ConnectionLost as lost:
            self._lose(lost)

    def ready(self) -> None:
        """Its socket is ready."""
        connection = self._connection
        if connection is None:
            return
        try:
            if connection.state is State.CONNECTING:
                self.was_established = connection.advance_connecting()
            else:
                answer = connection.receive()
                if answer is not None:
                    self.answer, self.is_pending = answer, False
            self._watch()
        except ConnectionLost as lost:
            self._lose(lost)

    def close(self) -> None:
        """The client leaves."""
        self._unwatch()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _watch(self) -> None:
        """Watch for what the connection waits for; its socket may have become another."""
        connection = self._connection
        if connection is None:
            return
        if connection.fileno != self._fd:
            self._unwatch()
            self._fd = connection.fileno
        self._waiting.watch(self._fd, WRITABLE if connection.wants_write else READABLE)

    def _unwatch(self) -> None:
        if self._fd != -1:
            self._waiting.unwatch(self._fd)
            self._fd = -1

    def _lose(self, lost: ConnectionLost) -> None:
        self.close()
        self.lost = lost
        self.is_pending = False


class Sessions:
    """All sessions, by name."""

    def __init__(self, waiting: Waiting, conninfo: Callable[[], str]) -> None:
        self._waiting = waiting
        self._conninfo = conninfo
        self._sessions: dict[str, Session] = {}

    def find(self, name: str) -> Session | None:
        """The session of this name, if it was opened and its end not yet noted."""
        return self._sessions.get(name)

    def open(self, name: str, seconds: float) -> Session | None:
        """A new session, connected or refused; None when neither comes in time."""
        session = self._sessions[name] = Session(name, self._conninfo(), self._waiting)
        done = self.pump(seconds, lambda: session.was_established or session.lost is not None)
        return session if done else None

    def forget(self, name: str) -> None:
        """Leave; the name is free for a new session."""
        session = self._sessions.pop(name, None)
        if session is not None:
            session.close()

    def forget_all(self) -> None:
        """Leave everywhere."""
        for name in list(self._sessions):
            self.forget(name)

    def pump(self, seconds: float, until: Callable[[], bool]) -> bool:
        """Serve all sessions until the condition holds: then True, False when time is up."""
        waiting = self._waiting
        deadline = waiting.now_s() + seconds
        while not until():
            now = waiting.now_s()
            if now >= deadline:
                return False
            ready = [fd for fd, _ in waiting.wait(min(deadline - now, TICK_S))]
            for session in self._sessions.values():
                if session.fd in ready:
                    session.ready()
        return True
