"""One run: create, break and recover as the plan says, let it live, stop it, look what is left.

    safety     for each cycle: load, (stop), strike, recovery, a little load, quiet, audit, verdict
    liveness   load without faults; the server must answer everything within the bound
    end        fast shutdown; nothing may be left behind

The checkers hear the history after each audit, so a violation ends the run where it is found, with
the data directory as it is then.

RUN-1  A run that struck nothing, or in which nothing was acknowledged, has measured nothing.
RUN-2  Whatever happens, nothing of the run is left: no process, no file but the bundle.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Final

from chaos.driver import ClientState, Driver
from chaos.faults.arming import ArmsFaults
from chaos.faults.catalogue import LEAVES_OTHERS_ALONE
from chaos.faults.disk.licence import OUT_OF_CONTRACT
from chaos.faults.disk.looking import Looker
from chaos.faults.doing import Deeds
from chaos.faults.places import parse_fault
from chaos.faults.striking import Strike
from chaos.history import CONTROL, Event, History
from chaos.inspection import Database, Inspector
from chaos.oracle import HarnessBroken, Judge, Suite, Violation, files_note
from chaos.outcome import CycleReport, Outcome
from chaos.plan import Cycle, Plan, Where
from chaos.reaction import Reaction, Watch
from chaos.report.observer import Observer
from chaos.scheduler.world import Hung
from chaos.seeds import stream
from chaos.suffix import is_asynchronous, lost_suffixes
from chaos.targets.api import NOT_PATCHED, HasKnownFiles, Target, TargetUnusable
from chaos.verdict import Verdict
from chaos.workloads.api import Operation, checkpoint
from chaos.workloads.catalogue import WORKLOADS

START_BOUND_S: Final = 60.0
STOP_BOUND_S: Final = 30.0
LOST_SHOWN: Final = 5


class Ended(Exception):
    """The run cannot go on: the reason is among the violations."""


class Run:
    """One run of one plan against one target. The caller destroys the target."""

    def __init__(
        self,
        plan: Plan,
        target: Target,
        suite: Suite,
        observer: Observer,
        inspector: Inspector | None = None,
    ) -> None:
        self.plan = plan
        self.target = target
        self._waiting = target.waiting()
        self.history = History(self._waiting.now_s)
        self.outcome = Outcome(plan)
        self._judge = Judge(suite)
        self._observer = observer
        self._inspector = inspector
        self._workload = WORKLOADS[plan.workload](plan.mix)
        chance = stream(plan.seed, "workload", "operations")
        self.driver = Driver(
            self.history, self._workload, plan.clients, target.conninfo, chance, self._waiting
        )
        self.driver.accepting = False
        self._control = self.driver.add_client(CONTROL)
        self._watch = Watch(target, self.driver, plan.bound_s)
        looker = Looker(
            target,
            self.driver,
            self._control,
            self._workload.audit,
            is_asynchronous=is_asynchronous(plan.settings),
        )
        self._deeds = Deeds(
            target, self.driver, self._watch, self._glance, self._begin_checkpoint, looker
        )
        self._armed: list[int] = []

    def execute(self) -> Outcome:
        """Run it; HarnessBroken and TargetUnusable are the caller's to report."""
        began = self._waiting.now_s()
        outcome = self.outcome
        try:
            self._create()
            for cycle in self.plan.cycles:
                self._cycle(cycle)
            self._live()
            self._end()
            outcome.is_complete = True
        except Ended:
            pass
        except Hung as hung:
            self._judge.violations.append(Violation("liveness", str(hung), {}, "hung"))
        finally:
            self.driver.close()
            if self.plan.mutant is not None and self._judge.violations:
                self._let_all_speak()
            outcome.operations = self.driver.tally.ended
            outcome.acknowledged = self.driver.tally.acknowledged
            outcome.violations = self._judge.violations
            outcome.losses = self._deeds.power.losses
            outcome.lost = lost_suffixes(self.history.events)
            outcome.seconds = self._waiting.now_s() - began
        self._conclude()
        return outcome

    # beginning -----------------------------------------------------------------------------------

    def _create(self) -> None:
        self._observer.phase("creating the target")
        self.target.create()
        self.history.begin()
        self.outcome.version = self.target.version()
        self.target.launch()
        began = self._waiting.now_s()
        while not self.driver.pump(0.005, lambda: self._control.state is ClientState.FREE):
            self._watch.read_log()
            waited_s = self._waiting.now_s() - began
            if self.target.exit_status() == NOT_PATCHED:
                self._watch.read_log()
                last = (self._watch.lines or ["no reason"])[-1]
                raise HarnessBroken(f"the target was not patched: {last}")
            if self.target.exit_status() is not None or waited_s > START_BOUND_S:
                said = "; ".join(line for line in self._watch.lines if "FATAL" in line or "PANIC" in
                                 line or "ERROR" in line or "error" in line)  # fmt: skip
                said = said or "; ".join(self._watch.lines[-LOST_SHOWN:])
                raise TargetUnusable(
                    f"the {self.plan.target} does not start: {said or 'no reason'}"
                )
        self.target.remember_shared_memory()
        facts = self._workload.facts() | {"workload": self.plan.workload}
        facts |= {"settings": self.plan.settings, "bound_s": self.plan.bound_s}
        facts |= {"profile": self.plan.profile}
        self.history.note("begin", facts)
        for operation in self._workload.setup():
            event = self.driver.do(self._control, operation, START_BOUND_S)
            if event is None or event.type != "ok":
                self._hear()
                self._note_calm()
                why = "no answer" if event is None else event.error
                raise HarnessBroken(f"the workload's tables could not be created: {why}")
        if self.plan.profile is not None or is_asynchronous(self.plan.settings):
            # the tables are no part of what may be lost, and their pages are changed from now on
            self._do_alone(checkpoint())
        self.driver.accepting = True
        self._watch.forget()

    # a cycle -------------------------------------------------------------------------------------

    def _cycle(self, cycle: Cycle) -> None:
        fault = cycle.fault
        report = CycleReport(
            cycle.number, fault.name, str(fault.where), fault.placed, fault.occasion
        )
        began = self._waiting.now_s()
        ended_before = Counter(self.driver.tally.ended)
        try:
            self._break_and_mend(cycle, report)
        finally:
            report.ended = self.driver.tally.ended - ended_before
            report.seconds = self._waiting.now_s() - began
            if report.strike is not None:
                self.outcome.cycles.append(report)
                self._observer.cycle(report, self.plan)
        self._hear()
        upkeep = self._workload.upkeep()
        if upkeep is not None:
            self._do_alone(upkeep)

    def _break_and_mend(self, cycle: Cycle, report: CycleReport) -> None:
        """Load, fault, recovery, load, audit; `report` learns of each part as it happens."""
        self._observer.phase(f"cycle {cycle.number}: load")
        reached = self._counter()
        self._disturb(cycle)
        if cycle.stop is not None:
            self._go_to(cycle.stop.where, reached)
            self._note_calm()
            report.stop = self._deeds.stop(cycle.stop)
            self._book(report.stop, cycle)
            self._react(report.stop, cycle)
        self._go_to(cycle.fault.where, reached)
        self._observer.phase(f"cycle {cycle.number}: {cycle.fault.name}")
        self._note_calm()
        if cycle.checkpoint_us is not None and not cycle.fault.placed:
            self._begin_checkpoint()
            self.driver.pump_exactly(cycle.checkpoint_us / 1e6)
        self._strike(cycle, report)
        self._observer.phase(f"cycle {cycle.number}: settling")
        self._load(cycle.settle)
        self._audit()

    def _begin_checkpoint(self) -> None:
        """Ask for one, if the controller's own connection is free."""
        if self._control.state is ClientState.FREE:
            self.driver.begin(self._control, checkpoint())

    def _strike(self, cycle: Cycle, report: CycleReport) -> None:
        fault = cycle.fault
        crashes = fault.name not in LEAVES_OTHERS_ALONE
        crashes = crashes and (not fault.name.startswith("stop:") or bool(fault.crash_by))
        self.driver.gate_open = not crashes
        strike, begun = self._deeds.do(cycle)
        report.strike = strike
        self._book(strike, cycle)
        if strike.kills or strike.struck:
            self._react(strike, cycle, begun, report)
        self.driver.gate_open = True

    def _disturb(self, cycle: Cycle) -> None:
        """Arm what nobody may notice, in place of what is left of that of the cycle before."""
        if isinstance(self.target, ArmsFaults):
            for number in self._armed:
                self.target.disarm(number)
            self._armed = [self.target.arm(parse_fault(text)) for text in cycle.disturbances]

    def _note_calm(self) -> None:
        """Nothing may go wrong by itself."""
        problems = self._watch.calm()
        if problems:
            self.history.note("calm", {"problems": problems})
            self._hear()

    def _book(self, strike: Strike, cycle: Cycle) -> None:
        self.outcome.kills += strike.kills
        if strike.name.startswith("stop:") and strike.struck:
            self.outcome.stops[strike.name.removeprefix("stop:")] += 1
        if strike.struck:
            self.outcome.struck += 1
        if strike.missed:
            self.outcome.missed.append(f"cycle {cycle.number}: {strike.name}: {strike.missed}")

    def _react(
        self,
        strike: Strike,
        cycle: Cycle,
        begun: Reaction | None = None,
        report: CycleReport | None = None,
    ) -> None:
        self._observer.phase(f"cycle {cycle.number}: recovery")
        reaction = self._watch.until_back(strike, begun)
        if report is not None:
            report.reaction = reaction
        value = {"cycle": cycle.number, "strike": strike.to_object()}
        self.history.note("reaction", value | {"reaction": reaction.to_object()})
        if reaction.recovery_s is not None and (strike.kills or reaction.replay is not None):
            self.outcome.recoveries_s.append(reaction.recovery_s)
            if reaction.replay is not None:
                self.outcome.replays.append(reaction.replay)
        self._note_casualties(reaction)
        self._hear()
        if not reaction.recovered:
            raise Ended

    def _note_casualties(self, reaction: Reaction) -> None:
        """Who died where, for the table of `chaos coverage`."""
        if isinstance(self.target, ArmsFaults):
            known = len(self.outcome.strikes)
            for one in self.target.casualties(known):
                by = "place" if one.by_place else "hand"
                told = {"role": one.role, "call": one.call, "by": by}
                self.outcome.strikes.append(told | {"reaction": reaction.in_a_word()})

    def _counter(self) -> dict[str, float]:
        tally = self.driver.tally
        return {
            "started": tally.started,
            "commits": tally.commits,
            "statements": tally.statements,
            "acknowledged": tally.acknowledged,
            "time": self._waiting.now_s(),
        }

    def _go_to(self, where: Where, since: dict[str, float]) -> None:
        """Let the clients work until the place is reached; a server that hangs is no reason to
        wait.
        """
        began = self._waiting.now_s()
        if where.counter == "time_ms":
            self.driver.pump(since["time"] + where.count / 1000 - began)
        else:
            tally, goal = self.driver.tally, since[where.counter] + where.count
            arrived = self.driver.pump(
                self.plan.bound_s, lambda: getattr(tally, where.counter) >= goal
            )
            if not arrived:
                self._check_progress(self._waiting.now_s() - began)
        if where.delay_us:
            self.driver.pump_exactly(where.delay_us / 1e6)

    def _load(self, operations: int) -> None:
        """Let so many more operations begin."""
        began, tally = self._waiting.now_s(), self.driver.tally
        goal = tally.started + operations
        if not self.driver.pump(self.plan.bound_s, lambda: tally.started >= goal):
            self._check_progress(self._waiting.now_s() - began)

    def _check_progress(self, seconds: float) -> None:
        """The place was not reached within the bound: note it, for the checker of liveness."""
        self.target.exit_status()  # raises when it is the launcher that is gone
        oldest = self.driver.oldest_operation_s()
        stalled = {"seconds": round(seconds, 3), "oldest_operation_s": round(oldest, 3)}
        self.history.note("stalled", stalled | {"bound_s": self.plan.bound_s})
        self._hear()
        if self._judge.violations:
            raise Ended

    # audits --------------------------------------------------------------------------------------

    def _audit(self) -> None:
        """Quiet, then one snapshot of everything."""
        if not self.driver.drain(self.plan.bound_s):
            self._check_progress(self.plan.bound_s)
            raise Ended
        self._do_alone(self._workload.audit())
        if self._inspector is not None:
            database = Database(self._look, self.plan, self.target.data_directory)
            for violation in self._inspector(database, self.history):
                self._judge.violations.append(violation)
                self._observer.violation(violation)

    def _look(self, operation: Operation) -> Event:
        """How an operation ended that an inspector wanted done."""
        ending = self._how_alone(operation)
        if ending not in ("ok", "fail"):
            self._hear()
            self._note_calm()
            raise HarnessBroken(f"{operation.value!r} without any fault ended in {ending}")
        return self.history.events[-1]

    def _glance(self, seconds: float) -> bool:
        """Whether the controller can read the workload's tables within so long."""
        if self._control.state is not ClientState.FREE:
            return True
        return self.driver.do(self._control, self._workload.glance(), seconds) is not None

    def _do_alone(self, operation: Operation) -> None:
        """One operation of the controller's own while no client is at work; it must succeed."""
        ending = self._how_alone(operation)
        if ending != "ok":
            self._hear()
            self._note_calm()
            raise HarnessBroken(f"{operation.f} without any fault ended in {ending}")

    def _how_alone(self, operation: Operation) -> str:
        """How the operation ended."""
        driver, control = self.driver, self._control
        driver.accepting = False
        try:
            if not driver.pump(self.plan.bound_s, lambda: control.state is ClientState.FREE):
                self._check_progress(self.plan.bound_s)
                return "no connection"
            event = driver.do(control, operation, self.plan.bound_s)
            if event is None:
                self._check_progress(self.plan.bound_s)
                driver.abandon(control)
                return "no answer"
            return event.type
        finally:
            driver.accepting = True

    def _hear(self) -> None:
        """Let the checkers judge what is new; the first violation ends the run."""
        for violation in self._judge.hear(self.history.events):
            self._observer.violation(violation)
        if self._judge.violations:
            raise Ended

    def _let_all_speak(self) -> None:
        """Of a planted bug it is to be learned who sees it: also the checkers that judge when the
        history is complete, and the files, if the server still stops in order.
        """
        if self.target.postmaster() and self.target.exit_status() is None:
            with contextlib.suppress(Hung):
                self._look_at_files(self.target.stop(STOP_BOUND_S))
        for violation in [*self._judge.hear(self.history.events), *self._judge.close()]:
            self._observer.violation(violation)

    # the end -------------------------------------------------------------------------------------

    def _live(self) -> None:
        """The liveness phase: no faults, everything must go through."""
        self._observer.phase("liveness")
        tally, began = self.driver.tally, self._waiting.now_s()
        before = tally.acknowledged
        self._load(self.plan.liveness_operations)
        self._audit()
        self._note_calm()
        self.history.note(
            "liveness",
            {
                "operations": self.plan.liveness_operations,
                "acknowledged": tally.acknowledged - before,
                "seconds": round(self._waiting.now_s() - began, 3),
                "bound_s": self.plan.bound_s,
            },
        )
        self._hear()

    def _end(self) -> None:
        self._observer.phase("shutdown")
        self.driver.accepting = self.driver.gate_open = False
        began = self._waiting.now_s()
        status = self.target.stop(STOP_BOUND_S)
        self.driver.pump(0.01)
        self.history.note(
            "shutdown",
            {
                "exit_status": status,
                "seconds": round(self._waiting.now_s() - began, 3),
                "bound_s": STOP_BOUND_S,
                "leftovers": self.target.leftovers(),
            },
        )
        self.driver.close()
        self._look_at_files(status)
        for violation in [*self._judge.hear(self.history.events), *self._judge.close()]:
            self._observer.violation(violation)

    def _look_at_files(self, status: int | None) -> None:
        """After a shutdown in order; what another one leaves is the next recovery's to mend."""
        if status == 0 and isinstance(self.target, HasKnownFiles):
            self._observer.phase("looking at the files")
            found = files_note(self.target.invariants, self.target.data_directory)
            self.history.note("files", found)

    def _beyond_contract(self) -> str:
        """What was done to it that no database is bound to stand, for the verdict."""
        beyond = [
            event.value["fault"]
            for event in self.history
            if event.f == "licence" and event.value["label"] == OUT_OF_CONTRACT
        ]
        names = " and ".join(dict.fromkeys(beyond))
        return f"; OUT OF CONTRACT: {names}, no database is bound to stand that" if beyond else ""

    def _conclude(self) -> None:
        """RUN-1. The crash that was to lead to a hunt is not the fault that was planned."""
        outcome = self.outcome
        if outcome.violations:
            outcome.verdict = Verdict.VIOLATED
            outcome.reason = outcome.violations[0].message + self._beyond_contract()
        elif not outcome.is_complete:
            raise HarnessBroken("the run could not go on, and no checker says why")
        elif not outcome.struck:
            outcome.verdict = Verdict.NOT_MEASURED
            outcome.reason = "no fault struck"
        elif not outcome.acknowledged:
            outcome.verdict = Verdict.NOT_MEASURED
            outcome.reason = "no transaction was acknowledged"
        else:
            outcome.verdict = Verdict.HELD
