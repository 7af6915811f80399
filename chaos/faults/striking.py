"""Strikes: finds the victim, signals it, and says what was struck.

FAULT-1  A fault that found no victim has not struck, and says why; nothing is counted for it.
FAULT-2  Whatever was stopped is continued, however the strike ends.
"""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from chaos.driver import Client, ClientState, Driver
from chaos.faults.catalogue import ENDS_THE_POSTMASTER
from chaos.plan import Fault
from chaos.targets.api import Target
from chaos.targets.processes import Role

IN_THE_WAY_SECONDS: Final = 0.5
BETWEEN_TRIES_SECONDS: Final = 0.003
GLANCE_SECONDS: Final = 0.025
"""A reader that gets no answer for so long is taken to wait for the one that was stopped."""
FREEZE_SECONDS: Final = 0.5


@dataclass(slots=True)
class Strike:
    """What was done: `before` are the children then, `at` is when (by `Waiting.now_s`); `power`
    tells what the disk kept, once for each power loss, `disk` how it failed, and where.
    """

    name: str
    struck: bool = False
    missed: str = ""
    victims: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    before: dict[int, Role] = field(default_factory=dict)
    at: float = 0.0
    at_us: int = 0
    losses_before: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    hunts: list[dict[str, Any]] = field(default_factory=list)
    power: list[dict[str, Any]] = field(default_factory=list)
    disk: dict[str, Any] = field(default_factory=dict)

    def to_object(self) -> dict[str, Any]:
        """For the history."""
        return {
            "name": self.name,
            "struck": self.struck,
            "missed": self.missed,
            "at_us": self.at_us,
            "victims": self.victims,
            "kills": dict(self.kills),
            "hunts": self.hunts,
            "power": self.power,
            "disk": self.disk,
        }


