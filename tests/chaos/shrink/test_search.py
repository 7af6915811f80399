"""The search on formulas: it finds what matters, and nothing else stays; and it can be trusted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chaos.plan import Cycle, Fault, Hunt, Plan, Where
from chaos.shrink.passes import PASSES
from chaos.shrink.search import Limits, NotRepeatable, Search
from chaos.workloads.catalogue import MIXED, parts_of
from tests.chaos.shrink.database import (
    HALF,
    LOST,
    FormulaRunner,
    Listener,
    large_plan,
    result_of,
    search_for,
)

SEEN = Hunt("seen", 500)
HUNTER = Fault("postmaster", Where("time_ms", 300, 900), victim=77, freeze=True, interlock=True)


def with_fault(plan: Plan, fault: Fault, number: int = 3) -> Plan:
    """The plan with that fault in one of its cycles."""
    cycles = list(plan.cycles)
    cycles[number - 1] = Cycle(number, fault, None, 25, 20_000, ("backend send 30: short",))
    return replace(plan, cycles=tuple(cycles))


def test_nothing_stays_of_a_plan_that_always_fails() -> None:
    search = search_for(FormulaRunner(lambda _: [LOST]))
    search.shrink()
    plan = search.plan
    assert (len(plan.cycles), plan.clients, plan.settings, plan.wal_segment_mb) == (1, 1, {}, 1)
    (cycle,) = plan.cycles
    assert (cycle.stop, cycle.checkpoint_us, cycle.disturbances, cycle.settle) == (
        None, None, (), 0,
    )  # fmt: skip
    assert cycle.fault.where == Where("started", 1, 0)
    assert plan.liveness_operations == 0
    assert plan.scheduling is not None
    assert (plan.scheduling.strategy, plan.scheduling.preemptions) == ("random-walk", 0)
    assert list(plan.mix) == ["bank"]
    shares = [value for value in plan.mix["bank"].values() if isinstance(value, float)]
    assert shares
    assert set(shares) == {0.0}


@pytest.mark.parametrize("needed", [("sets",), ("counters", "sets")])
def test_of_mixed_workloads_only_those_stay_that_matter(needed: tuple[str, ...]) -> None:
    def formula(plan: Plan) -> list[tuple[str, str]]:
        parts = parts_of(plan.mix) if plan.workload == MIXED else [plan.workload]
        return [LOST] if {*needed} <= {*parts} else []

    plan = large_plan()
    mixed = dict.fromkeys(("bank", "registers", "counters", "sets"), 1.0)
    search = search_for(FormulaRunner(formula), replace(plan, mix=plan.mix | {MIXED: mixed}))
    search.shrink()
    plan = search.plan
    if len(needed) == 1:
        assert (plan.workload, list(plan.mix)) == (needed[0], list(needed))
    else:
        assert (plan.workload, sorted(parts_of(plan.mix))) == (MIXED, sorted(needed))


def test_what_matters_stays() -> None:
    original = with_fault(large_plan(), HUNTER)
    original = replace(original, settings={**original.settings, "fsync": "off", "port": "7"})

    def formula(plan: Plan) -> list[tuple[str, str]]:
        hunted = [
            cycle
            for cycle in plan.cycles
            if cycle.fault.interlock and cycle.fault.where.count >= 12
        ]
        matters = hunted and plan.clients >= 3 and plan.settings.get("fsync") == "off"
        return [LOST] if matters else []

    search = search_for(FormulaRunner(formula), original)
    search.shrink()
    plan = search.plan
    assert plan.clients == 3
    assert plan.settings == {"fsync": "off"}
    (cycle,) = plan.cycles
    assert (cycle.fault.name, cycle.fault.interlock, cycle.fault.freeze, cycle.fault.victim) == (
        "postmaster", True, False, 0,
    )  # fmt: skip
    assert cycle.fault.where == Where("started", 12)
    assert (cycle.settle, cycle.checkpoint_us, cycle.disturbances) == (0, None, ())


def test_a_place_is_reached_earlier_and_takes_one_victim() -> None:
    placed = "backend commit-record-flushed 40: kill self+checkpointer"
    fault = Fault("place", Where("started", 5), placed=placed, occasion="crash", hunts=(SEEN,))

    def formula(plan: Plan) -> list[tuple[str, str]]:
        counts = [
            int([*cycle.fault.placed.split(":")[0].split(), "1"][2])
            for cycle in plan.cycles
            if cycle.fault.placed.startswith("backend commit-record-flushed")
        ]
        return [LOST] if counts and max(counts) >= 6 else []

    search = search_for(FormulaRunner(formula), with_fault(large_plan(), fault))
    search.shrink()
    (cycle,) = search.plan.cycles
    assert cycle.fault == Fault(
        "place", Where("started", 1), "backend commit-record-flushed 6: kill", occasion="load"
    )


def test_a_place_that_tells_nothing_becomes_a_plain_crash() -> None:
    placed = "logger pwrite 2: kill self+checkpointer"
    fault = Fault("place", Where("started", 5), placed=placed, occasion="load")

    def formula(plan: Plan) -> list[tuple[str, str]]:
        return [LOST] if any(cycle.fault.where.count >= 3 for cycle in plan.cycles) else []

    search = search_for(FormulaRunner(formula), with_fault(large_plan(), fault, 6))
    search.shrink()
    assert [cycle.fault for cycle in search.plan.cycles] == [Fault("all", Where("started", 3))]


def test_another_failure_is_not_taken_for_it() -> None:
    def formula(plan: Plan) -> list[tuple[str, str]]:
        return [LOST] if plan.clients >= 4 else [HALF]

    search = search_for(FormulaRunner(formula))
    search.shrink()
    assert search.plan.clients == 4


def test_the_signature_begins_with_what_was_searched_for() -> None:
    def formula(plan: Plan) -> list[tuple[str, str]]:
        return [LOST] if plan.clients >= 4 else [HALF, LOST]

    search = search_for(FormulaRunner(formula))
    search.shrink()
    assert search.plan.clients == 1
    assert search.signature.broken == (LOST, HALF)


def test_preemptions_are_as_few_as_can_be() -> None:
    def formula(plan: Plan) -> list[tuple[str, str]]:
        scheduling = plan.scheduling
        bound = 1000 if scheduling is None else scheduling.preemptions
        return [LOST] if bound is None or bound >= 5 else []

    search = search_for(FormulaRunner(formula))
    search.shrink()
    assert search.plan.scheduling is not None
    assert search.plan.scheduling.preemptions == 5


def test_a_failure_that_needs_luck_is_tried_with_other_schedules() -> None:
    original = large_plan()

    def formula(plan: Plan) -> list[tuple[str, str]]:
        lucky = plan.seeds["schedule"] % 2 == 0
        return [LOST] if plan == original or lucky else []

    search = search_for(FormulaRunner(formula), original)
    search.shrink()
    assert (search.plan.clients, len(search.plan.cycles)) == (1, 1)
    assert search.plan.seed == original.seed


def test_the_best_was_always_run_and_failed() -> None:
    runner = FormulaRunner(lambda plan: [LOST] if plan.clients % 2 == 0 else [])
    search = search_for(runner)
    search.shrink()
    assert search.plan in runner.made
    assert search.result == result_of(search.plan, [LOST])


@pytest.mark.parametrize("jobs", [2, 3])
def test_the_outcome_does_not_depend_on_how_many_runs_are_made_at_once(jobs: int) -> None:
    def formula(plan: Plan) -> list[tuple[str, str]]:
        lucky = plan.seeds["schedule"] % 3 != 0 or plan == large_plan()
        return [LOST] if lucky and plan.clients >= 2 and len(plan.settings) >= 1 else []

    alone, together = search_for(FormulaRunner(formula)), search_for(FormulaRunner(formula, jobs))
    alone.shrink()
    together.shrink()
    assert together.best == alone.best


def test_no_run_is_made_twice() -> None:
    runner = FormulaRunner(lambda plan: [LOST] if plan.clients >= 5 else [])
    search_for(runner).shrink()
    made = [repr(plan) for plan in runner.made[2:]]  # the first two are to see that it repeats
    assert len(made) == len(set(made))


def test_each_step_is_told_and_none_is_larger() -> None:
    listener = Listener()
    runner = FormulaRunner(lambda plan: [LOST] if plan.clients >= 2 else [])
    plan = large_plan()
    Search(plan, search_for(runner).wanted, runner, Limits(), listener).shrink()
    assert listener.passes[: len(PASSES)] == [one.name for one in PASSES]
    for before, after in zip(listener.sizes, listener.sizes[1:], strict=False):
        assert after.cycles <= before.cycles
        assert after.clients <= before.clients
        assert after.faults <= before.faults
        assert after.settings <= before.settings
    assert listener.sizes[-1].cycles < listener.sizes[0].cycles


# ends before its end -----------------------------------------------------------------------------


def test_attempts_are_bounded_and_the_best_so_far_is_kept() -> None:
    runner = FormulaRunner(lambda _: [LOST])
    search = search_for(runner, limits=Limits(attempts=4))
    search.shrink()
    assert search.is_spent
    assert len(runner.made) == search.runs == 4
    assert search.plan == runner.made[-1]
    assert len(search.plan.cycles) == 1


def test_time_is_bounded() -> None:
    runner = FormulaRunner(lambda _: [LOST])
    plan = large_plan()
    clock = iter(range(0, 1000, 5))
    search = Search(
        plan, search_for(runner).wanted, runner, Limits(seconds=30), Listener(),
        lambda: float(next(clock)),
    )  # fmt: skip
    search.shrink()
    assert search.is_spent
    assert 2 < len(runner.made) < 10


class Interrupting(FormulaRunner):
    """Is interrupted in its tenth run."""

    def one(self, plan: Plan) -> Any:
        """A run."""
        if len(self.made) == 10:
            raise KeyboardInterrupt
        return super().one(plan)


def test_an_interrupted_search_keeps_its_best() -> None:
    runner = Interrupting(lambda plan: [LOST] if plan.clients >= 2 else [])
    search = search_for(runner)
    with pytest.raises(KeyboardInterrupt):
        search.shrink()
    assert search.plan in runner.made[:9]
    assert len(search.plan.cycles) == 1
    assert search.result == result_of(search.plan, [LOST])


# what is refused ---------------------------------------------------------------------------------


class Unsteady(FormulaRunner):
    """Another digest each time."""

    runs = 0

    def one(self, plan: Plan) -> Any:
        """A run."""
        self.runs += 1
        return {**super().one(plan), "digest": f"{self.runs:064x}"}


class Changing(FormulaRunner):
    """Never what it was when the bundle was written."""

    def __init__(self, now: list[tuple[str, str]]) -> None:
        super().__init__(lambda _: [LOST])
        self._now = now

    def one(self, plan: Plan) -> Any:
        """A run."""
        return result_of(plan, self._now)


def test_a_target_that_does_not_repeat_is_refused() -> None:
    runner = Unsteady(lambda _: [LOST])
    runner.jobs = 2
    with pytest.raises(NotRepeatable, match="two different runs"):
        search_for(runner).shrink()
    assert len(runner.made) == 2


def test_a_target_without_digests_is_refused() -> None:
    class Undigested(FormulaRunner):
        def one(self, plan: Plan) -> Any:
            return {**super().one(plan), "digest": None}

    with pytest.raises(NotRepeatable, match="no digest"):
        search_for(Undigested(lambda _: [LOST])).shrink()


@pytest.mark.parametrize(
    ("now", "said"), [([], "ends with 'held'"), ([HALF], "ends with 'atomicity: half, after")]
)
def test_a_run_that_is_not_the_bundles_any_more_is_refused(
    now: list[tuple[str, str]], said: str
) -> None:
    with pytest.raises(NotRepeatable, match=said):
        search_for(Changing(now)).shrink()
