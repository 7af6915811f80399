"""The server of a scenario as its player sees it: start, kill, stop, wait for what comes of it.

A server is *up* when its log has said once more that it is ready, and a new connection was answered
after that. So a kill, which the postmaster notices a little later, is not taken for recovered.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from chaos.faults.places import ALL, CHILDREN
from chaos.probe import Probe
from chaos.scenario.comparing import Unexpected
from chaos.scenario.sessions import Sessions
from chaos.scenario.steps import FAST, IMMEDIATE, SMART, Victim
from chaos.targets.api import Target
from chaos.targets.log import MARKS
from chaos.targets.processes import Role

LOG_BOUND_S: Final = 5.0
"""A logger may be a little behind."""
LINES_SHOWN: Final = 6
DEATH_BOUND_S: Final = 5.0
SIGNALS: Final = {SMART: signal.SIGTERM, FAST: signal.SIGINT, IMMEDIATE: signal.SIGQUIT}
READY: Final = MARKS["ready"]
CRASH: Final = re.compile(r"PANIC:|terminating any other active server processes")
NOTICE_S: Final = 0.05
"""After so long a postmaster has seen that a child of its is dead."""


class Server:
    """One target, driven step by step."""

    def __init__(self, target: Target, sessions: Sessions, bound_s: float) -> None:
        self._target = target
        self._sessions = sessions
        self._bound_s = bound_s
        self.lines: list[str] = []
        self._looked_until = 0
        self._ready_until = 0
        self._stopped: dict[Victim, list[int]] = {}
        self._has_killed = False

    # starting and ending -------------------------------------------------------------------------

    @property
    def is_down(self) -> bool:
        """Whether there is no postmaster."""
        return self._target.postmaster() == 0 or self._target.exit_status() is not None

    def launch(self) -> None:
        """Start a postmaster, once the children of an earlier one have left by themselves."""
        if not self.is_down:
            raise Unexpected("expected that the server is down, but it runs")
        self.await_empty()
        self._target.launch()

    def await_empty(self) -> None:
        """Wait until the children of an earlier postmaster have left."""
        if not self._sessions.pump(self._bound_s, lambda: not self._orphans()):
            left = ", ".join(self._target.title_of(pid) or str(pid) for pid in self._orphans())
            raise Unexpected(f"expected that the old postmaster's children leave; left: {left}")

    def _orphans(self) -> list[int]:
        """Children of an earlier postmaster, but those that were stopped.

        As long as one is stopped the logger stays too: there might be something to log.
        """
        stopped = [pid for pids in self._stopped.values() for pid in pids]
        left = [pid for pid in self._target.survivors() if pid not in stopped]
        if stopped:
            left = [pid for pid in left if "logger" not in self._target.title_of(pid)]
        return left

    def await_up(self) -> None:
        """See the head of this file. Whoever was connected before is not any more."""
        self._await(self._is_ready, "that the server is ready")
        probe = Probe(self._target.conninfo, self._target.waiting())

        def answers() -> bool:
            probe.step()
            return bool(probe.answered_at)

        try:
            self._await(answers, "that a query is answered")
        finally:
            probe.close()
        self._target.remember_shared_memory()
        self._sessions.forget_all()
        self._has_killed = False

    def settle(self) -> None:
        """If it is down, start it; if it is in the midst of a crash restart, wait for its end."""
        self._sessions.pump(NOTICE_S, lambda: False)
        self._read_log()
        has_crashed = any(CRASH.search(line) for line in self.lines[self._ready_until :])
        if self.is_down:
            self.launch()
            self.await_up()
        elif has_crashed or self._has_killed:
            self.await_up()

    def _is_ready(self) -> bool:
        self._read_log()
        for number, line in enumerate(self.lines[self._ready_until :], self._ready_until + 1):
            if READY.search(line):
                self._ready_until = number
                return True
        return False

    def _await(self, holds: Callable[[], bool], what: str) -> None:
        """Until it holds; a postmaster that ends meanwhile will not do it."""
        ended = False

        def decided() -> bool:
            nonlocal ended
            ended = self._target.exit_status() is not None
            return ended or holds()

        done = self._sessions.pump(self._bound_s, decided)
        if ended:
            status = self._target.exit_status()
            raise Unexpected(
                f"expected {what}, but the postmaster ended (exit status {status}){self._said()}"
            )
        if not done:
            raise Unexpected(f"expected {what} within {self._bound_s:g} s{self._said()}")

    def await_end(self) -> int:
        """How the postmaster ended."""
        target = self._target
        if not self._sessions.pump(self._bound_s, lambda: target.exit_status() is not None):
            raise Unexpected(
                f"expected that the postmaster ends within {self._bound_s:g} s{self._said()}"
            )
        status = target.exit_status()
        return 0 if status is None else status

    def shutdown(self, mode: str) -> int:
        """Tell the postmaster; its exit status."""
        if self.is_down:
            raise Unexpected("expected that the server runs, but it is down")
        self._target.send(self._target.postmaster(), SIGNALS[mode])
        return self.await_end()

    # processes -----------------------------------------------------------------------------------

    def kill(self, victims: Sequence[Victim]) -> None:
        """SIGKILL to all of them, at one moment if they are several."""
        pids = [pid for victim in victims for pid in self._find(victim)]
        target = self._target
        pids = list(dict.fromkeys(pids))
        if len(pids) > 1:
            for pid in pids:
                target.send(pid, signal.SIGSTOP)
            self._sessions.pump(DEATH_BOUND_S, lambda: all(map(target.has_stopped, pids)))
            if Victim(ALL) in victims:  # the postmaster may have had one more child meanwhile
                pids += [pid for pid in target.processes() if pid not in pids]
        killed = [pid for pid in pids if target.send(pid, signal.SIGKILL)]
        self._has_killed |= victims != (Victim(Role.LOGGER),)
        for ended in [victim for victim, held in self._stopped.items() if {*held} & {*killed}]:
            del self._stopped[ended]
        is_its_end = target.postmaster() in killed

        def are_dead() -> bool:
            noted = not is_its_end or target.exit_status() is not None
            return noted and not any(map(target.is_running, killed))

        if not self._sessions.pump(DEATH_BOUND_S, are_dead):
            raise Unexpected("expected that a killed process dies")

    def kill_orphans(self) -> None:
        """SIGKILL to whatever an earlier postmaster has left alive."""
        target = self._target
        for pid in target.survivors():
            target.send(pid, signal.SIGKILL)
        self._stopped.clear()
        if not self._sessions.pump(DEATH_BOUND_S, lambda: not target.survivors()):
            raise Unexpected("expected that a killed process dies")

    def stop(self, victim: Victim) -> None:
        """SIGSTOP, and wait until it stands."""
        pids = self._find(victim)
        for pid in pids:
            self._target.send(pid, signal.SIGSTOP)
        self._stopped[victim] = pids
        self._sessions.pump(DEATH_BOUND_S, lambda: all(map(self._target.has_stopped, pids)))

    def resume(self, victim: Victim) -> None:
        """SIGCONT to what was stopped so."""
        if victim not in self._stopped:
            raise Unexpected(f"expected that {victim} was stopped, but it was not")
        for pid in self._stopped.pop(victim):
            self._target.send(pid, signal.SIGCONT)

    def resume_all(self) -> None:
        """FAULT-2."""
        for victim in list(self._stopped):
            self.resume(victim)

    def _find(self, victim: Victim) -> list[int]:
        """The processes, waited for if there are none yet."""
        found: list[int] = []

        def there() -> bool:
            found[:] = self._look_for(victim)
            return bool(found)

        if not self._sessions.pump(self._bound_s, there):
            raise Unexpected(f"expected that there is a process {victim}, but there is none")
        return found

    def _look_for(self, victim: Victim) -> list[int]:
        target = self._target
        postmaster = [] if self.is_down else [target.postmaster()]
        children = target.processes()
        if victim.session:
            session = self._sessions.find(victim.session)
            pid = session.backend_pid if session is not None else 0
            return [pid] if pid in children else []
        if victim.role == ALL:
            return [*postmaster, *children]
        if victim.role == CHILDREN:
            return list(children)
        if victim.role == Role.POSTMASTER:
            return postmaster
        return [pid for pid, role in children.items() if role == victim.role]

    # the log -------------------------------------------------------------------------------------

    def look(self, wanted: Sequence[str], unwanted: Sequence[str]) -> None:
        """What was logged since the last look: these must be there, those must not."""
        for pattern in wanted:
            if not self._sessions.pump(LOG_BOUND_S, partial(self._has_line, pattern)):
                raise Unexpected(f"expected a log line that matches {pattern!r}{self._said()}")
        self._read_log()
        for pattern in unwanted:
            line = self._find_line(pattern)
            if line is not None:
                raise Unexpected(f"expected no log line that matches {pattern!r}; came {line!r}")
        self._looked_until = len(self.lines)

    def _has_line(self, pattern: str) -> bool:
        return self._find_line(pattern) is not None

    def _find_line(self, pattern: str) -> str | None:
        self._read_log()
        news = self.lines[self._looked_until :]
        return next((line for line in news if re.search(pattern, line)), None)

    def _read_log(self) -> None:
        self.lines += self._target.log.news()

    def _said(self) -> str:
        """The last lines of the log since the last look, for a message."""
        self._read_log()
        lines = self.lines[self._looked_until :][-LINES_SHOWN:]
        return "; the log says:\n    " + "\n    ".join(lines) if lines else "; the log says nothing"
