"""Lets a page rot while the server is down, and sees whether it is noticed (rot.py says what rots).

    checkpoint (perhaps), kill all, change the bit, start, read all tables,
    kill all, take the bit back, start

What the controller read is judged as any audit is, so that a server which goes on with what is
wrong is found out by that as well.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any, Final, Protocol

from chaos.faults.disk.failing import DiskFailures
from chaos.faults.disk.licence import SAID
from chaos.faults.disk.looking import Looker
from chaos.faults.disk.rot import choose
from chaos.faults.placing import Placer
from chaos.faults.striking import Strike, Striker
from chaos.plan import Fault
from chaos.reaction import Reaction, Watch
from chaos.targets.api import Target
from chaos.waiting.api import Waiting

CHECKPOINT_BOUND_S: Final = 5.0
LOOK_BOUND_S: Final = 2.0
NOTICED: Final = re.compile(r"\b(ERROR|FATAL|PANIC):  ")


class Damage(Protocol):
    """What is wrong on the disk; it is done and taken back while the server is down (ROT-1)."""

    def do(self, directory: Path) -> None:
        """Let it be wrong."""

    def is_there(self, directory: Path) -> bool:
        """Whether what has to be noticed still is there."""

    def is_left(self, directory: Path) -> bool:
        """Whether there is anything to be taken back."""

    def take_back(self, directory: Path) -> None:
        """Let it be right."""

    def to_object(self) -> dict[str, Any]:
        """For the history."""


class Rotting:
    """Does the faults `bit-rot` and `wal-rot`."""

    def __init__(
        self,
        target: Target,
        waiting: Waiting,
        striker: Striker,
        placer: Placer,
        watch: Watch,
        failures: DiskFailures,
        looker: Looker,
    ) -> None:
        self._target = target
        self._waiting = waiting
        self._striker = striker
        self._placer = placer
        self._watch = watch
        self._failures = failures
        self._looker = looker

    def strike(self, fault: Fault) -> tuple[Strike, Reaction]:
        """All of it; the last start is left to whoever watches the recovery."""
        match fault.disk.split():
            case ["rot", what, seed]:
                is_checkpointed = False
            case ["rot", what, seed, "after", "checkpoint"]:
                is_checkpointed = True
            case _:
                raise ValueError(f"{fault.disk!r} is nothing that rots")
        if is_checkpointed:
            self._looker.checkpoint(CHECKPOINT_BOUND_S)
        strike = self._striker.begin(fault.name)
        reaction = self._placer.reaction = Reaction(fault.name)
        self.kill_everybody(fault, strike)
        rot = choose(
            what, seed, self._target.data_directory, self._failures.target().wal_segment_mb << 20
        )
        if rot is None:
            strike.missed = f"there is no page of kind {what}"
        else:
            self.harm(rot, "rot", fault, strike, reaction)
        return strike, reaction

    def harm(
        self, damage: Damage, error: str, fault: Fault, strike: Strike, reaction: Reaction
    ) -> None:
        """The server is down: do the damage, see what the server makes of it, take it back.
        `error` is its name in SAID.
        """
        licence = self._failures.open_licence(fault.name, error, None)
        damage.do(self._target.data_directory)
        strike.struck = True
        self._watch.restart(strike, reaction)
        says_so = re.compile(SAID[error][1])
        event = self._looker.look(LOOK_BOUND_S, lambda: self._is_in_the_log(says_so))
        if self._target.exit_status() is not None:
            self._watch.wait_for_orphans(self._waiting.now_s())  # the logger may have lines still
        how, said = (event.type, event.error or "") if event is not None else ("no answer", "")
        noticed = bool(says_so.search(said)) or self._is_in_the_log(says_so)
        strike.disk = {"error": error, "occasion": "start", "licence": licence, "noticed": noticed}
        strike.disk |= {"look": how, **damage.to_object()}
        strike.disk["is_there"] = self._take_back(damage, fault, strike)
        strike.at = self._waiting.now_s()

    def _take_back(self, damage: Damage, fault: Fault, strike: Strike) -> bool:
        """ROT-1; whether the page still was as the damage had made it."""
        directory = self._target.data_directory
        is_there = damage.is_there(directory)
        if damage.is_left(directory):
            self.kill_everybody(fault, strike)
            damage.take_back(directory)
        return is_there

    def kill_everybody(self, fault: Fault, strike: Strike) -> None:
        """Those too whose postmaster is gone."""
        if self._target.exit_status() is None:
            killed = self._striker.kill(fault, "all")
            strike.kills += killed.kills
            strike.victims += killed.victims
        for pid in self._target.survivors():
            self._target.send(pid, signal.SIGKILL)
            strike.victims.append(pid)

    def _is_in_the_log(self, says_so: re.Pattern[str]) -> bool:
        self._watch.read_log()
        return any(says_so.search(line) and NOTICED.search(line) for line in self._watch.lines)
