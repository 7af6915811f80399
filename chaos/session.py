"""Runs seeds, each from nothing to nothing: target, run, bundle, and everything removed again.

This is where exceptions end. What the harness did wrong becomes the verdict *harness broken*, its
traceback goes into the bundle; a target that cannot be run here is the user's to mend
(`TargetUnusable`). A bundle that cannot be written takes nothing from the verdict.
"""

from __future__ import annotations

import contextlib
import shlex
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chaos.bundle import Finished, Keeper, bundle_directory, write_bundle, write_summary
from chaos.inspection import Inspector
from chaos.losses import with_images
from chaos.mutants.planting import as_asked, find_mutant, patches_for
from chaos.oracle import DEFAULT_SUITE, HarnessBroken, Suite, load
from chaos.outcome import Outcome
from chaos.plan import BATON, Plan, Wishes
from chaos.report.observer import Observer, Silent
from chaos.run import Run
from chaos.scheduler.world import Schedule, World, WorldBroken
from chaos.targets.api import Target, TargetFactory, TargetUnusable
from chaos.targets.baton import BatonEngineTarget
from chaos.targets.catalogue import target_factory
from chaos.targets.engine import EngineTarget
from chaos.targets.launcher import Launcher, LauncherGone
from chaos.targets.making import Maker
from chaos.trace.recording import Recording
from chaos.verdict import Verdict


class Session:
    """What all runs of one command have in common: use it as a context manager.

    One launcher serves all runs (chaos/targets/making.py). It is given up after a run in which the
    harness broke. With `out` None no bundles are written.
    """

    def __init__(
        self,
        factory: TargetFactory,
        suite: Suite,
        out: Path | None,
        observer: Observer,
        make_launcher: Callable[[Sequence[int]], Launcher] = Launcher,
        suite_name: str = DEFAULT_SUITE,
    ) -> None:
        self.factory = factory
        self.suite = suite
        self.suite_name = suite_name
        self.out = out
        self.observer = observer
        self.inspector: Inspector | None = None
        self._maker = Maker(make_launcher)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the launcher and whatever it has started."""
        self._maker.close()

    def run(
        self, plan: Plan, command: str, keep: Keeper | None = None, *, is_told: bool = True
    ) -> dict[str, Any]:
        """One run; what `--json` prints. TargetUnusable before anything was measured.

        `keep` is given the run when it is over, while the target's files are still there. Of a run
        that is not told of, nobody hears and no bundle is written: it was done before.
        """
        began, cpu_s = time.monotonic(), self._maker.cpu_s()
        observer = self.observer if is_told else Silent()
        observer.begin(plan)
        outcome = Outcome(plan)
        harness: str | None = None
        bundle: Path | None = None
        run: Run | None = None
        target = self._make_target(plan)
        is_fit = False
        try:
            try:
                run = Run(plan, target, self.suite, observer, self.inspector)
                outcome = run.outcome
                run.execute()
            except TargetUnusable:
                raise
            except (HarnessBroken, LauncherGone, WorldBroken) as error:
                harness = traceback.format_exc()
                _broken(outcome, str(error))
            except Exception as error:  # noqa: BLE001 - see above: this is where they end
                harness = traceback.format_exc()
                _broken(outcome, f"{type(error).__name__}: {error}")
            finished = _finished(outcome, run, target, harness)
            if is_told and _has_failed(outcome) and self.out is not None:
                observer.phase("writing the bundle")
                bundle = _bundle_in(self.out, finished, outcome)
            if keep is not None:
                _let_keep(keep, finished, outcome)
            is_fit = outcome.verdict is not Verdict.HARNESS_BROKEN
        finally:
            try:
                target.destroy()
            finally:
                self._maker.clear(is_fit=is_fit)
        outcome.bundle = str(bundle) if bundle is not None else None
        outcome.seconds = time.monotonic() - began
        outcome.cpu_s = self._maker.cpu_s() - cpu_s
        result = outcome.to_object()
        if bundle is not None:
            # The summary says that the bundle is complete; without it, it is not.
            with contextlib.suppress(OSError):
                more = {"suite": self.suite_name, "is_inspected": self.inspector is not None}
                write_summary(bundle, result | more, command)
        observer.end(result)
        return result

    def _make_target(self, plan: Plan) -> Target:
        target = self._scheduled_target(plan)
        if plan.mutant is not None:
            if not isinstance(target, EngineTarget):
                raise TargetUnusable(f"mutants are planted in the engine, not in {plan.target}")
            target.patches = patches_for(find_mutant(plan.mutant).name)
        return target

    def _scheduled_target(self, plan: Plan) -> Target:
        settings, segment_mb = plan.settings, plan.wal_segment_mb
        if plan.schedule != BATON:
            return self._maker.free(self.factory, settings, segment_mb)
        if plan.target != "engine" or plan.scheduling is None:
            raise TargetUnusable(f"{plan.target} cannot be scheduled; give --schedule free")
        schedule = Schedule(plan.seeds["schedule"], **asdict(plan.scheduling))
        return self._maker.baton(schedule, settings, segment_mb, plan.profile)


def open_session(wishes: Wishes, suite: str, out: Path | None, observer: Observer) -> Session:
    """A session for what the user named; UnknownName when there is no such target or suite."""
    factory = target_factory(wishes.target)
    return Session(factory, load(suite), out, observer, suite_name=suite)


def _has_failed(outcome: Outcome) -> bool:
    return outcome.verdict in (Verdict.VIOLATED, Verdict.HARNESS_BROKEN)


def _finished(outcome: Outcome, run: Run | None, target: Target, harness: str | None) -> Finished:
    """What there is to keep of the run. The world is over, so nobody in it runs any more; of a
    free target that has failed everybody stands still.
    """
    recording, stacks = None, None
    if isinstance(target, BatonEngineTarget):
        if target.has_begun:
            stacks = target.stacks() if _has_failed(outcome) else None
            _note_world(outcome, target.world)
            recording = Recording(target.trace_path(), tuple(target.world.names()))
    elif _has_failed(outcome):
        _freeze(target)
    history = run.history if run is not None else None
    return Finished(outcome.plan, history, target, harness, recording, stacks, outcome.losses)


def _bundle_in(out: Path, finished: Finished, outcome: Outcome) -> Path | None:
    """The new bundle's directory, if it could be made; what it lacks is added to the reason."""
    bundle = None
    try:
        bundle = bundle_directory(out, finished.plan.seed)
        write_bundle(bundle, finished)
    except OSError as error:
        outcome.reason += f"; the bundle could not be written: {error}"
    return bundle