class Striker:
    """Does to a target what a fault says; the clients go on being served while it waits.

    `glance` reads something from the server, and says whether it had it within so many seconds.
    """

    def __init__(self, target: Target, driver: Driver, glance: Callable[[float], bool]) -> None:
        self._target = target
        self._driver = driver
        self._waiting = driver.waiting
        self._glance = glance

    def begin(self, name: str) -> Strike:
        """A strike about to happen."""
        strike = Strike(name, before=self._target.processes())
        self.date(strike)
        strike.losses_before = len(self._driver.losses)
        return strike

    def date(self, strike: Strike) -> None:
        """It happens now: what was acknowledged until now came before it."""
        strike.at = self._waiting.now_s()
        strike.at_us = self._driver.history.now_us()

    def kill(self, fault: Fault, name: str) -> Strike:
        """SIGKILL to what `name` says: a role, or one of the faults that end the postmaster."""
        strike = self.begin(name)
        if name in ENDS_THE_POSTMASTER:
            self._kill_postmaster(fault, strike)
        else:
            self._kill_one(fault, strike)
        if strike.struck:
            strike.kills[name] += 1
        return strike

    def stop(self, fault: Fault) -> Strike:
        """SIGSTOP, a while, SIGCONT."""
        role = Role(fault.name.removeprefix("stop:"))
        strike = self.begin(fault.name)
        pid = self._find(fault, role)
        if pid is None:
            strike.missed = f"there was no {role}"
            return strike
        self.hold(pid, fault.hold_ms / 1000, strike)
        return strike

    def hold(self, pid: int, seconds: float, strike: Strike) -> None:
        """Stop one process for so long."""
        try:
            if not self._target.send(pid, signal.SIGSTOP):
                strike.missed = "the process was gone"
                return
            strike.struck = True
            strike.victims.append(pid)
            self._driver.pump(seconds)
        finally:
            self._target.send(pid, signal.SIGCONT)  # FAULT-2

    # one process ---------------------------------------------------------------------------------

    def _kill_one(self, fault: Fault, strike: Strike) -> None:
        role = Role(strike.name)
        pid = self._find(fault, role)
        if pid is None:
            strike.missed = f"there was no {role}"
            return
        if fault.freeze and role is not Role.LOGGER:
            self._kill_frozen([pid], strike)
        else:
            self._kill_all([pid], strike)

    def _kill_all(self, pids: Iterable[int], strike: Strike) -> None:
        strike.at = self._waiting.now_s()
        for pid in pids:
            if self._target.is_running(pid) and self._target.send(pid, signal.SIGKILL):
                strike.struck = True
                strike.victims.append(pid)
        if not strike.struck:
            strike.missed = "the process was gone"

    def _kill_frozen(self, pids: list[int], strike: Strike) -> None:
        """The machine stands still, the victims die, the disk is copied, the machine goes on.

        The victims are stopped first: they were chosen for what they are doing now.
        """
        frozen = [*pids, self._target.postmaster(), *self._target.processes()]
        try:
            self._freeze(frozen)
            self._kill_all(pids, strike)
            self._target.crash_image()
        finally:
            for pid in frozen:
                self._target.send(pid, signal.SIGCONT)  # FAULT-2
        strike.at = self._waiting.now_s()

    def _freeze(self, pids: list[int]) -> None:
        for pid in pids:
            self._target.send(pid, signal.SIGSTOP)
        deadline = self._waiting.now_s() + FREEZE_SECONDS
        while not all(self._target.has_stopped(pid) for pid in pids):
            if self._waiting.now_s() >= deadline:
                return
            self._waiting.sleep(0.0002)

    def _find(self, fault: Fault, role: Role) -> int | None:
        """The victim: of backends, one that serves a client."""
        if role is Role.BACKEND:
            return self._find_backend(fault)
        if role is Role.POSTMASTER:
            return self._target.postmaster()
        found = [pid for pid, its in self._target.processes().items() if its is role]
        return found[fault.victim % len(found)] if found else None

    def _find_backend(self, fault: Fault) -> int | None:
        driver = self._driver
        ours = self._target.processes()  # a pid that is not among them may be anybody's by now
        clients = [client for client in driver.connected() if client.backend_pid in ours]
        if not clients:
            return None
        if fault.in_the_way:
            pid = self._find_in_the_way(clients, fault.victim)
            if pid is not None:
                return pid
        latest_by = {"commits": driver.last_commit_by, "statements": driver.last_statement_by}
        number = latest_by.get(fault.where.counter)
        latest = next((client for client in clients if client.number == number), None)
        if latest is not None:
            return latest.backend_pid
        busy: list[Client] = [client for client in clients if client.state is ClientState.BUSY]
        candidates = busy or clients
        return candidates[fault.victim % len(candidates)].backend_pid

    def _find_in_the_way(self, clients: list[Client], seed: int) -> int | None:
        """A backend that readers wait for, left stopped: no row's lock does that, a page's does.

        Stop one at a random moment; if a reader gets through, continue it and try again.
        """
        chance = random.Random(seed)
        deadline = self._waiting.now_s() + IN_THE_WAY_SECONDS
        while self._waiting.now_s() < deadline:
            self._driver.pump_exactly(chance.random() * BETWEEN_TRIES_SECONDS)
            busy = [client for client in clients if client.state is ClientState.BUSY]
            if busy and self._holds_readers_up(pid := chance.choice(busy).backend_pid):
                return pid
        return None

    def _holds_readers_up(self, pid: int) -> bool:
        """Stop a backend, and whether a reader waits then. It is continued if none does."""
        holds_up = False
        try:
            if self._target.send(pid, signal.SIGSTOP):
                holds_up = not self._glance(GLANCE_SECONDS)
        finally:
            if not holds_up:
                self._target.send(pid, signal.SIGCONT)  # FAULT-2
        return holds_up

    # the postmaster ------------------------------------------------------------------------------

    def _kill_postmaster(self, fault: Fault, strike: Strike) -> None:
        postmaster = self._target.postmaster()
        children = list(strike.before)
        if strike.name == "all":
            self._freeze([postmaster, *children])
            children = list(self._target.processes())
            self._kill_all([postmaster, *children], strike)
        elif strike.name == "postmaster+children":
            self._kill_all([postmaster], strike)
            for pid in children:
                self._target.send(pid, signal.SIGKILL)
        else:
            if fault.interlock:
                self._hold_one(fault, strike)
            self._kill_all([postmaster], strike)

    def _hold_one(self, fault: Fault, strike: Strike) -> None:
        """Stop one child, so that it outlives the postmaster until it is continued."""
        roles = (Role.BACKEND, Role.CHECKPOINTER, Role.WALWRITER)
        candidates = [pid for pid, role in strike.before.items() if role in roles]
        if candidates:
            pid = candidates[fault.victim % len(candidates)]
            if self._target.send(pid, signal.SIGSTOP):
                strike.held.append(pid)
