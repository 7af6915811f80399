"""A database that is a formula of the plan, so that a search is tested without any runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from chaos.plan import Plan, Wishes, make_plan
from chaos.shrink.passes import Pass
from chaos.shrink.search import Limits, Result, Search, Size
from chaos.shrink.signature import Signature, signature_of

Formula = Callable[[Plan], list[tuple[str, str]]]
"""What a plan breaks, as checks and kinds; nothing when it holds."""

LOST = ("durability", "lost")
HALF = ("atomicity", "half")


def result_of(plan: Plan, broken: Sequence[tuple[str, str]], **more: Any) -> dict[str, Any]:
    """What a run of that plan gives."""
    digest = hashlib.sha256(repr(plan).encode()).hexdigest()
    violations = [
        {"check": check, "kind": kind, "message": f"{len(plan.cycles)} things are wrong"}
        for check, kind in broken
    ]
    found = {
        "verdict": "violated" if broken else "held",
        "reason": violations[0]["message"] if violations else "",
        "violations": violations,
        "kills": {"backend": 1},
        "stops": {},
        "cycles": len(plan.cycles),
        "operations": {"ok": 10 * plan.clients, "fail": 0, "info": 1},
        "preemptions": 7,
        "steps": 1000 * len(plan.cycles),
        "digest": digest,
    }
    return found | more


class FormulaRunner:
    """A `Runner`; `made` are the plans that it was asked to run."""

    def __init__(self, formula: Formula, jobs: int = 1) -> None:
        self.formula = formula
        self.jobs = jobs
        self.made: list[Plan] = []

    def run(self, plans: Sequence[Plan]) -> list[Result]:
        """All of them."""
        assert 0 < len(plans) <= self.jobs
        self.made += plans
        return [self.one(plan) for plan in plans]

    def one(self, plan: Plan) -> Result:
        """One run."""
        return result_of(plan, self.formula(plan))


class Listener:
    """A `Progress` that remembers the sizes."""

    def __init__(self) -> None:
        self.sizes: list[Size] = []
        self.passes: list[str] = []

    def checked(self, signature: Signature, size: Size) -> None:
        """The first."""
        self.sizes.append(size)

    def began(self, one: Pass) -> None:
        """By name."""
        self.passes.append(one.name)

    def tried(self, runs: int) -> None:
        """Of no interest."""

    def improved(self, size: Size) -> None:
        """One more."""
        self.sizes.append(size)


def large_plan(seed: int = 1) -> Plan:
    """A plan with a bit of everything."""
    return make_plan(seed, Wishes(cycles=6, clients=8, workload="mixed"))


def search_for(
    runner: FormulaRunner, plan: Plan | None = None, limits: Limits | None = None
) -> Search:
    """A search for what the runner says of a large plan."""
    plan = plan or large_plan()
    wanted = signature_of(result_of(plan, runner.formula(plan)))
    assert wanted is not None
    return Search(plan, wanted, runner, limits or Limits(), Listener())
