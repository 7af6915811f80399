"""Cuts the power: all die at one step, and then the data directory is what the disk has kept.

How often: once at the fault's place, or at its moment if it has none or nobody came there; and then
at each place of `then`, while the server recovers from the loss before. What the disk keeps is
drawn from the fault's seed `choice`, one stream for each loss, so that one loss more or less leaves
the others as they are.

OUTAGE-1  What a disk keeps depends on nothing but the fault and on what was not durable.
OUTAGE-2  A loss that the plan wants in a recovery and that found nobody at its place has not
          happened: the server comes up.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

from chaos.disk.choice import Choice, Pending
from chaos.disk.model import Disk
from chaos.faults.catalogue import POWER_LOSS
from chaos.faults.places import parse_fault
from chaos.faults.placing import Placer
from chaos.faults.reach import CRASH
from chaos.faults.striking import Strike, Striker
from chaos.losses import Loss
from chaos.plan import NOTHING_KEPT, Fault
from chaos.reaction import Reaction
from chaos.seeds import stream
from chaos.targets.api import Target
from chaos.targets.power import PowerLoss

STYLES: Final = {
    "nothing kept": 10,
    "everything kept": 3,
    "one lost": 10,
    "one kept": 7,
    "a prefix": 8,
    "torn": 10,
    "any": 40,
}
"""How a choice is drawn, and how often so. The extremes are rare among all choices, and are where
most mistakes show: an order that was not forced, a sync that was forgotten.
"""
TEARS: Final = 0.6
"""How often what can be torn is, whatever style was drawn."""
SHARE_WHOLE: Final = 0.9
"""Of what is no write of several atoms, where those are torn."""


@runtime_checkable
class LosesPower(Protocol):
    """A target whose data directory can be made what a disk has kept of it."""

    def cut_power(self, choose: Callable[[Disk], Choice]) -> PowerLoss:
        """Everybody was killed at one step: let the data directory be what the choice leaves."""

    def disk_changed_by_hand(self) -> None:
        """The data directory was written to past the server, which is down: that is durable."""


class PowerCut:
    """Does the fault `power-loss`. `losses` are all of the run, in order."""

    def __init__(self, target: Target, striker: Striker, placer: Placer) -> None:
        self._target = target
        self._striker = striker
        self._placer = placer
        self.losses: list[Loss] = []

    def strike(self, fault: Fault, cycle: int) -> tuple[Strike, Reaction]:
        """The first loss, and those in the recoveries that follow. Nobody rests before the first:
        when all is at rest, all is synced.
        """
        strike = self._striker.begin(fault.name)
        reaction = self._placer.reaction = Reaction(fault.name)
        if not (fault.placed and self._placer.lead_to(fault, strike, idle_s=0)):
            killed = self._striker.kill(fault, "all")
            strike.victims += [pid for pid in killed.victims if pid not in strike.victims]
        if fault.occasion != CRASH or not fault.placed:
            self._striker.date(strike)
        self.cut(fault, cycle, strike)
        for text in fault.then:
            if not self._placer.lead_to_in_start(parse_fault(text), strike):
                break  # OUTAGE-2
            self.cut(fault, cycle, strike)
        return strike, reaction

    def cut(self, fault: Fault, cycle: int, strike: Strike) -> None:
        """One loss (OUTAGE-1). Whoever lives still has no postmaster, or a place that took only
        some.
        """
        for pid in self._target.survivors():
            self._target.send(pid, signal.SIGKILL)
            strike.victims.append(pid)
        if not isinstance(self._target, LosesPower):
            raise TypeError(f"{self._target.name} cannot lose its power")
        which = len(strike.power)
        drawing = Drawing(fault.kept, stream(fault.choice, "disk", which))
        loss = self._target.cut_power(drawing.choose)
        told = Loss(
            cycle=cycle,
            which=which,
            step=loss.step,
            time_us=loss.time_us,
            style=drawing.style,
            profile=drawing.disk.profile,
            pending=drawing.pending,
            choice=loss.choice,
            states=drawing.states,
            before=loss.before.digest(),
            image=loss.after.digest(),
        )
        self.losses.append(told)
        strike.power.append(told.summary())
        strike.kills[POWER_LOSS] += 1
        strike.struck = True


class Drawing:
    """One choice, and what it was drawn from."""

    def __init__(self, kept: str, chance: random.Random) -> None:
        self._kept = kept
        self._chance = chance

    def choose(self, disk: Disk) -> Choice:
        """For `cut_power`."""
        self.disk = disk
        self.pending = disk.pending
        self.states = disk.count_states()
        (self.style,) = self._chance.choices(list(STYLES), list(STYLES.values()))
        tears = self._chance.random() < TEARS
        if tears and any(one.atoms > 1 for one in self.pending):
            self.style = "torn"
        if self._kept == NOTHING_KEPT:
            self.style = "nothing kept"
        choice = self._in_style(disk, self.style)
        if choice is None:  # the profile does not allow it, or nothing is pending
            self.style = "any"
            choice = disk.draw(self._chance)
        return choice

    def _in_style(self, disk: Disk, style: str) -> Choice | None:
        number = len(self.pending)
        at = self._chance.randrange(number) if number else 0
        if style == "nothing kept":
            return disk.all_lost()
        if style == "everything kept":
            return disk.all_kept()
        if style == "any" or not number:
            return None
        if style == "a prefix":
            return disk.prefix(at)
        if style == "torn":
            return disk.choose([_torn(one, self._chance) for one in self.pending])
        return disk.only_lost(at) if style == "one lost" else disk.only_kept(at)


def _torn(pending: Pending, chance: random.Random) -> int:
    """Some atoms of what has several; of the rest, most is kept, for a torn page does no harm that
    is not named in a file.
    """
    bits = chance.getrandbits(pending.full.bit_length())
    is_kept = chance.random() < SHARE_WHOLE
    if pending.atoms > 1:
        return bits | pending.must
    return pending.full if is_kept else pending.must
