"""How a run ends, and the exit status that says so."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """The four ends of a run. Wrong usage, exit status 2, is not one of them."""

    HELD = "held"
    VIOLATED = "violated"
    NOT_MEASURED = "not_measured"
    HARNESS_BROKEN = "harness_broken"


EXIT_STATUS: Final = {
    Verdict.HELD: 0,
    Verdict.VIOLATED: 1,
    Verdict.NOT_MEASURED: 3,
    Verdict.HARNESS_BROKEN: 4,
}

GRAVEST_FIRST: Final = (
    Verdict.VIOLATED,
    Verdict.HARNESS_BROKEN,
    Verdict.NOT_MEASURED,
    Verdict.HELD,
)


def gravest(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on several runs; no run at all measured nothing."""
    seen = list(verdicts)
    return next((v for v in GRAVEST_FIRST if v in seen), Verdict.NOT_MEASURED)
