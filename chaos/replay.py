"""A bundle, run again: is it the same run?

The plan is the bundle's, so under the baton the run is the same step for step, and so is its
digest, unless something else is not as it was: then the sources, the interpreter or a package have
changed, which is said, or the harness is broken. Under the schedule *free* only the plan is the
same.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaos.bundle import PLAN, SUMMARY, Finished
from chaos.losses import differing_image
from chaos.oracle import DEFAULT_SUITE
from chaos.plan import Plan, Wishes
from chaos.report.observer import Observer
from chaos.session import open_session
from chaos.trace.difference import Difference, first_difference
from chaos.trace.recording import NoRecording, Recording
from chaos.verdict import Verdict
from chaos.versions import changes, versions

EXPLAINS: Final = ("python", "sources", "packages")
"""The versions of which another may make another run."""


class NoBundle(ValueError):
    """The directory is no bundle, or one that cannot be read: says why."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a replay needs of a bundle. `digest` is None when there was none to be had."""

    directory: Path
    plan: Plan
    suite: str
    verdict: str
    digest: str | None
    versions: Mapping[str, Any]
    power_losses: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a replay went. `same_digest` is None when there is nothing to compare with."""

    bundle: Bundle
    result: dict[str, Any]
    changed: Sequence[str]
    same_digest: bool | None
    difference: Difference | None
    unread: str | None
    """Why no step can be shown though the digests differ."""

    def to_object(self) -> dict[str, Any]:
        """What `--json` prints: the run's result, and how it compares."""
        return self.result | {
            "replayed": str(self.bundle.directory),
            "bundle_verdict": self.bundle.verdict,
            "same_digest": self.same_digest,
            "first_difference": self.difference.to_object() if self.difference else None,
            "changed": list(self.changed),
        }


def read_bundle(directory: Path) -> Bundle:
    """NoBundle when it is none."""
    try:
        summary = json.loads((directory / SUMMARY).read_text(encoding="utf-8"))
        command = summary.get("command")
        if command and not (directory / PLAN).exists():
            raise ValueError(f"it has no plan; the same again: {command}")
        if summary.get("is_inspected"):
            raise ValueError(f"a test looked into its run; the same again: {command}")
        plan = json.loads((directory / PLAN).read_text(encoding="utf-8"))
        return Bundle(
            directory,
            Plan.from_object(plan),
            str(summary.get("suite", DEFAULT_SUITE)),
            str(summary["verdict"]),
            summary.get("digest"),
            summary.get("versions", {}),
            summary.get("power_losses", ()),
        )
    except FileNotFoundError as error:
        raise _no_bundle(directory, f"it has no {Path(error.filename).name}") from error
    except OSError as error:
        raise _no_bundle(directory, f"{error.filename}: {error.strerror}") from error
    except (ValueError, KeyError, AttributeError) as error:
        raise _no_bundle(directory, str(error)) from error


def _no_bundle(directory: Path, why: str) -> NoBundle:
    return NoBundle(f"{directory} is no bundle that can be replayed: {why}")


def changed_since(bundle: Bundle) -> list[str]:
    """Which versions are not those of the bundle, a line each."""
    return changes(bundle.versions, versions())


def replay_bundle(bundle: Bundle, changed: Sequence[str], observer: Observer) -> Replayed:
    """Run it again. No bundle is written. UnknownName, TargetUnusable."""
    wishes = Wishes(target=bundle.plan.target)
    command = f"chaos replay {bundle.directory}"
    with tempfile.TemporaryDirectory(prefix="chaos-replay-") as scratch:
        kept: list[Recording] = []

        def keep(finished: Finished) -> None:
            if finished.recording is not None:
                kept.append(finished.recording.save(Path(scratch)))

        with open_session(wishes, bundle.suite, None, observer) as session:
            result = session.run(bundle.plan, command, keep)
        same = result["digest"] == bundle.digest if bundle.digest and result["digest"] else None
        difference, unread = None, None
        if same is False:
            try:
                difference = first_difference(Recording.load(bundle.directory), kept[0])
            except NoRecording as error:
                unread = str(error)
    if same is False and not any(_explains(line) for line in changed):
        _break(result, difference)
    return Replayed(bundle, result, changed, same, difference, unread)


def _explains(change: str) -> bool:
    return change.split(":", 1)[0] in EXPLAINS


def _break(result: dict[str, Any], difference: Difference | None) -> None:
    """Nothing that a run depends on has changed, and yet it is another."""
    where = f" from step {difference.step} on" if difference is not None else ""
    result |= {
        "verdict": str(Verdict.HARNESS_BROKEN),
        "reason": f"the same plan and the same versions, and another run{where}",
    }


def lines_about(replayed: Replayed) -> list[str]:
    """What a person reads after the run."""
    bundle, result = replayed.bundle, replayed.result
    if replayed.same_digest is None:
        if bundle.digest is None:
            return ["nothing to compare with: the bundle has no digest"]
        return ["nothing to compare: this run has no digest"]
    if replayed.same_digest:
        return [f"the same run: {result['steps']} steps, digest {result['digest']}"]
    lines = [f"NOT THE SAME RUN: digest {result['digest']}, the bundle's is {bundle.digest}"]
    if replayed.difference is not None:
        lines.append(f"the first difference is step {replayed.difference.step}:")
        lines += replayed.difference.lines("bundle", "now")
    elif replayed.unread is not None:
        lines.append(f"where they part cannot be told: {replayed.unread}")
    elif image := differing_image(bundle.power_losses, result["power_losses"]):
        lines.append(f"their traces are the same, but not their crash images: {image}")
    else:
        lines.append("their traces are the same: the bundle's digest is not of its trace")
    if bundle.verdict != result["verdict"]:
        lines.append(f"the bundle's verdict was {bundle.verdict.replace('_', ' ')}")
    return lines