def _let_keep(keep: Keeper, finished: Finished, outcome: Outcome) -> None:
    """What cannot be kept breaks the harness, but takes nothing from a violation."""
    try:
        keep(finished)
    except OSError as error:
        reason = f"what was to be kept of the run could not be written: {error}"
        if _has_failed(outcome):
            outcome.reason += f"; {reason}"
        else:
            _broken(outcome, reason)


def _note_world(outcome: Outcome, world: World) -> None:
    """What is known of a run under the baton."""
    outcome.virtual_s = round(world.baton.now_us() / 1e6, 6)
    outcome.reached = world.reached()
    outcome.switches = world.switches
    outcome.preemptions = world.preemptions
    outcome.steps = world.steps
    outcome.digest = with_images(world.finish(), [loss.image for loss in outcome.losses])


def _broken(outcome: Outcome, reason: str) -> None:
    outcome.verdict = Verdict.HARNESS_BROKEN
    outcome.reason = reason


def _freeze(target: Target) -> None:
    """Let the data directory stay as it is while it is copied."""
    for pid in target.survivors():
        target.send(pid, signal.SIGSTOP)


def again_command(seed: int, wishes: Wishes, suite: str = DEFAULT_SUITE) -> str:
    """The command that runs one seed again."""
    words = ["chaos", "run", "--seed", str(seed), *wish_options(wishes)]
    if suite != DEFAULT_SUITE:
        words += ["--suite", suite]
    return shlex.join(words)


def wish_options(wishes: Wishes) -> list[str]:
    """The options of `chaos run` that say the same as these wishes."""
    wishes = as_asked(wishes)
    words = ["--target", wishes.target]
    if wishes.mutant is not None:
        words += ["--mutant", wishes.mutant]
    if wishes.schedule is not None:
        words += ["--schedule", wishes.schedule]
    if wishes.cycles is not None:
        words += ["--cycles", str(wishes.cycles)]
    if wishes.clients is not None:
        words += ["--clients", str(wishes.clients)]
    if wishes.workload is not None:
        words += ["--workload", wishes.workload]
    if wishes.faults is not None:
        words += ["--faults", ",".join(wishes.faults)]
    for name, value in (wishes.settings or {}).items():
        words += ["--set", f"{name}={value}"]
    if wishes.profile is not None:
        words += ["--profile", wishes.profile]
    return words
