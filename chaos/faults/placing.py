"""Strikes at a place: arms the fault, brings about what makes somebody reach the place, and waits.

The process that gets there strikes itself, parked between two steps; the controller learns of it
when it has the turn again. What makes a process get somewhere (chaos/faults/reach.py):

    load       the clients' work; a checkpoint where it is about the checkpointer, clients that come
               and go where it is about the postmaster or about what a backend does at its birth;
               then a while in which nothing is to do
    filling    much WAL, and a checkpoint when a segment is nearly full; whoever else might write it
               first is stopped meanwhile
    truncating VACUUM wants to cut off the end of a table that somebody reads
    holding    the background writer is stopped as it writes, and others need its pages
    interlock  the postmaster is killed, a child of it is kept alive, and a start is tried in vain
    crash      a backend is killed, so that everybody goes through a crash restart
    start      all are killed, and the server is started
    again      the logger is killed, and started again alone
    shutdown   a fast shutdown, and a start

FAULT-3  A place that was not reached has not struck, and the fault is disarmed.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Final

from chaos.driver import Driver
from chaos.faults.arming import ArmsFaults
from chaos.faults.catalogue import PLACE
from chaos.faults.filling import Filler
from chaos.faults.places import KILL, SELF, Place, PlacedFault, parse_fault
from chaos.faults.reach import (
    AGAIN,
    CRASH,
    FILLING,
    HOLDING,
    INTERLOCK,
    LOAD,
    SHUTDOWN,
    START,
    TRUNCATING,
)
from chaos.faults.striking import Strike, Striker
from chaos.faults.truncating import let_vacuum_wait
from chaos.plan import Fault
from chaos.probe import Probe
from chaos.reaction import STARTS_BOUND, Reaction, Watch
from chaos.targets.api import Target
from chaos.targets.log import marks_in
from chaos.targets.processes import Role

TICK_S: Final = 0.001
LOAD_OPERATIONS: Final = 60
"""A place that is not reached while so many operations begin is not reached."""
LOAD_BOUND_S: Final = 3.0
IDLE_S: Final = 2.0
"""Time enough for whoever looks around every second or so."""
VISITS: Final = 3
KNOCKED_AT: Final = ("dead-end", "postmaster")
"""While a server comes up, these have something to do only if somebody wants to connect."""
READS: Final = ("pread", "pread_into")
"""When the server is up again its buffers are empty: the first client must read."""
RESTART_BOUND_S: Final = 10.0
DIES_FIRST: Final = {
    CRASH: "backend",
    START: "all",
    FILLING: "all",
    HOLDING: "all",
    AGAIN: "logger",
    INTERLOCK: "postmaster",
}
HELD: Final = parse_fault("bgwriter buffer-written: stop 300ms")
WAITED_FOR: Final = {
    ("walwriter", "wake"): parse_fault("walwriter wal-written-not-synced: stop 20ms"),
}
"""Under load: whom others must be waiting for, and how they are made to."""
AT_BIRTH: Final = frozenset({"begin", "open", "close", "pread", "pread_into", "file_size", "stat"})
"""A backend reads the catalogs when it is born, and little afterwards."""
PIECES: Final = 200
PAUSE_S: Final = 0.25
"""Time for one round of the background writer, and for some of the WAL writer."""
ENOUGH: Final = 4
"""The next segments may be there already, made of old ones."""
MAKE_SEGMENTS: Final = (Role.BACKEND, Role.WALWRITER, Role.BGWRITER, Role.CHECKPOINTER)
"""Whoever comes first: of these the others are held back."""
MADE_AHEAD: Final = "wal-segment-created"
"""A checkpoint makes the next segment only where it has no old one to make it of."""
FULL: Final = 0.8
"""So full is a segment when a checkpoint makes the next one."""


class Placer:
    """Does the fault `place`."""

    def __init__(
        self,
        target: Target,
        driver: Driver,
        striker: Striker,
        watch: Watch,
        begin_checkpoint: Callable[[], None],
    ) -> None:
        self._begin_checkpoint = begin_checkpoint
        self._target = target
        self._driver = driver
        self._waiting = driver.waiting
        self._striker = striker
        self._watch = watch
        self.reaction = Reaction(PLACE)
        self.armed = -1

    def strike(self, fault: Fault) -> Strike:
        """Arm, bring about, wait. The strike has the role's name if the role's contract is its."""
        placed = parse_fault(fault.placed)
        strike = self._striker.begin(self._name(fault, placed))
        self.reaction = Reaction(strike.name)
        if self.lead_to(fault, strike) and placed.action.kind == KILL:
            strike.kills[placed.place.role] += 1
        return strike

    def lead_to(self, fault: Fault, strike: Strike, idle_s: float = IDLE_S) -> bool:
        """Let somebody come to the fault's place; whether anybody did, which the strike says too.

        What happens meanwhile is added to the strike and to `reaction`. `idle_s`: for how long
        the clients rest, if nobody came there while they worked.
        """
        target, placed = self._armed_target(), parse_fault(fault.placed)
        before = len(target.casualties(0))
        number = self.armed = target.arm(placed)
        if fault.occasion == LOAD:
            self._load(target, number, placed.place, idle_s)
        elif fault.occasion == FILLING:
            self._fill(fault, strike, target, number)
        elif fault.occasion == TRUNCATING:
            self._truncate(target, number)
        elif fault.occasion == HOLDING:
            self._hold(fault, strike, target, number)
        else:
            knocks = placed.place.role in KNOCKED_AT and fault.occasion != SHUTDOWN
            self._provoke(fault, strike, target, number, knocks=knocks)
            if placed.place.role == "backend" and placed.place.call in READS:
                self._visit(target, number)
        has_struck = target.has_struck(number)
        if has_struck:
            strike.struck = True
            strike.at = self._waiting.now_s()
        else:
            strike.missed = f"nobody reached {placed.place} ({fault.occasion})"
        target.disarm(number)  # FAULT-3
        fallen = [casualty.pid for casualty in target.casualties(before)]
        strike.victims += [pid for pid in fallen if pid not in strike.victims]
        return has_struck

    def lead_to_in_start(self, placed: PlacedFault, strike: Strike) -> bool:
        """The same while the server, which does not run, is started and comes up."""
        target = self._armed_target()
        number = target.arm(placed)
        visitor = Probe(self._target.conninfo, self._waiting)
        try:
            self._until_up(strike, target, number, visitor)
        finally:
            visitor.close()
            self.reaction.refusals += visitor.refusals
        has_struck = target.has_struck(number)
        target.disarm(number)  # FAULT-3
        return has_struck

    def _armed_target(self) -> ArmsFaults:
        if not isinstance(self._target, ArmsFaults):
            raise TypeError(f"{self._target.name} has no places")
        return self._target

    def _name(self, fault: Fault, placed: PlacedFault) -> str:
        """A kill of one process under load is answered as any kill of that role."""
        role = placed.place.role
        alone = placed.action.who == (SELF,) and fault.occasion in (
            LOAD,
            FILLING,
            TRUNCATING,
            AGAIN,
        )
        alone = alone and role != "startup"
        return role if alone and role != "dead-end" else PLACE

    def _load(self, target: ArmsFaults, number: int, place: Place, idle_s: float) -> None:
        driver, tally = self._driver, self._driver.tally
        if place.role == "checkpointer":
            self._begin_checkpoint()
        holding = WAITED_FOR.get((place.role, place.call))
        held = target.arm(holding) if holding is not None else -1
        goal = tally.started + LOAD_OPERATIONS
        if place.role == "postmaster" or (place.role == "backend" and place.call in AT_BIRTH):
            self._visit(target, number)
        driver.pump(LOAD_BOUND_S, lambda: target.has_struck(number) or tally.started >= goal)
        if idle_s and not target.has_struck(number):
            was_accepting, driver.accepting = driver.accepting, False
            driver.pump(idle_s, lambda: target.has_struck(number))
            driver.accepting = was_accepting
        if holding is not None:
            target.disarm(held)

    def _visit(self, target: ArmsFaults, number: int) -> None:
        """Clients come and go."""
        for _ in range(VISITS):
            visitor = Probe(self._target.conninfo, self._waiting)
            deadline = self._waiting.now_s() + LOAD_BOUND_S
            while not visitor.answered_at and self._waiting.now_s() < deadline:
                visitor.step()
                if self._driver.pump(TICK_S, lambda: target.has_struck(number)):
                    break
            visitor.close()
            if target.has_struck(number):
                return

    def _fill(self, fault: Fault, strike: Strike, target: ArmsFaults, number: int) -> None:
        """Segments of WAL end: the roles that shall write are left alone with it."""
        place = parse_fault(fault.placed).place
        role, driver = place.role, self._driver
        was_accepting, driver.accepting = driver.accepting, role == "backend"
        filler = Filler(self._target.conninfo, driver, lambda: target.has_struck(number))
        held = self._held_back_for(role)
        try:
            for pid in held:
                self._target.send(pid, signal.SIGSTOP)
            if filler.begin():
                self._fill_for(place, filler)
        finally:
            for pid in held:
                self._target.send(pid, signal.SIGCONT)  # FAULT-2
            filler.close()
            driver.accepting = was_accepting
        if role == "startup":
            self._provoke(fault, strike, target, number, knocks=False)
        elif not target.has_struck(number):
            driver.pump(IDLE_S, lambda: target.has_struck(number))

    def _truncate(self, target: ArmsFaults, number: int) -> None:
        """A table's end is cut off, while no client has a snapshot in which there are rows."""
        driver = self._driver
        was_accepting, driver.accepting = driver.accepting, False
        driver.drain(LOAD_BOUND_S)
        let_vacuum_wait(self._target.conninfo, driver, lambda: target.has_struck(number))
        driver.accepting = was_accepting

    def _hold(self, fault: Fault, strike: Strike, target: ArmsFaults, number: int) -> None:
        """The background writer is stopped while it writes: a checkpoint needs one of its pages,
        or the startup process drops the table that they are of.
        """
        driver, held = self._driver, -1
        was_accepting, driver.accepting = driver.accepting, False
        filler = Filler(self._target.conninfo, driver, lambda: target.has_struck(number))
        try:
            if parse_fault(fault.placed).place.role == "startup":
                if filler.begin() and filler.write(PIECES, 0.0, lambda: filler.segment > 0):
                    filler.roll_back()
                    driver.pump(PAUSE_S)  # nobody waits for the record of a rollback
                held = target.arm(HELD)
                self._provoke(fault, strike, target, number, knocks=False)
            else:
                held = target.arm(HELD)
                if filler.begin():
                    filler.write(PIECES, PAUSE_S, lambda: target.has_struck(held))
                self._begin_checkpoint()
                driver.pump(IDLE_S, lambda: target.has_struck(number))
        finally:
            target.disarm(held)
            filler.close()
            driver.accepting = was_accepting

    def _fill_for(self, place: Place, filler: Filler) -> None:
        if place.call in ("truncate", "unlink"):
            filler.write(1, 0.0, lambda: True)
            filler.roll_back()  # whose table was cut, and goes with the next checkpoint
            self._driver.pump(PAUSE_S)  # nobody waits for the record of a rollback
        elif place.role in ("checkpointer", "startup"):
            least = int(place.role == "checkpointer" and place.call != MADE_AHEAD)
            filler.write(PIECES, 0.0, lambda: filler.segment >= least and filler.share >= FULL)
            if place.role == "startup":
                self._driver.pump(PAUSE_S)  # what is in the WAL buffers only dies with them
        else:
            pause_s = 0.0 if place.role == "backend" else PAUSE_S
            filler.write(PIECES, pause_s, lambda: filler.segment > ENOUGH)
            filler.roll_back()
        if place.role == "checkpointer":
            self._begin_checkpoint()

    def _held_back_for(self, role: str) -> list[int]:
        """Who would be quicker than that role; a checkpoint follows the others' work anyway."""
        if role not in MAKE_SEGMENTS or role == Role.CHECKPOINTER:
            return []
        rivals = [one for one in MAKE_SEGMENTS if one not in (role, Role.BACKEND)]
        return [pid for pid, its in self._target.processes().items() if its in rivals]

    def _provoke(
        self, fault: Fault, strike: Strike, target: ArmsFaults, number: int, *, knocks: bool
    ) -> None:
        """Something else happens first, and counts as a fault of its own."""
        if fault.occasion == SHUTDOWN:
            self._target.send(self._target.postmaster(), signal.SIGINT)
            strike.struck = True
        else:
            name = DIES_FIRST[fault.occasion]
            begun = self._striker.kill(fault, name)
            strike.kills += begun.kills
            strike.victims += begun.victims
            strike.held += begun.held
            strike.struck = begun.struck
            if not begun.struck:
                return
        if fault.occasion == AGAIN:
            self._driver.pump(IDLE_S, lambda: target.has_struck(number))
            return
        visitor = Probe(self._target.conninfo, self._waiting)
        try:
            self._until_up(strike, target, number, visitor if knocks else None)
        finally:
            visitor.close()
            self.reaction.refusals += visitor.refusals

    def _until_up(
        self, strike: Strike, target: ArmsFaults, number: int, visitor: Probe | None
    ) -> None:
        """Until somebody was at the place, or the server is up without."""
        deadline = self._waiting.now_s() + RESTART_BOUND_S
        began_at, starts = len(self._watch.lines), 0
        while not target.has_struck(number) and self._waiting.now_s() < deadline:
            if self._target.exit_status() is not None:
                if starts == STARTS_BOUND:
                    return  # it does not come up: whoever waits for it next will say so
                starts += 1
                self._watch.restart(strike, self.reaction)
            if visitor is not None:
                visitor.step()
            self._driver.pump(TICK_S)
            self._watch.read_log()
            if "ready" in marks_in(self._watch.lines[began_at:]):
                return
