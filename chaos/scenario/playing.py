"""Plays scenarios from nothing to nothing: target, play, what is kept of a failure, and everything
removed again.

This is where exceptions end, as in chaos/session.py. A scenario that has a plan is a run like any
other, and goes there.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
import traceback
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from chaos.bundle import new_directory, write_end, write_summary
from chaos.mutants.planting import find_mutant, patches_for
from chaos.oracle import DEFAULT_SUITE, HarnessBroken, load
from chaos.plan import FREE, default_schedule
from chaos.report.observer import Silent
from chaos.scenario.player import Played, Player, hung
from chaos.scenario.steps import Scenario
from chaos.scheduler.world import Hung, Schedule, WorldBroken
from chaos.session import Session
from chaos.targets.api import Target, TargetUnusable
from chaos.targets.baton import BatonEngineTarget
from chaos.targets.catalogue import target_factory
from chaos.targets.engine import EngineTarget
from chaos.targets.launcher import LauncherGone
from chaos.targets.making import Maker
from chaos.trace.recording import Recording
from chaos.verdict import Verdict

ENGINE: Final = "engine"
SCENARIO: Final = "scenario.toml"
"""What is kept of a failure is a directory with the scenario in it."""


class Stage:
    """Where scenarios are played, one after another. Close it."""

    def __init__(self, out: Path, suite: str = DEFAULT_SUITE) -> None:
        self.out = out
        self.suite = suite
        self._maker = Maker()

    def close(self) -> None:
        """End the launcher and whatever it has started."""
        self._maker.close()

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
            with Session(
                factory, load(self.suite), self.out, Silent(), suite_name=self.suite
            ) as session:
                return {"scenario": scenario.name, "file": str(file), "schedule": schedule,
                        **session.run(plan, command)}  # fmt: skip
        return self._play_steps(scenario, file, command, target_name, schedule)

    def _make_target(self, scenario: Scenario, target_name: str, schedule: str) -> Target:
        """With the scenario's bug in it. TargetUnusable when it cannot be had; UnknownName."""
        target = self._scheduled_target(scenario, target_name, schedule)
        if scenario.mutant is not None:
            if not isinstance(target, EngineTarget):
                raise TargetUnusable(f"mutants are planted in the engine, not in {target_name}")
            target.patches = patches_for(find_mutant(scenario.mutant).name)
        return target

    def _scheduled_target(self, scenario: Scenario, target_name: str, schedule: str) -> Target:
        """TargetUnusable when it does not run on that schedule."""
        settings, segment_mb = scenario.settings, scenario.wal_segment_mb
        if schedule == FREE:
            return self._maker.free(target_factory(target_name), settings, segment_mb)
        if target_name != ENGINE:
            raise TargetUnusable(f"{target_name} cannot be scheduled; give --schedule free")
        profile = scenario.profile if scenario.loses_power else None
        return self._maker.baton(Schedule(scenario.seed), settings, segment_mb, profile)

    def _play_steps(
        self, scenario: Scenario, file: Path, command: str, target_name: str, schedule: str
    ) -> dict[str, Any]:
        began = time.monotonic()
        harness: str | None = None
        world: dict[str, Any] = {}
        kept: Path | None = None
        target = self._make_target(scenario, target_name, schedule)
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
            has_failed = played.verdict in (Verdict.VIOLATED, Verdict.HARNESS_BROKEN)
            ending = _ending_of(target, harness, has_failed=has_failed)
            world = ending.world
            if has_failed:
                try:
                    kept = self._keep(scenario.name, file, target, ending)
                except OSError as error:
                    played.reason += f"; what is left of it could not be kept: {error}"
        finally:
            try:
                target.destroy()
            finally:
                self._maker.clear(is_fit=played.verdict is not Verdict.HARNESS_BROKEN)
        result = {
            "scenario": scenario.name,
            "file": str(file),
            "verdict": str(played.verdict),
            "reason": played.reason,
            "target": target_name,
            "schedule": schedule,
            "seed": scenario.seed,
            "mutant": scenario.mutant,
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

    def _keep(self, name: str, file: Path, target: Target, ending: _Ending) -> Path:
        """The scenario, and what there is of the target."""
        path = new_directory(self.out, f"scenario-{name}")
        shutil.copyfile(file, path / SCENARIO)
        write_end(path, target, ending.harness, ending.recording, ending.stacks)
        return path


@dataclass(frozen=True, slots=True)
class _Ending:
    """What is known of a target that is over, besides its files. `world` has the keys that
    `chaos run` has too.
    """

    harness: str | None
    stacks: str | None = None
    recording: Recording | None = None
    world: dict[str, Any] = field(default_factory=dict)


def _ending_of(target: Target, harness: str | None, *, has_failed: bool) -> _Ending:
    """Nobody in a world runs any more; of a free target that has failed everybody stands still."""
    if not isinstance(target, BatonEngineTarget):
        for pid in target.survivors() if has_failed else ():
            target.send(pid, signal.SIGSTOP)
        return _Ending(harness)
    if not target.has_begun:
        return _Ending(harness)
    stacks = target.stacks() if has_failed else None
    world = target.world
    virtual_s = round(world.baton.now_us() / 1e6, 6)
    about = {"digest": world.finish(), "steps": world.steps, "virtual_s": virtual_s}
    return _Ending(harness, stacks, Recording(target.trace_path(), tuple(world.names())), about)


def _broken(played: Played, reason: str) -> None:
    played.verdict = Verdict.HARNESS_BROKEN
    played.reason = reason
