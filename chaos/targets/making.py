"""Makes the targets of one command, one after another: with one launcher for all, since a new one
costs an interpreter and the import of the target; and, under the baton, with one world.

RUN-2 in between: nothing of a target is left when the next one is made.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Mapping, Sequence
from resource import RUSAGE_CHILDREN, RUSAGE_SELF
from typing import cast

from chaos.scheduler.world import Schedule, World
from chaos.targets.api import Target, TargetFactory
from chaos.targets.baton import BatonEngineTarget
from chaos.targets.launcher import Launcher, LauncherGone


class Maker:
    """Use `free` or `baton`, and `clear` when that target was destroyed; `close` at the end."""

    def __init__(self, make_launcher: Callable[[Sequence[int]], Launcher] = Launcher) -> None:
        self._make_launcher = make_launcher
        self._launcher: Launcher | None = None
        self._world: World | None = None
        self._usable: set[int] = set()

    def free(
        self, factory: TargetFactory, settings: Mapping[str, str], wal_segment_mb: int
    ) -> Target:
        """A target that the machine schedules, on all its CPUs."""
        if self._world is not None:
            self.close()
        launcher = self._launcher = self._launcher or self._make_launcher(())
        return factory(launcher, settings, wal_segment_mb)

    def baton(
        self,
        schedule: Schedule,
        settings: Mapping[str, str],
        wal_segment_mb: int,
        profile: str | None = None,
    ) -> Target:
        """The engine in a world; the launcher is one that was given the world's descriptors.

        With a disk profile its power can be cut.
        """
        if self._world is None:
            self.close()
            self._world = World()
            self._pin()
        if self._launcher is None:
            self._launcher = self._make_launcher(self._world.descriptors())
        target = BatonEngineTarget(
            self._launcher, settings, wal_segment_mb, self._world, schedule, profile
        )
        return cast(Target, target)

    def _pin(self) -> None:
        """A world takes turns, so it is best off on one CPU (see benchmarks/scheduling.py)."""
        usable = sorted(os.sched_getaffinity(0))
        if len(usable) > 1:
            self._usable = set(usable)
            os.sched_setaffinity(0, {usable[os.getpid() % len(usable)]})

    def cpu_s(self) -> float:
        """What this process and all that was made here have used so far of the CPUs; of what still
        runs, nothing counts but the launcher itself.
        """
        children = self._launcher.cpu_s() if self._launcher is not None else 0.0
        used = (resource.getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
        return children + sum(one.ru_utime + one.ru_stime for one in used)

    def clear(self, *, is_fit: bool) -> None:
        """RUN-2, LAUNCH-3: nothing is left, whether the launcher serves another target or not."""
        if is_fit and self._launcher is not None:
            try:
                self._launcher.reset()
            except LauncherGone:
                is_fit = False
        if not is_fit:
            self.close()

    def close(self) -> None:
        """End the launcher, whatever it has started, and the world."""
        if self._launcher is not None:
            self._launcher.close()
            self._launcher = None
        if self._world is not None:
            self._world.close()
            self._world = None
        if self._usable:
            os.sched_setaffinity(0, self._usable)
            self._usable = set()
