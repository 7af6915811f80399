"""The hunt for one mutant: seed after seed, until it is caught.

    hunting   a run per seed, up to the last that is allowed, until it was caught so many times
    clean     the first run that caught it once more, without the mutant: that must hold
    naive     killing at random moments (chaos/mutants/naive.py), for as much CPU as the hunt took

HUNT-1  Which seeds are run depends on what the runs before have shown, and on nothing else: hunts
        that go on at the same time do not change each other.
HUNT-2  What is seen of a mutant is what all checkers say who heard the whole history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from chaos.mutants.naive import naive_plan
from chaos.mutants.planting import Mutant, judge, planted
from chaos.plan import Plan, Wishes, make_plan
from chaos.verdict import Verdict

Result = Mapping[str, Any]


class Phase(Enum):
    """What a hunt is at."""

    HUNTING = "hunting"
    CLEAN = "clean"
    NAIVE = "naive"
    DONE = "done"


@dataclass(slots=True)
class Naive:
    """What killing at random moments came to. `caught_at` is a number of runs, None: not caught."""

    runs: int = 0
    cpu_s: float = 0.0
    caught_after: int | None = None

    def to_object(self) -> dict[str, Any]:
        """For `--json`."""
        return {"runs": self.runs, "cpu_s": round(self.cpu_s, 2), "caught_after": self.caught_after}


@dataclass(slots=True)
class Hunt:
    """One mutant. Ask for `next_plan` and tell what came of it with `hear`, until there is none.

    `caught_after` counts seeds up to the first that caught it, `cpu_s` their CPU seconds; `seen`
    has the violations of each run that caught it; `misnamed` those of runs that were violated and
    did not name the cause; `broken` why the harness broke.
    """

    mutant: Mutant
    seeds: Sequence[int]
    catches: int = 1
    is_naive_wanted: bool = False
    phase: Phase = Phase.HUNTING
    runs: int = 0
    cpu_s: float = 0.0
    caught_after: int | None = None
    seed: int | None = None
    seen: list[list[str]] = field(default_factory=list)
    misnamed: list[list[str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    clean: str | None = None
    naive: Naive | None = None
    is_begun: bool = False
    plan: Plan | None = None
    """The first that caught it."""
    result: Result | None = None
    """What came of that."""

    def next_plan(self) -> Plan | None:
        """What to run next; None when all is done."""
        self.is_begun = True
        if self.phase is Phase.HUNTING:
            if self.runs < len(self.seeds) and len(self.seen) < self.catches and not self.broken:
                return make_plan(self.seeds[self.runs], self.wishes())
            self.phase = Phase.CLEAN if self.plan is not None else Phase.NAIVE
        if self.phase is Phase.CLEAN and self.plan is not None:
            return replace(self.plan, mutant=None)
        if self.phase is Phase.NAIVE and self.is_naive_wanted and not self.broken:
            naive = self.naive = self.naive or Naive()
            if naive.caught_after is None and naive.cpu_s < self.cpu_s:
                return naive_plan(naive.runs, self.mutant)
        self.phase = Phase.DONE
        return None

    def wishes(self) -> Wishes:
        """Of its runs."""
        return planted(Wishes(mutant=self.mutant.name))

    def hear(self, plan: Plan, result: Result) -> None:
        """What came of the plan that `next_plan` has given."""
        if result["verdict"] == Verdict.HARNESS_BROKEN:
            self.broken.append(f"seed {plan.seed}: {result['reason']}")
        if self.phase is Phase.CLEAN:
            self.clean = str(result["verdict"])
            self.phase = Phase.NAIVE
            return
        judged = judge(result, self.mutant)
        if self.phase is Phase.NAIVE and self.naive is not None:
            self.naive.runs += 1
            self.naive.cpu_s += result["cpu_s"]
            if judged["caught"]:
                self.naive.caught_after = self.naive.runs
            return
        self.runs += 1
        if self.plan is None:
            self.cpu_s += result["cpu_s"]
        if judged["caught"]:
            self.seen.append(judged["seen"])
            if self.plan is None:
                self.plan, self.result = plan, result
                self.caught_after, self.seed = self.runs, plan.seed
        elif judged["seen"]:
            self.misnamed.append(judged["seen"])

    def checkers(self) -> list[str]:
        """Who saw it, in order: who spoke first comes first."""
        pairs = [pair for run in self.seen for pair in run]
        return list(dict.fromkeys(pair.partition(":")[0] for pair in pairs))

    def to_object(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "mutant": self.mutant.name,
            "caught": self.caught_after is not None,
            "seeds": self.caught_after,
            "runs": self.runs,
            "cpu_s": round(self.cpu_s, 2),
            "seed": self.seed,
            "first": self.seen[0][0] if self.seen else None,
            "checkers": self.checkers(),
            "seen": self.seen,
            "misnamed": self.misnamed,
            "broken": self.broken,
            "clean": self.clean,
            "naive": self.naive.to_object() if self.naive is not None else None,
        }
