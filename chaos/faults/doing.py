"""Who does which fault: one table, by the fault's name.

A *deed* does what a fault says to the target, and tells what it did (the strike) and what it saw of
the server meanwhile (a reaction that has begun; None: nothing yet).
"""

from __future__ import annotations

from collections.abc import Callable

from chaos.driver import Driver
from chaos.faults.catalogue import FAILURES, KILLS, MISDIRECTED, PLACE, POWER_LOSS, ROTS, STOPS
from chaos.faults.disk.drawing import POWER_LOSS_AFTER
from chaos.faults.disk.failing import DiskFailures
from chaos.faults.disk.looking import Looker
from chaos.faults.disk.misdirecting import Misdirecting
from chaos.faults.disk.rotting import Rotting
from chaos.faults.hunting import Hunter
from chaos.faults.placing import Placer
from chaos.faults.power import PowerCut
from chaos.faults.striking import Strike, Striker
from chaos.plan import Cycle, Fault
from chaos.reaction import Reaction, Watch
from chaos.targets.api import Target

Done = tuple[Strike, Reaction | None]
Deed = Callable[[Cycle], Done]


class Deeds:
    """All that can be done to one target.

    `begin_checkpoint` asks for a checkpoint, `glance` says whether the server can be read from
    within so many seconds.
    """

    def __init__(
        self,
        target: Target,
        driver: Driver,
        watch: Watch,
        glance: Callable[[float], bool],
        begin_checkpoint: Callable[[], None],
        looker: Looker,
    ) -> None:
        self._driver = driver
        self._striker = Striker(target, driver, glance)
        self._hunter = Hunter(target, driver, self._striker, watch)
        self._placer = Placer(target, driver, self._striker, watch, begin_checkpoint)
        self.power = PowerCut(target, self._striker, self._placer)
        self._failures = DiskFailures(
            target, driver, self._striker, self._placer, watch, begin_checkpoint
        )
        self._rotting = Rotting(
            target,
            driver.waiting,
            self._striker,
            self._placer,
            watch,
            self._failures,
            looker,
        )
        self._misdirecting = Misdirecting(
            target, driver, self._striker, self._placer, looker, self._rotting
        )
        self._deeds: dict[str, Deed] = {
            **dict.fromkeys(KILLS, self._kill),
            **dict.fromkeys(STOPS, self._stop),
            "startup": self._hunt,
            "stop:startup": self._hunt,
            PLACE: self._place,
            POWER_LOSS: self._cut_power,
            **dict.fromkeys(FAILURES, self._fail),
            **dict.fromkeys(ROTS, self._rot),
            MISDIRECTED: self._misdirect,
        }

    def do(self, cycle: Cycle) -> Done:
        """The fault of that cycle, whatever it is."""
        return self._deeds[cycle.fault.name](cycle)

    def stop(self, fault: Fault) -> Strike:
        """SIGSTOP, a while, SIGCONT."""
        return self._striker.stop(fault)

    def _kill(self, cycle: Cycle) -> Done:
        return self._striker.kill(cycle.fault, cycle.fault.name), None

    def _stop(self, cycle: Cycle) -> Done:
        return self.stop(cycle.fault), None

    def _hunt(self, cycle: Cycle) -> Done:
        if not cycle.fault.crash_by:  # a plan that was made smaller: nothing leads to a recovery
            return self._stop(cycle) if cycle.fault.name in STOPS else self._kill(cycle)
        return self._hunter.hunt(cycle.fault), self._hunter.reaction

    def _place(self, cycle: Cycle) -> Done:
        return self._placer.strike(cycle.fault), self._placer.reaction

    def _fail(self, cycle: Cycle) -> Done:
        done = strike, _ = self._failures.strike(cycle.fault)
        if strike.disk and cycle.fault.disk.startswith(POWER_LOSS_AFTER):
            delay_ms = int(cycle.fault.disk.removeprefix(POWER_LOSS_AFTER).removesuffix("ms"))
            self._driver.pump(delay_ms / 1000)
            self.power.cut(cycle.fault, cycle.number, strike)
        return done

    def _rot(self, cycle: Cycle) -> Done:
        return self._rotting.strike(cycle.fault)

    def _misdirect(self, cycle: Cycle) -> Done:
        return self._misdirecting.strike(cycle.fault)

    def _cut_power(self, cycle: Cycle) -> Done:
        return self.power.strike(cycle.fault, cycle.number)
