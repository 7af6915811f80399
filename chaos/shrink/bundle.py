"""What a shrink begins with: plan, signature and suite of a bundle (chaos/bundle.py)."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.oracle import DEFAULT_SUITE
from chaos.plan import FREE, Plan
from chaos.shrink.signature import Signature, signature_of


class NoCase(ValueError):
    """There is nothing to shrink there; the message says why."""


@dataclass(frozen=True, slots=True)
class Case:
    """A failure that was kept."""

    plan: Plan
    signature: Signature
    suite: str


def read_case(bundle: Path) -> Case:
    """The case in a bundle's directory; NoCase."""
    summary = _read(bundle / "summary.json")
    tree = _read(bundle / "plan.json")
    try:
        plan = Plan.from_object(tree)
    except ValueError as error:
        raise NoCase(f"{bundle / 'plan.json'}: {error}") from error
    try:
        signature = signature_of(summary)
    except (KeyError, TypeError, AttributeError) as error:
        raise NoCase(f"{bundle} is no bundle of a run: {error!r} is missing or wrong") from error
    if signature is None:
        raise NoCase(f"the run in {bundle} did not fail: its verdict is {summary['verdict']}")
    if plan.schedule == FREE:
        raise NoCase(
            f"the run in {bundle} was on the schedule free, which no run repeats; find the"
            " failure with --schedule baton, and shrink that"
        )
    return Case(plan, signature, suite_of(str(summary.get("command", ""))))


def suite_of(command: str) -> str:
    """The suite in the command that runs the seed again."""
    words = shlex.split(command)
    return words[words.index("--suite") + 1] if "--suite" in words[:-1] else DEFAULT_SUITE


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NoCase(f"{path.parent} is no complete bundle: {error}") from error
    except ValueError as error:
        raise NoCase(f"{path} is no JSON: {error}") from error
