"""The implementations of the door that the contract tests run on.

A second implementation adds a line to `IMPLEMENTATIONS`, and the whole suite runs on it. So the
scenarios ask nothing but the host for processes, pids and time: in an implementation that schedules
these are its own, and only the process whose turn it is runs, so that a loop which looks at the
world and calls no host would wait for ever.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, Protocol

from chaos.host.files import WORLD
from chaos.host.host import BatonHost
from chaos.scheduler.baton import Baton
from chaos.scheduler.world import Hung, Schedule, World, WorldBroken, join
from engine.host.api import Host
from engine.host.real import RealHost


class Implementation(Protocol):
    """One world. It is made, used and closed in the process that is the postmaster there."""

    def make(self, root: Path) -> Host:
        """The door of the calling process, which is a postmaster from now on.

        Called once in the scenario's own process, and, by scenarios about the death of a
        postmaster, again in a child that `fork` has started: the children of that child are then
        orphans when it ends.
        """

    def close(self) -> None:
        """The scenario is over, for better or worse."""


class RealImplementation:
    """The real host: nothing to set up, nothing to take down."""

    def make(self, root: Path) -> Host:
        return RealHost(str(root))

    def close(self) -> None:
        pass


class BatonImplementation:
    """A world of its own, whose controller is a child that does nothing but wait."""

    def __init__(self, strategy: str, *, has_log: bool = False) -> None:
        self._strategy = strategy
        self._has_log = has_log
        self._baton: Baton | None = None

    def make(self, root: Path) -> Host:
        if self._baton is None:
            self._baton = self._join_a_world()
        io_log = str(root.parent / "io.log") if self._has_log else None
        return BatonHost(self._baton, str(root.parent), f"{WORLD}/{root.name}", io_log)

    def close(self) -> None:
        pass

    def _join_a_world(self) -> Baton:
        world = World()
        world.begin(Schedule(seed=1, strategy=self._strategy, mean_run=5), None)
        slot = world.baton.enroll("postmaster", 0, 0)
        world.born(slot, os.getpid())
        pid = os.fork()
        if pid == 0:
            _be_controller(world)
        baton = join(world.descriptors(), slot, None)
        baton.await_turn()
        baton.begin()
        return baton


def _be_controller(world: World) -> NoReturn:
    """Wait until something is wrong with the world, and end it: the scenario has failed."""
    world.born(world.baton.slot, os.getpid())
    try:
        world.baton.block(0)
        world.check_alarm()
    except (Hung, WorldBroken) as problem:
        os.write(2, f"{problem}\n".encode())
    finally:
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


IMPLEMENTATIONS: dict[str, Callable[[], Implementation]] = {
    "real": RealImplementation,
    "baton, random walk": lambda: BatonImplementation("random-walk"),
    "baton, pct": lambda: BatonImplementation("pct"),
    "baton, with a log": lambda: BatonImplementation("random-walk", has_log=True),
}
