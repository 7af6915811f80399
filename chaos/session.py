"""Runs one seed from nothing to nothing: launcher, target, run, bundle, and everything removed
again.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.bundle import bundle_directory, write_bundle, write_summary
from chaos.oracle import HarnessBroken, Suite
from chaos.plan import Plan, Wishes
from chaos.report.observer import Observer
from chaos.run import Outcome, Run
from chaos.targets.api import Target, TargetFactory, TargetUnusable
from chaos.targets.launcher import Launcher, LauncherGone
from chaos.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Session:
    """What all runs of one command have in common."""

    factory: TargetFactory
    suite: Suite
    out: Path
    observer: Observer

    def run(self, plan: Plan, command: str) -> dict[str, Any]:
        """One run; what `--json` prints. TargetUnusable before anything was measured."""
        began = time.monotonic()
        self.observer.begin(plan)
        outcome = Outcome(plan)
        harness: str | None = None
        bundle: Path | None = None
        run: Run | None = None
        with Launcher() as launcher:
            target = self.factory(launcher, plan.settings, plan.wal_segment_mb)
            try:
                try:
                    run = Run(plan, target, self.suite, self.observer)
                    outcome = run.outcome
                    run.execute()
                except TargetUnusable:
                    raise
                except (HarnessBroken, LauncherGone) as error:
                    harness = traceback.format_exc()
                    _broken(outcome, str(error))
                except Exception as error:  # noqa: BLE001 - see above: this is where they end
                    harness = traceback.format_exc()
                    _broken(outcome, f"{type(error).__name__}: {error}")
                if outcome.verdict in (Verdict.VIOLATED, Verdict.HARNESS_BROKEN):
                    self.observer.phase("writing the bundle")
                    _freeze(target)
                    history = run.history if run is not None else None
                    try:
                        bundle = bundle_directory(self.out, plan.seed)
                        write_bundle(bundle, plan, history, target, harness)
                    except OSError as error:
                        outcome.reason += f"; the bundle could not be written: {error}"
            finally:
                target.destroy()
        outcome.bundle = str(bundle) if bundle is not None else None
        outcome.seconds = time.monotonic() - began
        result = outcome.to_object()
        if bundle is not None:
            # The summary says that the bundle is complete; without it, it is not.
            with contextlib.suppress(OSError):
                write_summary(bundle, result, command)
        self.observer.end(result)
        return result


def _broken(outcome: Outcome, reason: str) -> None:
    outcome.verdict = Verdict.HARNESS_BROKEN
    outcome.reason = reason


def _freeze(target: Target) -> None:
    """Let the data directory stay as it is while it is copied."""
    for pid in target.survivors():
        target.send(pid, signal.SIGSTOP)


def again_command(seed: int, wishes: Wishes, suite: str | None = None) -> str:
    """The command that runs one seed again."""
    words = ["chaos", "run", "--seed", str(seed), *wish_options(wishes)]
    if suite is not None:
        words += ["--suite", suite]
    return shlex.join(words)


def wish_options(wishes: Wishes) -> list[str]:
    """The options of `chaos run` that say the same as these wishes."""
    words = ["--target", wishes.target, "--cycles", str(wishes.cycles)]
    if wishes.clients is not None:
        words += ["--clients", str(wishes.clients)]
    if wishes.workload is not None:
        words += ["--workload", wishes.workload]
    if wishes.faults is not None:
        words += ["--faults", ",".join(wishes.faults)]
    for name, value in (wishes.settings or {}).items():
        words += ["--set", f"{name}={value}"]
    return words
