"""Lets a page rot while the server is down, and sees whether it is noticed (rot.py says what rots).

    checkpoint (perhaps), kill all, change the bit, start, read all tables,
    kill all, take the bit back, start

What the controller read is judged as any audit is, so that a server which goes on with what is
wrong is found out by that as well.
"""

from __future__ import annotations

import re
import signal
from typing import Final

from chaos.faults.disk.failing import DiskFailures
from chaos.faults.disk.licence import SAID
from chaos.faults.disk.looking import Looker
from chaos.faults.disk.rot import Rot, choose
from chaos.faults.placing import Placer
from chaos.faults.striking import Strike, Striker
from chaos.plan import Fault
from chaos.reaction import Reaction, Watch
from chaos.targets.api import Target
from chaos.waiting.api import Waiting

CHECKPOINT_BOUND_S: Final = 5.0
LOOK_BOUND_S: Final = 2.0
SAYS_SO: Final = re.compile(SAID["rot"][1])
NOTICED: Final = re.compile(r"\b(ERROR|FATAL|PANIC):  ")


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
        self._kill_everybody(fault, strike)
        rot = choose(
            what, seed, self._target.data_directory, self._failures.target().wal_segment_mb << 20
        )
        if rot is None:
            strike.missed = f"there is no page of kind {what}"
            return strike, reaction
        licence = self._failures.open_licence(fault.name, "rot", None)
        rot.do(self._target.data_directory)
        strike.struck = True
        self._watch.restart(strike, reaction)
        event = self._looker.look(LOOK_BOUND_S, self._is_in_the_log)
        if self._target.exit_status() is not None:
            self._watch.wait_for_orphans(self._waiting.now_s())  # the logger may have lines still
        how, said = (event.type, event.error or "") if event is not None else ("no answer", "")
        noticed = bool(SAYS_SO.search(said)) or self._is_in_the_log()
        strike.disk = {"error": "rot", "occasion": "start", "licence": licence, "noticed": noticed}
        strike.disk |= {"look": how, **rot.to_object()}
        strike.disk["is_there"] = self._take_back(rot, fault, strike)
        strike.at = self._waiting.now_s()
        return strike, reaction

    def _take_back(self, rot: Rot, fault: Fault, strike: Strike) -> bool:
        """ROT-1; whether the page still was as the rot had made it. Of WAL that was taken for the
        end, what followed is overwritten: there is nothing to be taken back.
        """
        directory = self._target.data_directory
        is_there = rot.is_there(directory)
        if is_there and rot.what != "wal":
            self._kill_everybody(fault, strike)
            rot.take_back(directory)
        return is_there

    def _kill_everybody(self, fault: Fault, strike: Strike) -> None:
        """Those too whose postmaster is gone."""
        if self._target.exit_status() is None:
            killed = self._striker.kill(fault, "all")
            strike.kills += killed.kills
            strike.victims += killed.victims
        for pid in self._target.survivors():
            self._target.send(pid, signal.SIGKILL)
            strike.victims.append(pid)

    def _is_in_the_log(self) -> bool:
        self._watch.read_log()
        return any(SAYS_SO.search(line) and NOTICED.search(line) for line in self._watch.lines)
