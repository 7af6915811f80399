"""A server of the engine for a test that breaks it by hand, and what breaks it.

    def test_what_was_committed_is_there_after_the_checkpointer_was_killed(cluster, controller):
        cluster.query("CREATE TABLE t (n int)")
        cluster.query("INSERT INTO t VALUES (1)")
        controller.kill("checkpointer")
        assert cluster.query("SELECT n FROM t") == [(1,)]

The machine decides which of its processes runs when, so two runs of such a test may differ, and its
power cannot be cut; `properties.crash_property` has both.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

import psycopg

from chaos.faults.places import ALL, CHILDREN
from chaos.scenario.comparing import Unexpected
from chaos.scenario.server import Server
from chaos.scenario.sessions import Sessions
from chaos.scenario.steps import Victim
from chaos.targets.catalogue import target_factory
from chaos.targets.making import Maker
from chaos.targets.processes import Role

BOUND_S: Final = 30.0
"""Within this a server must be up, or down."""
KILLABLE: Final = (*(str(role) for role in Role), ALL, CHILDREN)


class ClusterError(Exception):
    """The server did not do what was waited for, or there is no such process: says which."""


class Cluster:
    """A running server with a data directory of its own, as long as the context lasts."""

    def __init__(self, settings: Mapping[str, str] | None = None, wal_segment_mb: int = 1) -> None:
        self._maker = Maker()
        self.target = self._maker.free(target_factory("engine"), settings or {}, wal_segment_mb)
        self._sessions = Sessions(self.target.waiting(), self.target.conninfo)
        self.server = Server(self.target, self._sessions, BOUND_S)

    def __enter__(self) -> Cluster:
        try:
            self.target.create()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._sessions.forget_all()
            self.target.destroy()
        finally:
            self._maker.close()

    @property
    def conninfo(self) -> str:
        """For libpq, and whatever is built on it."""
        return self.target.conninfo()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with _told():
            self.server.launch()
            self.server.await_up()

    def stop(self, mode: str = "fast") -> None:
        """`smart`, `fast` or `immediate`; waits until it is down."""
        with _told():
            self.server.shutdown(mode)

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A new connection of psycopg, with autocommit; the caller closes it."""
        return psycopg.connect(self.conninfo, autocommit=True)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement on a connection of its own; [] when it has none."""
        with self.connect() as connection:
            cursor = connection.execute(cast("Any", sql), parameters or None)
            return cursor.fetchall() if cursor.description is not None else []


class Controller:
    """Breaks a cluster's server."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def processes(self) -> dict[int, str]:
        """The postmaster's children: pid and role, in order of birth."""
        return {pid: str(role) for pid, role in self._cluster.target.processes().items()}

    def kill(self, *roles: str, waits: bool = True) -> None:
        """SIGKILL to all processes of these roles, at one moment if they are several; `all` and
        `children` are roles too. Then wait until the server is up again, started anew if its
        postmaster is dead.
        """
        for role in roles:
            if role not in KILLABLE:
                raise ValueError(f"there is no role {role!r}; there are {', '.join(KILLABLE)}")
        with _told():
            self._cluster.server.kill([Victim(role) for role in roles])
        if waits and roles != (str(Role.LOGGER),):
            self.settle()

    def settle(self) -> None:
        """Wait until the server is up again, and start it if it is down."""
        with _told():
            self._cluster.server.settle()

    def stop(self, role: str) -> None:
        """SIGSTOP, until `resume`."""
        with _told():
            self._cluster.server.stop(Victim(role))

    def resume(self, role: str) -> None:
        """SIGCONT."""
        with _told():
            self._cluster.server.resume(Victim(role))

    def signal(self, pid: int, number: signal.Signals) -> bool:
        """Send any other signal; False if the process is gone."""
        return self._cluster.target.send(pid, number)


@contextmanager
def _told() -> Iterator[None]:
    """As the one who asked is told of it: without the frames in between."""
    try:
        yield
    except Unexpected as unexpected:
        raise ClusterError(str(unexpected)) from None
