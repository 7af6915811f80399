"""Watches what a server does after a strike until it answers again, starts it where that is our
task, and writes down what was seen. It judges nothing: a checker does.

The server is back when a query was answered by a process of the new incarnation:

- after a crash restart, no process from before the strike runs (but the postmaster and the
  logger), the four auxiliary processes are there anew, and the process that answered is among the
  children;
- after the logger alone was killed, there is another logger;
- after a stop, nothing more is asked;
- after an error of the disk, that a crash restart is over if one has begun.

REACT-1  A postmaster is started only when none of the old one's children runs; where the plan
         wants to see the interlock, one start is tried before that, and must be refused.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, field
from typing import Any, Final

from chaos.driver import Driver
from chaos.faults.catalogue import LEAVES_OTHERS_ALONE
from chaos.faults.striking import Strike
from chaos.probe import Probe
from chaos.targets.api import Target
from chaos.targets.log import Replay, differences_in, marks_in
from chaos.targets.processes import Role

TICK_S: Final = 0.001
ORPHANS_BOUND_S: Final = 10.0
GRACE_S: Final = 8.0
"""A server that answers this long without having done what is expected will not do it."""
REFUSAL_BOUND_S: Final = 10.0
STARTS_BOUND: Final = 3
"""A server that ended so often will not come up."""
LOG_BOUND_S: Final = 5.0

AUXILIARY: Final = (Role.CHECKPOINTER, Role.BGWRITER, Role.WALWRITER, Role.LOGGER)
DEATH: Final = re.compile(r"PANIC: |was terminated by signal|exited with exit code")
CRASH: Final = re.compile(r"terminating any other active server")
"""Log lines that tell of the death of a process, and of what it leads to."""

TROUBLE: Final = re.compile(
    r"Input/output error|No space left on device|could not fsync|wrote (only )?\d+ of"
    r"|read (only )?\d+ of|too few bytes|could not access status of transaction"
    r"|page verification failed|invalid page in block|incorrect checksum in control file"
    r"|could not locate a valid checkpoint record|checkpoint request failed"
)
"""Log lines that tell of a disk that does not do what it should."""

LAST_WORDS: Final = re.compile(r"(?:PANIC|FATAL):  (?!the database system is )|terminated by")
PROCESS_ENDED: Final = re.compile(r"\(PID (\d+)\) (?:was terminated by|exited with)")

CONCLUSIVE: Final = frozenset({"redo_done", "redo_not_required"})


@dataclass(slots=True)
class Reaction:
    """What was seen after one strike. Times are seconds; roles are told by name."""

    name: str
    recovered: bool = False
    recovery_s: float | None = None
    postmaster_exits: list[int] = field(default_factory=list)
    launches: int = 0
    replaced: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    backends_kept: int = 0
    orphans_gone_s: float | None = None
    orphans_left: list[str] = field(default_factory=list)
    refused_while_orphans: bool | None = None
    marks: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    replay: Replay | None = None
    last_words: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def in_a_word(self) -> str:
        """What the server did, for a table."""
        if not self.recovered:
            return "did not come back"
        if "gave_up" in self.marks:
            return "gave up"
        if self.launches:
            return "started anew"
        if "crash_restart" in self.marks:
            return "crash restart"
        return "replaced alone" if self.replaced else "nothing"

    def to_object(self) -> dict[str, Any]:
        """For the history."""
        shown: dict[str, Any] = {name: getattr(self, name) for name in Reaction.__slots__}
        replay = self.replay
        shown["replay"] = (
            None
            if replay is None
            else {"records": replay.records, "bytes": replay.bytes, "seconds": replay.seconds}
        )
        return shown


class Watch:
    """Follows one target through its reactions."""

    def __init__(self, target: Target, driver: Driver, bound_s: float) -> None:
        self._target = target
        self._driver = driver
        self._waiting = driver.waiting
        self._bound_s = bound_s
        self.lines: list[str] = []
        self.launches = 0
        self.exits: list[int] = []
        self._losses_seen = 0
        self._victims: set[int] = set()

    def calm(self) -> list[str]:
        """What went wrong since the last reaction, while nothing was done to the server.

        Forgets what was logged until now: what comes after belongs to the next strike.
        """
        self.read_log()
        problems = [line for line in self.lines if self._is_of_its_own(line)]
        losses = self._driver.losses[self._losses_seen :]
        problems += sorted({f"a client lost its connection: {loss}" for loss in losses})
        if (status := self._target.exit_status()) is not None:
            problems.append(f"the postmaster ended (exit status {status})")
        self.forget()
        return problems

    def _is_of_its_own(self, line: str) -> bool:
        """Whether a log line tells of a crash that we did not make, or of a disk that fails."""
        told = CRASH.search(line) or TROUBLE.search(line)
        return self._is_death_of_its_own(line) or told is not None

    def _is_death_of_its_own(self, line: str) -> bool:
        """Whether a log line tells of a process that died without us (some lines come late)."""
        about = PROCESS_ENDED.search(line)
        ours = about is not None and int(about[1]) in self._victims
        return not ours and DEATH.search(line) is not None

    def forget(self) -> None:
        """Begin anew with what is logged, lost and ended."""
        self._losses_seen = len(self._driver.losses)
        self.lines.clear()
        self.exits.clear()
        self.launches = 0

    def read_log(self) -> None:
        """Take in what the server has logged since."""
        self.lines += self._target.log.news()

    def until_back(self, strike: Strike, begun: Reaction | None = None) -> Reaction:
        """Watch until the server is back, or the bound is reached."""
        reaction = begun or Reaction(strike.name)
        probe = Probe(self._target.conninfo, self._waiting)
        deadline = self._waiting.now_s() + self._bound_s
        answered_since, starts = 0.0, 0
        try:
            while self._waiting.now_s() < deadline:
                self._driver.pump(TICK_S)
                if self._target.exit_status() is not None:
                    starts += 1
                    if starts > STARTS_BOUND:
                        self.exits.append(self._target.exit_status() or 0)
                        break
                    self.restart(strike, reaction)
                    probe.close()
                    probe = Probe(self._target.conninfo, self._waiting)
                    answered_since = 0.0
                    continue
                probe.step()
                if not probe.answered_at:
                    answered_since = 0.0
                    continue
                answered_since = answered_since or self._waiting.now_s()
                patience = self._waiting.now_s() - answered_since < GRACE_S
                if not patience or self._is_settled(strike, probe):
                    reaction.recovered = True
                    reaction.recovery_s = round(probe.answered_at - strike.at, 4)
                    break
        finally:
            reaction.refusals = list(dict.fromkeys([*reaction.refusals, *probe.refusals]))
            probe.close()
        self._conclude(strike, reaction)
        return reaction

    # the postmaster is gone ----------------------------------------------------------------------

    def restart(self, strike: Strike, reaction: Reaction) -> None:
        """REACT-1: note how it ended, wait for its children to leave, start it again."""
        status = self._target.exit_status()
        self.exits.append(status if status is not None else 0)
        began = self._waiting.now_s()
        if strike.held:
            reaction.refused_while_orphans = self._try_in_vain(strike, began)
            for pid in strike.held:
                self._target.send(pid, signal.SIGCONT)
            strike.held.clear()
            strike.at = began = self._waiting.now_s()
        left = self.wait_for_orphans(began)
        reaction.orphans_gone_s = round(self._waiting.now_s() - began, 4)
        reaction.orphans_left += [self._target.title_of(pid) or str(pid) for pid in left]
        for pid in left:
            self._target.send(pid, signal.SIGKILL)
        self._target.crash_image()
        self._target.launch()
        self.launches += 1

    def wait_for_orphans(self, began: float, but: list[int] | None = None) -> list[int]:
        """Wait for the old children to leave by themselves; those still there at the bound."""
        while True:
            left = [pid for pid in self._target.survivors() if pid not in (but or [])]
            if not left or self._waiting.now_s() - began > ORPHANS_BOUND_S:
                return left
            self._driver.pump(TICK_S)

    def _try_in_vain(self, strike: Strike, began: float) -> bool:
        """Start while a child of the old postmaster lives: whether that was refused, as it must
        be.
        """
        loggers = [pid for pid, role in strike.before.items() if role is Role.LOGGER]
        but = [*strike.held, *loggers]  # a logger stays while anybody could have something to log
        self.wait_for_orphans(began, but)
        pid = self._target.launch()
        deadline = self._waiting.now_s() + REFUSAL_BOUND_S
        probe = Probe(self._target.conninfo, self._waiting)
        try:
            while self._waiting.now_s() < deadline and not probe.answered_at:
                if (status := self._target.exit_status()) is not None:
                    return status != 0
                self._driver.pump(TICK_S)
                probe.step()
        finally:
            probe.close()
        for process in [pid, *self._target.processes()]:
            self._target.send(process, signal.SIGKILL)
        self.wait_for_orphans(self._waiting.now_s(), but)
        return False

    # what has become of it -----------------------------------------------------------------------

    def _is_settled(self, strike: Strike, probe: Probe) -> bool:
        """See the head of this file."""
        children = self._target.processes()
        if probe.backend_pid not in children:
            return False
        if strike.name.startswith("stop:") and strike.name != "stop:startup":
            return True
        if strike.disk and not strike.kills and not self._is_crashing():
            return True
        wanted = [role for role in AUXILIARY if role in strike.before.values()]
        if any(role not in children.values() for role in wanted):
            return False
        before = {pid for pid, role in strike.before.items() if role is not Role.LOGGER}
        if strike.name in LEAVES_OTHERS_ALONE:
            return not any(self._target.is_running(pid) for pid in strike.victims)
        return not any(self._target.is_running(pid) for pid in sorted(before))

    def _is_crashing(self) -> bool:
        """Whether the server has begun a crash restart by itself, or was started again."""
        self.read_log()
        told = any("PANIC:" in line or CRASH.search(line) for line in self.lines)
        return bool(self.launches) or told

    def _conclude(self, strike: Strike, reaction: Reaction) -> None:
        if strike.kills:
            self._victims.update(strike.victims)
        after = self._target.processes()
        for role in AUXILIARY:
            then = [pid for pid, its in strike.before.items() if its is role]
            now = [pid for pid, its in after.items() if its is role]
            if now or then:
                outcome = reaction.kept if now == then else reaction.replaced
                (outcome if now else reaction.missing).append(str(role))
        backends = (pid for pid, role in strike.before.items() if role is Role.BACKEND)
        reaction.backends_kept = sum(pid in after for pid in backends)
        self._read_conclusive_log(reaction)
        reaction.launches = self.launches
        reaction.postmaster_exits = list(self.exits)
        lines = list(self.lines)
        reaction.marks = marks_in(lines)
        reaction.crashes = [line for line in lines if self._is_death_of_its_own(line)]
        reaction.reports = [line for line in lines if TROUBLE.search(line)]
        reaction.differences = differences_in(lines)
        if not reaction.recovered:
            reaction.last_words = [line for line in lines if LAST_WORDS.search(line)][-2:]
        losses = self._driver.losses[strike.losses_before :]
        reaction.lost = sorted(
            {loss.sqlstate or loss.message for loss in losses if loss.established}
        )
        reaction.refusals += sorted(
            {loss.message for loss in losses if not loss.established} - set(reaction.refusals)
        )
        self.forget()
        if reaction.recovered:
            self._target.remember_shared_memory()
            reaction.replay = self._target.replayed(lines)

    def _read_conclusive_log(self, reaction: Reaction) -> None:
        """The logger may be a little behind; if there was a restart, its end will be in the log."""
        deadline = self._waiting.now_s() + LOG_BOUND_S
        expected = reaction.recovered and "checkpointer" in reaction.replaced
        while True:
            self.read_log()
            marks = marks_in(self.lines)
            if not expected or ("ready" in marks and CONCLUSIVE & set(marks)):
                return
            if self._waiting.now_s() > deadline:
                return
            self._driver.pump(TICK_S)
