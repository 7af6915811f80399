"""Plays a scenario's steps against a target, and says where it came otherwise.

    start                the server is up before the first step
    steps                in order; the first that does not come as expected ends the play
    [[hold]]s            asked of a server that is up, started if need be
    the usual end        fast shutdown with status 0; nothing left behind; every page's checksum
                         right; no PANIC in the log but those that a step has looked for

SCENE-1  Every expectation of a scenario is compared before its verdict is *held*.
SCENE-2  A scenario of which an armed fault was not reached has measured nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chaos.connection import ConnectionLost
from chaos.disk.choice import Choice
from chaos.disk.model import Disk
from chaos.faults.arming import ArmsFaults, UnknownPlace
from chaos.faults.places import ALL
from chaos.faults.power import LosesPower
from chaos.oracle import HarnessBroken, Violation
from chaos.scenario.checksums import bad_checksums
from chaos.scenario.comparing import Heard, Unexpected, compare, show
from chaos.scenario.damage import DamageError, do_damage
from chaos.scenario.server import Server
from chaos.scenario.sessions import Session, Sessions
from chaos.scenario.steps import (
    DRAW,
    END,
    FAILS,
    FAST,
    KEEP_UNSYNCED,
    RECOVERY,
    STRIKE,
    UP,
    Act,
    Arm,
    Await,
    Close,
    Continue,
    CutPower,
    Damage,
    Expected,
    Hold,
    Kill,
    Look,
    Restart,
    Rows,
    Say,
    Scenario,
    Shutdown,
    Start,
    Step,
    Stop,
    Victim,
    Wait,
)
from chaos.seeds import stream
from chaos.targets.api import Target, TargetUnusable
from chaos.verdict import Verdict
from chaos.workloads.api import Answer

CHECK: Final = "scenario"
WAITS_S: Final = 0.2
"""Who has no answer for so long is taken to wait."""
PANIC: Final = re.compile(r"\bPANIC:")
_NAMED: Final = re.compile(r"\$\{(\w+)\}")


@dataclass(slots=True)
class Played:
    """How it went: `steps` that came as expected, of those there are."""

    verdict: Verdict = Verdict.HARNESS_BROKEN
    reason: str = ""
    version: str = ""
    steps: int = 0
    holds: int = 0
    struck: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    checksums: str = "not checked"


class Player:
    """One play of one scenario. The caller destroys the target.

    `steps`, if they are not the scenario's own, may be made while it is played: each is asked for
    when the one before has come as expected, and `heard` is what came of that.
    """

    def __init__(
        self, scenario: Scenario, target: Target, steps: Iterable[Step] | None = None
    ) -> None:
        self.played = Played()
        self.heard: Heard = None
        self._scenario = scenario
        self._steps = scenario.steps if steps is None else steps
        self._target = target
        self._sessions = Sessions(target.waiting(), target.conninfo)
        self._server = Server(target, self._sessions, scenario.bound_s)
        self._saved: dict[str, str] = {}
        self._armed: dict[int, Arm] = {}
        self._looked_for: list[str] = []
        self._losses = 0

    def play(self) -> Played:
        """Play it; HarnessBroken and TargetUnusable are the caller's to report."""
        played = self.played
        if self._scenario.arms and not isinstance(self._target, ArmsFaults):
            raise TargetUnusable(
                f"the scenario {self._scenario.name!r} has faults by place: "
                "this target, on this schedule, cannot take them"
            )
        if self._scenario.loses_power and not isinstance(self._target, LosesPower):
            raise TargetUnusable(
                f"the scenario {self._scenario.name!r} cuts the power: "
                "this target, on this schedule, has no disk for that"
            )
        try:
            self._begin()
            for step in self._steps:
                self._during(str(step), step)
                played.steps += 1
            self._finish()
        except _Failed as failed:
            played.violations.append(Violation(CHECK, str(failed), kind=failed.kind))
        finally:
            self._server.resume_all()
            self._sessions.forget_all()
            self._book_strikes()
        self._conclude()
        return played

    def _begin(self) -> None:
        self._target.create()
        self.played.version = self._target.version()
        try:
            self._server.launch()
            self._server.await_up()
        except Unexpected as unexpected:
            raise TargetUnusable(f"the target does not start: {unexpected}") from unexpected

    def _during(self, name: str, step: Step) -> None:
        try:
            self._do(step.act)
            wanted = [self._filled(pattern, re.escape) for pattern in step.log]
            self._looked_for += wanted
            if step.log or step.no_log:
                unwanted = [self._filled(pattern, re.escape) for pattern in step.no_log]
                self._server.look(wanted, unwanted)
        except Unexpected as unexpected:
            told = f"{name}: {unexpected}{self._still_armed()}"
            raise _Failed(told, f"step {step.number}") from unexpected

    def _still_armed(self) -> str:
        left = [
            str(arm.fault) for number, arm in self._armed.items() if not self._has_struck(number)
        ]
        return f" (armed and not reached: {', '.join(left)})" if left else ""

    # steps ---------------------------------------------------------------------------------------

    def _do(self, act: Act) -> None:
        server = self._server
        match act:
            case Say():
                self._say(act)
            case Close(session):
                self._sessions.forget(session)
            case Arm():
                self._arm(act)
            case Kill(victims):
                server.kill(victims)
            case Stop(victim):
                server.stop(victim)
            case Continue(victim):
                server.resume(victim)
            case Start(until):
                self._start(until)
            case Shutdown(mode, status):
                self._shutdown(mode, status)
            case Restart(mode):
                self._shutdown(mode, 0)
                self._start(UP)
            case Await(what):
                self._await(what)
            case Wait(milliseconds):
                self._sessions.pump(milliseconds / 1000, lambda: False)
            case Damage() | CutPower():
                self._change_disk(act)
            case Look():
                pass

    def _start(self, until: str) -> None:
        self._server.launch()
        if until == UP:
            self._server.await_up()
        elif until == FAILS and self._server.await_end() == 0:
            raise Unexpected("expected that the postmaster fails, but it ended with exit status 0")

    def _shutdown(self, mode: str, wanted: int) -> None:
        status = self._server.shutdown(mode)
        if status != wanted:
            raise Unexpected(f"expected exit status {wanted}, came {status}")

    def _change_disk(self, act: Damage | CutPower) -> None:
        if isinstance(act, CutPower):
            self._cut_power(act.kept)
        else:
            self._damage(act.how)

    def _cut_power(self, kept: str) -> None:
        """Whoever lives dies at one step, orphans of a dead postmaster too."""
        target = self._target
        if not isinstance(target, LosesPower):
            raise TargetUnusable(f"{target.name} cannot lose its power")
        if self._server.is_down:
            self._server.kill_orphans()
        else:
            self._server.kill((Victim(ALL),))
        chance = stream(self._scenario.seed, "disk", self._losses)
        self._losses += 1

        def choose(disk: Disk) -> Choice:
            if kept == DRAW:
                return disk.draw(chance)
            return disk.all_kept() if kept == KEEP_UNSYNCED else disk.all_lost()

        target.cut_power(choose)

    def _await(self, what: str) -> None:
        if what == RECOVERY:
            self._server.await_up()
        elif what == END:
            self._server.await_end()
        elif what == STRIKE and not self._sessions.pump(
            self._scenario.bound_s, lambda: all(map(self._has_struck, self._armed))
        ):
            raise Unexpected("expected that what is armed strikes")

    def _damage(self, how: dict[str, Any]) -> None:
        if not self._server.is_down:
            raise HarnessBroken("damage is for a server that is down: shut it down, or kill it")
        self._server.await_empty()
        if "file" in how:
            how = how | {"file": self._filled(how["file"])}
        scenario = self._scenario
        try:
            do_damage(how, self._target.data_directory, scenario.wal_segment_mb, scenario.seed)
        except DamageError as error:
            raise HarnessBroken(f"the damage cannot be done: {error}") from error
        if isinstance(self._target, LosesPower):
            self._target.disk_changed_by_hand()

    # faults by place -----------------------------------------------------------------------------

    def _arm(self, arm: Arm) -> None:
        target, place = self._target, arm.fault.place
        pid = 0
        if place.session:
            session = self._sessions.find(place.session)
            pid = session.backend_pid if session is not None else 0
            if not pid:
                raise Unexpected(f"expected that session {place.session} is open, but it is not")
        if isinstance(target, ArmsFaults):
            try:
                self._armed[target.arm(arm.fault, pid)] = arm
            except UnknownPlace as error:
                raise HarnessBroken(str(error)) from error

    def _has_struck(self, number: int) -> bool:
        return isinstance(self._target, ArmsFaults) and self._target.has_struck(number)

    def _book_strikes(self) -> None:
        for number, arm in self._armed.items():
            booked = self.played.struck if self._has_struck(number) else self.played.missed
            booked.append(str(arm.fault))

    # sessions ------------------------------------------------------------------------------------

    def _say(self, say: Say) -> None:
        expected = self._filled_expectation(say.expected)
        session = self._session(say, expected)
        if session.lost is None and say.sql is not None:
            if session.is_pending:
                raise Unexpected(f"session {say.session} still waits: its `finishes` comes first")
            session.ask(self._filled(say.sql))
        came = self.heard = self._hear(session, expected)
        if isinstance(came, ConnectionLost):
            self._sessions.forget(say.session)
        compare(expected, came)
        if say.save is not None and isinstance(came, Answer):
            if not came.rows or came.rows[0][0] is None:
                raise Unexpected(f"expected a value to be saved as {say.save}, came {show(came)}")
            self._saved[say.save] = came.rows[0][0]

    def _session(self, say: Say, expected: Expected) -> Session:
        """The session; a new one if there is none, or if it must be refused."""
        session = self._sessions.find(say.session)
        if session is not None and not expected.is_refused:
            return session
        if say.sql is None and not expected.is_refused:
            raise Unexpected(f"expected that session {say.session} is open, but it is not")
        self._sessions.forget(say.session)
        session = self._sessions.open(say.session, self._scenario.bound_s)
        if session is None:
            raise Unexpected(f"expected {expected}, but connecting takes too long")
        if session.lost is None and expected.is_refused:
            raise Unexpected(f"expected {expected}, but it was accepted")
        if session.lost is not None and not expected.is_refused:
            self._sessions.forget(say.session)
            raise Unexpected(f"expected {expected}, but the connection was refused: {session.lost}")
        return session

    def _hear(self, session: Session, expected: Expected) -> Heard:
        """What came of what was sent; or the end of the connection."""
        bound = WAITS_S if expected.is_waiting else self._scenario.bound_s
        self._sessions.pump(bound, lambda: bool(session.lost or session.answer))
        came: Heard = session.lost or session.answer
        session.answer = None
        return came

    def _filled(self, text: str, quoted: Callable[[str], str] = str) -> str:
        """The text with what was saved in the place of its name."""

        def saved(found: re.Match[str]) -> str:
            if found[1] not in self._saved:
                raise HarnessBroken(f"nothing was saved as {found[1]}, which {text!r} asks for")
            return quoted(self._saved[found[1]])

        return _NAMED.sub(saved, text)

    def _filled_rows(self, rows: Rows) -> Rows:
        return tuple(tuple(map(self._filled, row)) for row in rows)

    def _filled_expectation(self, expected: Expected) -> Expected:
        rows, message = expected.rows, expected.message
        return replace(
            expected,
            rows=None if rows is None else self._filled_rows(rows),
            message=None if message is None else self._filled(message, re.escape),
        )

    # the end -------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """The holds, and what holds of every scenario."""
        if isinstance(self._target, ArmsFaults):
            for armed in self._armed:
                self._target.disarm(armed)
        self._server.resume_all()
        try:
            self._server.settle()
            for number, hold in enumerate(self._scenario.holds, 1):
                self._hold(hold, f"[[hold]] {number} ({' '.join(hold.sql.split())})")
                self.played.holds += 1
            self._sessions.forget_all()
            self._shutdown(FAST, 0)
        except Unexpected as unexpected:
            raise _Failed(f"at the end: {unexpected}", "end") from unexpected
        for problem in self._left_wrong():
            self.played.violations.append(Violation(CHECK, f"at the end: {problem}", kind="end"))

    def _hold(self, hold: Hold, name: str) -> None:
        expected = Expected(rows=self._filled_rows(hold.rows))
        try:
            self._say(Say("hold", hold.sql, expected))
        except Unexpected as unexpected:
            raise _Failed(f"{name}: {unexpected}", "hold") from unexpected

    def _left_wrong(self) -> list[str]:
        """What a stopped server may not leave."""
        found = [f"left behind: {left}" for left in self._target.leftovers()]
        bad = bad_checksums(self._target.data_directory)
        if bad is not None:
            self.played.checksums = "wrong" if bad else "right"
            found += [f"a page's checksum is wrong: {line}" for line in bad]
        return found + [
            f"no step has looked for {line!r}"
            for line in self._server.lines
            if PANIC.search(line) and not any(re.search(it, line) for it in self._looked_for)
        ]

    def _conclude(self) -> None:
        """SCENE-1, SCENE-2."""
        played = self.played
        if played.violations:
            played.verdict = Verdict.VIOLATED
            played.reason = played.violations[0].message
        elif played.missed:
            played.verdict = Verdict.NOT_MEASURED
            played.reason = f"never reached: {', '.join(played.missed)}"
        else:
            played.verdict = Verdict.HELD


def hung(played: Played, how: str) -> None:
    """The target came to a standstill: that is what it did wrong."""
    message = f"after step {played.steps}: {how}"
    played.violations.append(Violation(CHECK, message, kind="hung"))
    played.verdict = Verdict.VIOLATED
    played.reason = how


class _Failed(Exception):
    """An expectation that did not come true: the message, and what kind of violation it is."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind
