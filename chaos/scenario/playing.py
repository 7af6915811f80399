"""Plays scenarios from nothing to nothing: target, play, what is kept of a failure, and everything
removed again.

This is where exceptions end, as in chaos/session.py. A scenario that has a plan is a run like any
other, and goes there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

from chaos.bundle import write_summary
from chaos.oracle import DEFAULT_SUITE, HarnessBroken, load
from chaos.plan import FREE, default_schedule
from chaos.report.observer import Silent
from chaos.scenario.player import Played, Player, hung
from chaos.scenario.steps import Scenario
from chaos.scheduler.world import Hung, Schedule, World, WorldBroken
from chaos.session import Session
from chaos.targets.api import Target, TargetFactory, TargetUnusable
from chaos.targets.baton import BatonEngineTarget
from chaos.targets.catalogue import target_factory
from chaos.targets.launcher import Launcher, LauncherGone
from chaos.targets.templates import copy_tree
from chaos.verdict import Verdict

ENGINE: Final = "engine"


class Stage:
    """Where scenarios are played, one after another. Close it."""

    def __init__(self, out: Path, suite: str = DEFAULT_SUITE) -> None:
        self.out = out
        self.suite = suite
        self._launcher: Launcher | None = None
        self._world: World | None = None
        self._usable: set[int] = set()

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

    def play(
        self,
        scenario: Scenario,
        file: Path,
        command: str,
        target_name: str | None = None,
        schedule: str | None = None,
    ) -> dict[str, Any]:
        """One scenario; what `--json` prints. TargetUnusable before anything was measured.

        Target and schedule are the scenario's own where they are not given.
        """
        target_name = target_name or scenario.targets[0]
        schedule = schedule or scenario.schedule or default_schedule(target_name)
        if scenario.plan is not None:
            plan = replace(scenario.plan, target=target_name, schedule=schedule)
            factory = target_factory(target_name)
            with Session(factory, load(self.suite), self.out, Silent()) as session:
                return {"scenario": scenario.name, "file": str(file), "schedule": schedule,
                        **session.run(plan, command)}  # fmt: skip
        factory = self._factory(target_name, schedule, scenario.seed)
        return self._play_steps(scenario, file, command, factory, target_name, schedule)

    def _factory(self, target_name: str, schedule: str, seed: int) -> TargetFactory:
        """What makes the target; TargetUnusable when it does not run on that schedule."""
        if schedule == FREE:
            if self._world is not None:
                self.close()  # a free schedule is not one CPU's
            return target_factory(target_name)
        if target_name != ENGINE:
            raise TargetUnusable(f"the target {target_name} runs on the schedule free only")
        if self._world is None:
            self.close()  # a launcher is given the world's descriptors when it is made
            self._world = World()
            self._pin()
        world = self._world

        def make(launcher: Launcher, settings: Mapping[str, str], wal_segment_mb: int) -> Target:
            baton = BatonEngineTarget(launcher, settings, wal_segment_mb, world, Schedule(seed))
            return cast(Target, baton)

        return make

    def _pin(self) -> None:
        """A world takes turns, so it is best off on one CPU."""
        usable = sorted(os.sched_getaffinity(0))
        if len(usable) > 1:
            self._usable = set(usable)
            os.sched_setaffinity(0, {usable[os.getpid() % len(usable)]})

    def _play_steps(
        self,
        scenario: Scenario,
        file: Path,
        command: str,
        factory: TargetFactory,
        target_name: str,
        schedule: str,
    ) -> dict[str, Any]:
        began = time.monotonic()
        harness: str | None = None
        world: dict[str, Any] = {}
        kept: Path | None = None
        descriptors = self._world.descriptors() if self._world is not None else ()
        launcher = self._launcher = self._launcher or Launcher(descriptors)
        target = factory(launcher, scenario.settings, scenario.wal_segment_mb)
        player = Player(scenario, target)
        played = player.played
        try:
            try:
                player.play()
            except TargetUnusable:
                raise
            except Hung as error:
                hung(played, str(error))
            except (HarnessBroken, LauncherGone, WorldBroken) as error:
                harness = traceback.format_exc()
                _broken(played, str(error))
            except Exception as error:  # noqa: BLE001 - see above: this is where they end
                harness = traceback.format_exc()
                _broken(played, f"{type(error).__name__}: {error}")
            if played.verdict in (Verdict.VIOLATED, Verdict.HARNESS_BROKEN):
                try:
                    kept = self._keep(scenario.name, file, target, harness)
                except OSError as error:
                    played.reason += f"; what is left of it could not be kept: {error}"
            world = _about_world(target)
        finally:
            try:
                target.destroy()
            finally:
                self._finish(launcher, is_fit=played.verdict is not Verdict.HARNESS_BROKEN)
        result = {
            "scenario": scenario.name,
            "file": str(file),
            "verdict": str(played.verdict),
            "reason": played.reason,
            "target": target_name,
            "schedule": schedule,
            "seed": scenario.seed,
            "version": played.version,
            "played": played.steps,
            "holds": played.holds,
            "struck": played.struck,
            "missed": played.missed,
            "checksums": played.checksums,
            "violations": [violation.to_object() for violation in played.violations],
            "bundle": str(kept) if kept is not None else None,
            **world,
            "seconds": round(time.monotonic() - began, 3),
        }
        if kept is not None:
            with contextlib.suppress(OSError):
                write_summary(kept, result, command)
        return result

    def _finish(self, launcher: Launcher, *, is_fit: bool) -> None:
        """RUN-2, LAUNCH-3: nothing is left, whether the launcher serves another play or not."""
        if is_fit:
            try:
                launcher.reset()
            except LauncherGone:
                is_fit = False
        if not is_fit:
            self.close()

    def _keep(self, name: str, file: Path, target: Target, harness: str | None) -> Path:
        """The scenario, the logs, the data directory as it is now."""
        for pid in target.survivors():
            target.send(pid, signal.SIGSTOP)
        path = _new_directory(self.out, f"scenario-{name}")
        shutil.copyfile(file, path / "scenario.toml")
        if harness is not None:
            (path / "harness.txt").write_text(harness, encoding="utf-8")
        (path / "logs").mkdir()
        for log in target.log.paths():
            shutil.copyfile(log, path / "logs" / log.name)
        if target.data_directory.is_dir() and target.data_directory != Path():
            copy_tree(target.data_directory, path / "data")
        return path


def _about_world(target: Target) -> dict[str, Any]:
    """What is known besides under the baton; the same keys as those of `chaos run`."""
    if not isinstance(target, BatonEngineTarget):
        return {}
    world = target.world
    virtual_s = round(world.baton.now_us() / 1e6, 6)
    return {"digest": world.finish(), "steps": world.steps, "virtual_s": virtual_s}


def _broken(played: Played, reason: str) -> None:
    played.verdict = Verdict.HARNESS_BROKEN
    played.reason = reason


def _new_directory(out: Path, name: str) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = out / (name if number == 1 else f"{name}.{number}")
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path
