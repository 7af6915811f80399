"""Plans: the same seed gives the same, streams are independent, every role gets its turn."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chaos.plan
from chaos.faults.catalogue import (
    BY_NAME_ONLY,
    DISK,
    FAULTS,
    IN_THE_SWARM,
    KILLS,
    PLACE,
    STOPS,
    UnknownFault,
    parse_faults,
)
from chaos.faults.places import ALL, KILL, Action, parse_fault
from chaos.faults.reach import REACH
from chaos.plan import BATON, FREE, SCHEDULES, Cycle, Plan, Wishes, make_plan
from chaos.seeds import child_seed, stream

SEEDS = st.integers(0, 1 << 40)


@given(seed=SEEDS)
def test_the_same_seed_gives_the_same_plan(seed: int) -> None:
    assert make_plan(seed, Wishes()) == make_plan(seed, Wishes())


def test_a_plan_is_the_same_on_every_machine() -> None:
    assert child_seed(7, "faults", 3) == 13736305438443023701
    assert make_plan(7, Wishes()).to_object()["seeds"]["faults"] == child_seed(7, "faults")


@given(seed=SEEDS)
def test_pinning_a_setting_or_the_workload_changes_nothing_else(seed: int) -> None:
    free = make_plan(seed, Wishes())
    pinned = make_plan(seed, Wishes(settings={"shared_buffers": "1MB"}, workload="bank"))
    assert pinned.cycles == free.cycles
    assert pinned.mix == free.mix
    assert pinned.clients == free.clients
    others = {name: text for name, text in free.settings.items() if name != "shared_buffers"}
    assert pinned.settings == others | {"shared_buffers": "1MB"}


def test_recovery_compares_pages_in_half_of_the_seeds_and_nothing_else_depends_on_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plans = [make_plan(seed, Wishes()) for seed in range(200)]
    compared = [plan for plan in plans if "wal_consistency_checking" in plan.settings]
    assert 70 < len(compared) < 130
    assert {plan.settings["wal_consistency_checking"] for plan in compared} == {"all"}
    monkeypatch.setattr(chaos.plan, "SHARE_COMPARED", 0.0)
    for plan in plans[:50]:
        without = dict(plan.settings)
        without.pop("wal_consistency_checking", None)
        assert make_plan(plan.seed, Wishes()) == replace(plan, settings=without)


@given(seed=SEEDS)
def test_the_number_of_clients_changes_no_setting_but_the_buffers(seed: int) -> None:
    few, many = (make_plan(seed, Wishes(clients=clients)) for clients in (2, 8))
    for name in (few.settings | many.settings).keys() - {"shared_buffers"}:
        assert few.settings.get(name) == many.settings.get(name)
    assert few.cycles == many.cycles


@given(seed=SEEDS)
def test_stops_change_nothing_about_the_kills(seed: int) -> None:
    names = ("backend", "checkpointer")
    alone, beside = (make_plan(seed, Wishes(faults=f)) for f in (names, (*names, "stop:logger")))
    assert [replace(cycle, stop=None) for cycle in beside.cycles] == list(alone.cycles)


def test_some_kills_are_in_the_midst_of_a_checkpoint() -> None:
    wishes = Wishes(schedule="free")
    cycles = [cycle for seed in range(40) for cycle in make_plan(seed, wishes).cycles]
    during = Counter(c.fault.name for c in cycles if c.checkpoint_us is not None)
    assert during["checkpointer"] > 10
    assert "logger" not in during


@given(seed=SEEDS)
def test_more_cycles_do_not_change_where_the_first_ones_strike(seed: int) -> None:
    few, many = (make_plan(seed, Wishes(cycles=count)).cycles for count in (4, 12))
    assert many[:4] == few


def victims_of(cycle: Cycle) -> set[str]:
    """Who is killed: the role that the fault is named by, or that of its place."""
    if cycle.fault.name != PLACE:
        return {cycle.fault.name}
    placed = parse_fault(cycle.fault.placed)
    return {placed.place.role, *placed.action.who} - {"self"}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_role_is_killed_over_seeds_1_to_5(schedule: str) -> None:
    planned: set[str] = set()
    for seed in range(1, 6):
        for cycle in make_plan(seed, Wishes(schedule=schedule, cycles=10)).cycles:
            planned |= victims_of(cycle)
    assert set(KILLS) - {"postmaster+children"} <= planned


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_fault_comes_up_over_many_seeds(schedule: str) -> None:
    planned: Counter[str] = Counter()
    for seed in range(80):
        for cycle in make_plan(seed, Wishes(schedule=schedule, cycles=10)).cycles:
            planned[cycle.fault.name] += 1
            if cycle.stop is not None:
                planned[cycle.stop.name] += 1
    not_drawn = {"startup", "stop:startup", *DISK} if schedule == BATON else {PLACE, *DISK}
    drawn = set(IN_THE_SWARM) if schedule == BATON else set()
    assert set(planned) == set(FAULTS) - not_drawn | drawn


def test_places_are_drawn_under_the_baton_alone() -> None:
    free, baton = (
        [c for seed in range(40) for c in make_plan(seed, Wishes(schedule=schedule)).cycles]
        for schedule in (FREE, BATON)
    )
    assert not any(cycle.fault.placed or cycle.disturbances for cycle in free)
    assert sum(cycle.fault.name == PLACE for cycle in baton) > len(baton) // 2
    assert any(cycle.disturbances for cycle in baton)


@given(seed=SEEDS)
def test_places_are_places_that_a_target_can_read(seed: int) -> None:
    for cycle in make_plan(seed, Wishes(cycles=12)).cycles:
        if cycle.fault.name == PLACE:
            assert str(parse_fault(cycle.fault.placed)) == cycle.fault.placed
            assert cycle.fault.occasion in REACH[parse_fault(cycle.fault.placed).place.role]
        assert [str(parse_fault(text)) for text in cycle.disturbances] == list(cycle.disturbances)


@given(seed=SEEDS, names=st.sets(st.sampled_from(FAULTS), min_size=1))
def test_only_the_wanted_faults_are_planned(seed: int, names: set[str]) -> None:
    wanted = parse_faults(",".join(sorted(names)))
    plan = make_plan(seed, Wishes(faults=wanted, cycles=12))
    planned = {cycle.fault.name for cycle in plan.cycles}
    if names & {"startup", "stop:startup"}:
        planned.discard(PLACE)  # in virtual time a startup process is met at a place
    planned |= {cycle.stop.name for cycle in plan.cycles if cycle.stop is not None}
    assert planned <= names


@given(seed=SEEDS, target=st.sampled_from(["engine", "postgres"]))
def test_buffers_suffice_for_the_clients(seed: int, target: str) -> None:
    plan = make_plan(seed, Wishes(target=target))
    pages = int(plan.settings.get("shared_buffers", "1024kB").removesuffix("kB")) // 8
    assert pages >= 4 * plan.clients
    assert pages >= 16


@given(seed=SEEDS)
def test_a_plan_is_data(seed: int) -> None:
    plan = make_plan(seed, Wishes()).to_object()
    assert json.loads(json.dumps(plan)) == plan
    assert Plan.from_object(plan) == make_plan(seed, Wishes())


def test_streams_are_independent() -> None:
    first = [stream(1, name).random() for name in ("a", "b", "c")]
    assert len(set(first)) == 3
    assert stream(1, "a").random() == first[0]


def test_fault_lists_and_groups() -> None:
    assert parse_faults("stop:logger, backend") == ("backend", "stop:logger")
    assert parse_faults("kill:backend") == ("backend",)
    assert parse_faults("kill") == KILLS
    assert parse_faults("stop") == STOPS
    assert parse_faults("any") == tuple(name for name in FAULTS if name not in BY_NAME_ONLY)


@pytest.mark.parametrize("text", ["", "nobody", "stop:all", "backend,,kil"])
def test_unknown_faults_are_refused_by_name(text: str) -> None:
    with pytest.raises(UnknownFault):
        parse_faults(text)


# power losses ------------------------------------------------------------------------------------

POWER = Wishes(faults=("power-loss",))


@given(seed=SEEDS)
def test_a_power_loss_is_a_death_of_all_at_a_place_and_perhaps_again_in_recovery(seed: int) -> None:
    for cycle in make_plan(seed, POWER).cycles:
        fault = cycle.fault
        for text in filter(None, (fault.placed, *fault.then)):
            placed = parse_fault(text)
            assert (str(placed), placed.action) == (text, Action(KILL, (ALL,)))
            assert placed.place.role in REACH
        assert bool(fault.placed) == bool(fault.occasion)


def test_several_power_losses_in_a_row_are_ordinary() -> None:
    drawn = [cycle.fault for seed in range(100) for cycle in make_plan(seed, POWER).cycles]
    in_recovery = Counter(len(fault.then) for fault in drawn)
    assert in_recovery[1] > len(drawn) // 5
    assert in_recovery[2] > len(drawn) // 20
    assert len({fault.choice for fault in drawn}) == len(drawn)
    assert {fault.occasion for fault in drawn} == {"", "load", "crash", "shutdown"}


@given(seed=SEEDS)
def test_beside_a_power_loss_no_setting_is_drawn_that_breaks_promises(seed: int) -> None:
    plan = make_plan(seed, Wishes())
    if any(cycle.fault.name in DISK for cycle in plan.cycles):
        assert not {"fsync", "full_page_writes"} & plan.settings.keys()
        assert plan.profile == "strict"
    else:
        assert plan.profile is None
    pinned = make_plan(seed, Wishes(faults=("power-loss",), settings={"fsync": "off"}))
    assert pinned.settings["fsync"] == "off"


def test_the_profile_is_the_users_to_choose() -> None:
    plan = make_plan(1, Wishes(faults=("power-loss",), profile="xfs"))
    assert plan.profile == "xfs"
    assert replace(plan, profile="strict") == make_plan(1, POWER)
    assert make_plan(1, Wishes(faults=("backend",), profile="xfs")).profile is None
