"""What a shrink begins with: plan, suite and signature of a bundle (chaos/bundle.py)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from chaos.bundle import SUMMARY
from chaos.plan import FREE, Plan
from chaos.replay import NoBundle, read_bundle
from chaos.shrink.signature import Signature, signature_of


@dataclass(frozen=True, slots=True)
class Case:
    """A failure that was kept."""

    plan: Plan
    signature: Signature
    suite: str


def read_case(directory: Path) -> Case:
    """The case in a bundle; NoBundle when there is nothing to shrink."""
    bundle = read_bundle(directory)
    if bundle.plan.schedule == FREE:
        raise NoBundle(
            f"the run in {directory} was on the schedule free, which no run repeats; find the"
            " failure with --schedule baton, and shrink that"
        )
    try:
        summary = json.loads((directory / SUMMARY).read_text(encoding="utf-8"))
        signature = signature_of(summary)
    except (KeyError, TypeError, AttributeError) as error:
        raise NoBundle(f"{directory / SUMMARY} is no result of a run: {error!r}") from error
    if signature is None:
        raise NoBundle(f"the run in {directory} did not fail: it ended {bundle.verdict}")
    return Case(bundle.plan, signature, bundle.suite)
