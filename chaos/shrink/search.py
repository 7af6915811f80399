"""The search for the smallest plan that still fails for the same reason.

SHRINK-2  Nothing is tried before two runs of the original plan were the same, step for step: on a
          target that does not repeat, whatever came out of the search would mean nothing.
SHRINK-3  The best plan is always one that was run and failed for the same reason; so the search may
          end, or be interrupted, at any moment.
SHRINK-4  The outcome does not depend on how many runs are made at once.

A smaller plan draws other random numbers for its schedule, so that a failure that needs luck may be
gone though its cause is not: each candidate is also tried with a few other seeds for its schedule.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Protocol

from chaos.plan import Plan
from chaos.shrink.edits import Object, canonical, reseeded
from chaos.shrink.passes import PASSES, Pass
from chaos.shrink.signature import Signature, signature_of

Result = Mapping[str, Any]
SEEDS_TRIED: Final = 6
"""Schedules per candidate: the plan's own, and others."""


class Runner(Protocol):
    """Where candidates are run."""

    @property
    def jobs(self) -> int:
        """How many runs are made at once."""

    def run(self, plans: Sequence[Plan]) -> list[Result]:
        """The results of up to `jobs` plans, in their order, as of `chaos run --json`."""


class NotRepeatable(Exception):
    """The run is not the same twice, or not the one that is to be shrunk; the message says how."""


class Spent(Exception):
    """No more attempts, or no more time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop: after so many runs, or so much time; None: never."""

    attempts: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is, as a reader sees it. `preemptions`: None when nobody counts them."""

    cycles: int
    clients: int
    faults: int
    settings: int
    operations: int
    preemptions: int | None
    steps: int | None

    def to_object(self) -> dict[str, int | None]:
        """For `--json`."""
        return asdict(self)


def size_of(plan: Plan, result: Result) -> Size:
    """The size of a run: of the plan what was planned, of the result what happened."""
    faults = sum(1 + (cycle.stop is not None) for cycle in plan.cycles)
    faults += sum(len(cycle.disturbances) for cycle in plan.cycles)
    return Size(
        cycles=len(plan.cycles),
        clients=plan.clients,
        faults=faults,
        settings=len(plan.settings),
        operations=sum(result["operations"].values()),
        preemptions=result.get("preemptions"),
        steps=result.get("steps"),
    )


class Progress(Protocol):
    """Hears how the search goes on."""

    def checked(self, signature: Signature, size: Size) -> None:
        """The original repeats."""

    def began(self, one: Pass) -> None:
        """A pass begins."""

    def tried(self, runs: int) -> None:
        """So many runs were made so far."""

    def improved(self, size: Size) -> None:
        """There is a new best."""


class Search:
    """One search. `best` and `result` are those of the best plan so far."""

    def __init__(
        self,
        plan: Plan,
        wanted: Signature,
        runner: Runner,
        limits: Limits,
        progress: Progress,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wanted = wanted
        self.best: Object = plan.to_object()
        self.result: Result | None = None
        self.before: Size | None = None
        self.runs = 0
        self.is_spent = False
        self._runner = runner
        self._limits = limits
        self._progress = progress
        self._now_s = now_s
        self._began_s = now_s()
        self._failed: dict[str, None] = {}

    @property
    def plan(self) -> Plan:
        """The best plan so far."""
        return Plan.from_object(self.best)

    @property
    def signature(self) -> Signature:
        """That of the best run so far, with what was searched for at the head."""
        found = signature_of(self.result) if self.result is not None else None
        if found is None:
            return self.wanted
        first = self.wanted.broken[0]
        return replace(found, broken=(first, *(one for one in found.broken if one != first)))

    @property
    def size(self) -> Size | None:
        """That of the best run so far; None before the original has been run."""
        return None if self.result is None else size_of(self.plan, self.result)

    @property
    def seconds(self) -> float:
        """Since the search began."""
        return self._now_s() - self._began_s

    @property
    def cycles_reached(self) -> int:
        """How many cycles the best run began; the last may have been cut short unreported."""
        reported = 0 if self.result is None else int(self.result["cycles"])
        return min(reported + 1, len(self.best["cycles"]))

    def shrink(self) -> None:
        """Check that the run repeats, then make all passes until none gains anything."""
        self.check_that_it_repeats()
        try:
            before = None
            while self.best != before:
                before = self.best
                for one in PASSES:
                    self._progress.began(one)
                    one.run(self)
        except Spent:
            self.is_spent = True

    def check_that_it_repeats(self) -> None:
        """SHRINK-2."""
        plan = self.plan
        both: list[Result] = []
        while len(both) < 2:
            both += self._runner.run([plan] * min(2 - len(both), self._runner.jobs))
            self._progress.tried(len(both))
        self.runs = 2
        first, second = both
        for result in both:
            if result.get("digest") is None:
                raise NotRepeatable(f"the run has no digest: {result['reason'] or 'no reason'}")
        if first["digest"] != second["digest"]:
            raise NotRepeatable(
                "the same plan gave two different runs, with the digests"
                f" {first['digest'][:16]} and {second['digest'][:16]}: there is something in the"
                " target that its seed does not decide"
            )
        found = signature_of(first)
        if found is None or not self.wanted.has_same_cause(found):
            came = str(found) if found is not None else first["verdict"].replace("_", " ")
            raise NotRepeatable(
                f"the bundle's run ended with '{self.wanted}'; run again, its plan ends with"
                f" '{came}': target or harness have changed since"
            )
        self.result = first
        self.before = size_of(plan, first)
        self._progress.checked(found, self.before)

    def attempt(self, candidate: Object) -> bool:
        """SHRINK-3, SHRINK-4: the first of a candidate's schedules that fails in the same way."""
        if candidate == self.best:
            return False
        tried = [reseeded(candidate, number) for number in range(SEEDS_TRIED)]
        by_text = {canonical(variant): variant for variant in tried}
        variants = [variant for text, variant in by_text.items() if text not in self._failed]
        for at in range(0, len(variants), self._runner.jobs):
            if self._attempt_these(variants[at : at + self._runner.jobs]):
                return True
        return False

    def _attempt_these(self, variants: list[Object]) -> bool:
        self._check_limits()
        possible = [(variant, plan) for variant in variants if (plan := _plan(variant)) is not None]
        results = self._runner.run([plan for _, plan in possible])
        self.runs += len(results)
        self._progress.tried(self.runs)
        for (variant, plan), result in zip(possible, results, strict=True):
            found = signature_of(result)
            if found is not None and self.wanted.has_same_cause(found):
                self.best, self.result = variant, result
                self._progress.improved(size_of(plan, result))
                return True
            self._failed[canonical(variant)] = None
        return False

    def _check_limits(self) -> None:
        limits = self._limits
        if limits.attempts is not None and self.runs >= limits.attempts:
            raise Spent
        if limits.seconds is not None and self.seconds >= limits.seconds:
            raise Spent


def _plan(tree: Object) -> Plan | None:
    """None when the candidate is no plan: then it is none that fails either."""
    try:
        return Plan.from_object(tree)
    except ValueError:
        return None
