"""A few planted bugs, one of each kind, are caught by checkers that name the cause; and the seeds
that catch them hold without the bug.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chaos.mutants.hunting import Hunt
from chaos.mutants.planting import find_mutant
from chaos.oracle import DEFAULT_SUITE
from chaos.plan import Wishes
from chaos.report.mutants import troubles
from chaos.report.observer import Silent
from chaos.session import Session, open_session

SEEDS = range(12)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """One launcher for all."""
    with open_session(Wishes(), DEFAULT_SUITE, None, Silent()) as opened:
        yield opened


@pytest.mark.parametrize(
    "name",
    [
        "update-is-not-rechecked",  # isolation
        "two-postmasters",  # processes
    ],
)
def test_planted_bug_is_caught(session: Session, name: str) -> None:
    hunt = Hunt(find_mutant(name), SEEDS)
    while (plan := hunt.next_plan()) is not None:
        hunt.hear(plan, session.run(plan, ""))
    assert troubles(hunt.to_object()) == []
    assert hunt.clean == "held"
