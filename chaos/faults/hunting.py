"""Catches the startup process in the middle of recovery: crash the server, look for it every half
millisecond, strike a little after it was seen or after redo has begun; and again, if the plan says
so.

A killed startup process makes the postmaster give up, so the controller starts it again, and that
start is the next hunt's. Recovery may be over before the blow: then that hunt has missed.

How soon PostgreSQL 15 gives up depends on what the recovery is for (postmaster.c: `reaper`,
`HandleChildCrash`, `ServerLoop`):

- of a start: the others are told to quit, and it is gone within milliseconds;
- of a crash restart, redo not begun: it still is in the crash before, so it logs nothing of the
  startup process and tells nobody to quit; it kills checkpointer and background writer after 5 s;
- of that, killed while it was about to sleep: it then sleeps out the 60 s that it had chosen before
  the blow, unless something wakes it, such as a client that connects. A server in use has such
  clients; here all are shut out, so the hunter knocks itself when it has waited long enough.
"""

from __future__ import annotations

import signal
from typing import Any, Final

from chaos.driver import Driver
from chaos.faults.striking import Strike, Striker
from chaos.plan import Fault, Hunt
from chaos.probe import Probe
from chaos.reaction import Reaction, Watch
from chaos.targets.api import Target
from chaos.targets.log import marks_in
from chaos.targets.processes import Role

TICK_S: Final = 0.0005
SIGHT_BOUND_S: Final = 5.0
KNOCK_AFTER_S: Final = 6.5
"""By then a postmaster that is awake has killed its children (5 s, counted in whole ones)."""
END_BOUND_S: Final = 30.0
"""How long a postmaster may take to give up, the knocking included."""
LAST_LINES: Final = 3


class Hunter:
    """Does the faults `startup` and `stop:startup`."""

    def __init__(self, target: Target, driver: Driver, striker: Striker, watch: Watch) -> None:
        self._target = target
        self._driver = driver
        self._waiting = driver.waiting
        self._striker = striker
        self._watch = watch
        self.reaction = Reaction("startup")

    def hunt(self, fault: Fault) -> Strike:
        """Crash, then hunt as often as the plan says."""
        self.reaction = Reaction(fault.name)
        strike = self._striker.kill(fault, fault.crash_by)
        strike.name = fault.name
        if not strike.struck:
            return strike
        for planned in fault.hunts:
            found = self._hunt_once(fault, planned, strike)
            strike.hunts.append(found)
            if found["killed"]:
                strike.kills["startup"] += 1
            if not found["struck"]:
                break  # the server is up, or on its way: nothing is left to hunt
        outcomes = [hunt for hunt in strike.hunts if hunt["struck"]]
        strike.struck = bool(outcomes)
        if not outcomes:
            strike.missed = "; ".join(hunt["missed"] for hunt in strike.hunts)
        return strike

    def _hunt_once(self, fault: Fault, planned: Hunt, strike: Strike) -> dict[str, Any]:
        found: dict[str, Any] = {
            "struck": False,
            "killed": False,
            "missed": "",
            "exit": None,
            "knocked": False,
            "left": [],
            "last_lines": [],
        }
        self._ensure_postmaster(strike)
        pid = self._await_sight(planned, strike)
        if pid is None:
            found["missed"] = "recovery was over before the startup process was seen"
            return found
        self._driver.pump(planned.delay_us / 1e6, lambda: not self._target.is_running(pid))
        if not self._target.is_running(pid):
            found["missed"] = "recovery was over before the blow"
        elif fault.name == "stop:startup":
            self._striker.hold(pid, fault.hold_ms / 1000, strike)
            strike.at = self._waiting.now_s()
            found["struck"] = True
        else:
            blow = self._waiting.now_s()
            self._kill(pid, found)
            strike.victims.append(pid)
            if found["killed"]:
                strike.at = blow
        return found

    def _kill(self, pid: int, found: dict[str, Any]) -> None:
        """Kill it, and wait for the postmaster to give up, or for proof that it will not."""
        marks_before = len(self._watch.lines)
        self._target.send(pid, signal.SIGKILL)
        blow = self._waiting.now_s()
        probe = Probe(self._target.conninfo, self._waiting)
        try:
            while self._waiting.now_s() < blow + END_BOUND_S:
                self._driver.pump(TICK_S)
                status = self._target.exit_status()
                self._watch.read_log()
                if status is not None:
                    found |= {"struck": True, "killed": True, "exit": status}
                    return
                lines = self._watch.lines[marks_before:]
                if "ready" in marks_in(lines):
                    if not _tells_of_its_death(lines, pid):
                        found["missed"] = "recovery was over before the blow"
                        return
                    break
                if self._waiting.now_s() > blow + KNOCK_AFTER_S:
                    found["knocked"] = True
                    probe.step()
        finally:
            probe.close()
            self.reaction.refusals += probe.refusals
        found |= {"struck": True, "killed": True, "left": self._who_is_left()}
        found["last_lines"] = self._watch.lines[-LAST_LINES:]

    def _who_is_left(self) -> list[str]:
        """The children of a postmaster that goes on, for whoever wonders why."""
        return [self._target.title_of(pid) or str(role) for pid, role in
                self._target.processes().items()]  # fmt: skip

    def _ensure_postmaster(self, strike: Strike) -> None:
        """The postmaster runs, started again if it has ended: then a recovery is to come."""
        if self._target.exit_status() is not None:
            self._watch.restart(strike, self.reaction)

    def _await_sight(self, planned: Hunt, strike: Strike) -> int | None:
        """The startup process, once it is seen, or once it has begun to replay."""
        deadline = self._waiting.now_s() + SIGHT_BOUND_S
        began_at = len(self._watch.lines)
        seen = None
        while self._waiting.now_s() < deadline:
            self._ensure_postmaster(strike)
            for pid, role in self._target.processes().items():
                if role is Role.STARTUP:
                    seen = pid
                    if planned.moment == "seen":
                        return pid
            self._watch.read_log()
            marks = marks_in(self._watch.lines[began_at:])
            if seen is not None and "redo_started" in marks and self._target.is_running(seen):
                return seen
            if "ready" in marks:
                return None
            self._driver.pump(TICK_S)
        return None


def _tells_of_its_death(lines: list[str], pid: int) -> bool:
    return any(f"(PID {pid}) was terminated by signal 9" in line for line in lines)
