"""Lets a page write go astray (misdirected.py), and sees whether that is noticed.

checkpoint (perhaps) and a little work, all die after a page was written, the write went to
the neighbouring block, start, read all tables, kill all, put both blocks right, start
"""

from __future__ import annotations

import random
from typing import Final, Protocol, runtime_checkable

from chaos.disk.model import Disk
from chaos.disk.operations import Operation
from chaos.driver import Driver
from chaos.faults.disk.looking import Looker
from chaos.faults.disk.misdirected import Misdirected, PageWrite, misdirect, page_writes
from chaos.faults.disk.rotting import CHECKPOINT_BOUND_S, Rotting
from chaos.faults.placing import Placer
from chaos.faults.striking import Strike, Striker
from chaos.plan import Fault
from chaos.reaction import Reaction
from chaos.targets.api import Target

WORK: Final = 8
"""So many operations after the checkpoint: of most pages recovery has no image then."""
WORK_BOUND_S: Final = 2.0
SHARE_LONELY: Final = 0.75


@runtime_checkable
class LogsItsWrites(Protocol):
    """A target that knows what was done to its files, and in which order."""

    @property
    def disk(self) -> Disk | None:
        """The disk as far as the log was read."""

    def read_io_log(self) -> list[Operation]:
        """Let the disk know what was done since the last time; that is also returned."""


class Misdirecting:
    """Does the fault `misdirected-write`."""

    def __init__(
        self,
        target: Target,
        driver: Driver,
        striker: Striker,
        placer: Placer,
        looker: Looker,
        rotting: Rotting,
    ) -> None:
        self._target = target
        self._driver = driver
        self._striker = striker
        self._placer = placer
        self._looker = looker
        self._rotting = rotting

    def strike(self, fault: Fault) -> tuple[Strike, Reaction]:
        """All of it; the last start is left to whoever watches the recovery."""
        target, disk = self._target, getattr(self._target, "disk", None)
        if not isinstance(target, LogsItsWrites) or disk is None:
            raise TypeError(f"{self._target.name} does not know what was written")
        if fault.disk.endswith(" after checkpoint"):
            self._looker.checkpoint(CHECKPOINT_BOUND_S)
            goal = self._driver.tally.started + WORK
            self._driver.pump(WORK_BOUND_S, lambda: self._driver.tally.started >= goal)
        target.read_io_log()
        before = disk.cached()
        strike = self._striker.begin(fault.name)
        reaction = self._placer.reaction = Reaction(fault.name)
        if not self._placer.lead_to(fault, strike):
            return strike, reaction
        strike.kills["all"] += 1
        self._striker.date(strike)
        self._rotting.kill_everybody(fault, strike)
        astray = self._choose(fault, page_writes(before, target.read_io_log()))
        if astray is None:
            strike.struck, strike.missed = False, "no page with a neighbour had been written"
            return strike, reaction
        self._rotting.harm(astray, "misdirect", fault, strike, reaction)
        return strike, reaction

    def _choose(self, fault: Fault, writes: list[PageWrite]) -> Misdirected | None:
        """One of those that have a neighbour: mostly one that was not written as well, of which
        recovery has no image then.
        """
        chance = random.Random(f"{fault.choice} astray")
        directory = self._target.data_directory
        found = [one for page in writes if (one := misdirect(page, directory)) is not None]
        changed = {(page.file, page.block) for page in writes}
        lonely = [one for one in found if (one.page.file, one.block) not in changed]
        if lonely and chance.random() < SHARE_LONELY:
            found = lonely
        return chance.choice(found) if found else None
