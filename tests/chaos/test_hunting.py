"""The hunt for the startup process: when a postmaster gives up, and what wakes it for that."""

from __future__ import annotations

import random
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chaos.driver import Driver
from chaos.faults.hunting import END_BOUND_S, KNOCK_AFTER_S, Hunter
from chaos.faults.striking import Strike, Striker
from chaos.history import History
from chaos.plan import Fault, Hunt, Where, Wishes, make_plan
from chaos.probe import Probe
from chaos.reaction import Watch
from chaos.targets.api import Target
from chaos.targets.catalogue import target_factory
from chaos.targets.launcher import Launcher
from chaos.targets.log import marks_in
from chaos.targets.processes import Role
from chaos.waiting.free import FreeWaiting
from chaos.workloads.catalogue import WORKLOADS
from tests.postgres import require_postgres

MIX = make_plan(1, Wishes()).mix
POSTMASTER, STARTUP, CHECKPOINTER = 100, 101, 102
DIED = f"LOG:  startup process (PID {STARTUP}) was terminated by signal 9: Killed"
READY = "LOG:  database system is ready to accept connections"


class VirtualWaiting(FreeWaiting):
    """Time passes when somebody waits, and at no other time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def now_s(self) -> float:
        """The time that was waited for."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """The same: nobody writes to those who wait."""
        self.now += seconds
        return []


class ScriptedTarget:
    """A postmaster, a startup process and a checkpointer, as a script says.

    The postmaster gives up so many seconds after the startup process was killed, but only once a
    client has knocked, if that is what it sleeps for. It logs `says` when it is killed.
    """

    name = "scripted"

    def __init__(
        self,
        sockets: Path,
        *,
        gives_up_after_s: float | None = None,
        sleeps: bool = False,
        says: tuple[str, ...] = (),
    ) -> None:
        self.log = self
        self.clock = VirtualWaiting()
        self.knocked_at: float | None = None
        self._gives_up_after_s = gives_up_after_s
        self._sleeps = sleeps
        self._says = says
        self._unread: list[str] = []
        self._ended: int | None = None
        self._killed_at: float | None = None
        self._sockets = sockets
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(sockets / ".s.PGSQL.5432"))
        self._door.listen()
        self._door.setblocking(False)

    def close(self) -> None:
        """Shut the door."""
        self._door.close()
        self.clock.close()

    def waiting(self) -> VirtualWaiting:
        return self.clock

    def conninfo(self) -> str:
        return f"host={self._sockets} user=postgres sslmode=disable gssencmode=disable"

    def news(self) -> list[str]:
        """As of the log."""
        said, self._unread = self._unread, []
        return said

    def postmaster(self) -> int:
        return POSTMASTER

    def launch(self) -> int:
        self._ended = None
        return POSTMASTER

    def exit_status(self) -> int | None:
        self._look_at_the_door()
        due = self._gives_up_after_s
        if self._killed_at is not None and due is not None:
            awake = not self._sleeps or self.knocked_at is not None
            if awake and self.clock.now >= self._killed_at + due:
                self._ended = 1
        return self._ended

    def _look_at_the_door(self) -> None:
        try:
            visitor, _ = self._door.accept()
        except BlockingIOError:
            return
        visitor.close()
        if self.knocked_at is None:
            self.knocked_at = self.clock.now

    def processes(self) -> dict[int, Role]:
        alive = {CHECKPOINTER: Role.CHECKPOINTER}
        return alive if self._killed_at is not None else {STARTUP: Role.STARTUP} | alive

    def is_running(self, pid: int) -> bool:
        return pid in self.processes() or pid == POSTMASTER

    def has_stopped(self, pid: int) -> bool:
        return not self.is_running(pid)

    def title_of(self, pid: int) -> str:
        return f"postgres: {self.processes()[pid]}"

    def survivors(self) -> list[int]:
        return []

    def crash_image(self) -> None:
        """Nothing to keep."""

    def send(self, pid: int, number: signal.Signals) -> bool:
        if number is signal.SIGKILL and pid == POSTMASTER:
            self._ended = -9
        elif number is signal.SIGKILL and pid == STARTUP:
            self._killed_at = self.clock.now
            self._unread += self._says
        return True


def driver_of(target: Target) -> Driver:
    """No client at all."""
    waiting = target.waiting()
    history, workload = History(waiting.now_s), WORKLOADS["bank"](MIX)
    driver = Driver(history, workload, 0, target.conninfo, random.Random(1), waiting)
    driver.gate_open = False
    return driver


def hunt(target: Any) -> Strike:
    """Kill the postmaster, and the startup process of the start that follows."""
    driver = driver_of(target)
    watch = Watch(target, driver, 30.0)
    hunter = Hunter(target, driver, Striker(target, driver, lambda _: True), watch)
    hunts = (Hunt("seen", 0),)
    fault = Fault("startup", Where("time_ms", 0), hunts=hunts, crash_by="postmaster")
    try:
        return hunter.hunt(fault)
    finally:
        driver.close()


Script = Callable[..., ScriptedTarget]


@pytest.fixture
def script() -> Iterator[Script]:
    """Makes a scripted target; its socket is in a directory with a name that is short enough."""
    with tempfile.TemporaryDirectory(prefix="hunt-") as directory, ExitStack() as stack:

        def make(**what: Any) -> ScriptedTarget:
            target = ScriptedTarget(Path(directory), **what)
            stack.callback(target.close)
            return target

        yield make


def test_a_postmaster_that_gives_up_by_itself_is_not_woken(script: Script) -> None:
    target = script(gives_up_after_s=6.0)
    [found] = hunt(target).hunts
    assert (found["struck"], found["killed"], found["exit"]) == (True, True, 1)
    assert found["knocked"] is False
    assert target.knocked_at is None


def test_a_postmaster_that_sleeps_is_woken_by_a_client_and_gives_up(script: Script) -> None:
    target = script(gives_up_after_s=5.0, sleeps=True)
    strike = hunt(target)
    [found] = strike.hunts
    assert (found["killed"], found["exit"], found["knocked"]) == (True, 1, True)
    assert strike.kills["startup"] == 1
    assert target.knocked_at is not None
    assert KNOCK_AFTER_S <= target.knocked_at <= target.clock.now < KNOCK_AFTER_S + 1


def test_a_postmaster_that_never_gives_up_is_told_with_whom_it_stayed(script: Script) -> None:
    target = script(says=("LOG:  one", "LOG:  two"))
    [found] = hunt(target).hunts
    assert (found["struck"], found["killed"], found["exit"]) == (True, True, None)
    assert found["left"] == ["postgres: checkpointer"]
    assert found["last_lines"] == ["LOG:  one", "LOG:  two"]
    assert END_BOUND_S <= target.clock.now < END_BOUND_S + 1


def test_a_server_that_is_ready_again_without_giving_up_is_not_waited_for(script: Script) -> None:
    target = script(says=(DIED, READY))
    [found] = hunt(target).hunts
    assert (found["struck"], found["killed"], found["exit"]) == (True, True, None)
    assert target.clock.now < 1


def test_a_blow_after_the_end_of_recovery_has_missed(script: Script) -> None:
    strike = hunt(script(says=(READY,)))
    [found] = strike.hunts
    assert (found["struck"], found["killed"]) == (False, False)
    assert found["missed"] == "recovery was over before the blow"
    assert strike.kills["startup"] == 0


# what servers do ---------------------------------------------------------------------------------

PATIENCE_S = 30.0
TRIES = 20


@pytest.fixture(params=["engine", "postgres"])
def server(request: pytest.FixtureRequest) -> Iterator[Target]:
    """A running server of either kind."""
    if request.param == "postgres":
        require_postgres("postgres")
    with Launcher() as launcher:
        target = target_factory(request.param)(launcher, {}, 1)
        target.create()
        target.launch()
        try:
            yield target
        finally:
            target.destroy()


def connect(target: Target) -> psycopg.Connection[Any]:
    """A connection, as soon as there is one to be had."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return psycopg.connect(target.conninfo(), autocommit=True)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def stopped_startup_process(target: Target) -> int:
    """The startup process of a crash restart, stopped before redo: crash until it was so early."""
    for _ in range(TRIES):
        with connect(target) as connection:
            target.log.news()
            target.send(connection.info.backend_pid, signal.SIGKILL)
            logged: list[str] = []
            startup: list[int] = []
            while not startup and "ready" not in marks_in(logged):
                startup = [p for p, role in target.processes().items() if role is Role.STARTUP]
                logged += target.log.news()
        for pid in startup:
            target.send(pid, signal.SIGSTOP)
            # The others are born after it; then the postmaster sleeps, on what it knows then.
            time.sleep(0.3)
            logged += target.log.news()
            if target.has_stopped(pid) and not any("automatic recovery" in line for line in logged):
                return pid
            target.send(pid, signal.SIGCONT)
    raise AssertionError(f"redo had begun each of {TRIES} times")


def test_a_startup_process_killed_before_redo_in_a_crash_restart_ends_the_server(
    server: Target,
) -> None:
    pid = stopped_startup_process(server)
    server.send(pid, signal.SIGKILL)
    blow = time.monotonic()
    probe = Probe(server.conninfo, server.waiting())
    while server.exit_status() is None and time.monotonic() < blow + PATIENCE_S:
        time.sleep(0.01)
        if time.monotonic() > blow + KNOCK_AFTER_S:
            probe.step()
    probe.close()
    log = "\n".join(server.log.news())
    assert server.exit_status() == 1
    assert "shutting down due to startup process failure" in log
    # PostgreSQL is still in the crash before and tells nobody to quit; the engine does.
    assert ("issuing SIGKILL to recalcitrant children" in log) == (server.name == "postgres")
    assert (f"startup process (PID {pid}) was terminated" in log) == (server.name == "engine")
