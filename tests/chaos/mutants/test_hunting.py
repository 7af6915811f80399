"""The hunt for planted bugs, and the matrix, without running anything."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console

from chaos.mutants.hunting import Hunt, Phase
from chaos.mutants.matrix import hunt_all, only_catchers
from chaos.mutants.naive import naive_plan
from chaos.mutants.planting import as_asked, find_mutant, judge, planted
from chaos.oracle import UnknownName
from chaos.plan import FREE, Plan, Wishes, make_plan
from chaos.report.mutants import matrix_markdown, row_text, show_matrix, troubles
from chaos.session import again_command

ONE, OTHER = "replay-stops-one-early", "repeatable-read-moves"


def result(plan: Plan, *seen: str, broken: str = "") -> dict[str, Any]:
    """Of a run in which these checkers spoke."""
    verdict = "harness_broken" if broken else "violated" if seen else "held"
    pairs = [pair.split(": ") for pair in seen]
    violations = [{"check": check, "kind": kind, "message": ""} for check, kind in pairs]
    return {"verdict": verdict, "reason": broken, "violations": violations, "cpu_s": 2.0,
            "seed": plan.seed}  # fmt: skip


class Script:
    """A crew for which it is written down what each run shows."""

    def __init__(self, jobs: int, **shows: dict[int, tuple[str, ...]]) -> None:
        self.jobs = jobs
        self._shows = {name.replace("_", "-"): runs for name, runs in shows.items()}
        self.asked: list[tuple[str | None, str, int]] = []

    def ask(self, number: int, plan: Plan) -> None:
        """Note it."""
        self.asked.append((plan.mutant, plan.schedule, plan.seed))

    def first_of(self, numbers: Sequence[int]) -> int:
        """The last that was asked: who is first does not matter (HUNT-1)."""
        return numbers[-1]

    def answer(self, number: int, plan: Plan) -> dict[str, Any]:
        """As written."""
        if plan.mutant is None or plan.schedule == FREE:
            return result(plan)
        return result(plan, *self._shows.get(plan.mutant, {}).get(plan.seed, ()))


def quiet(what: str, done: int, of: int, other: int) -> None:
    """Nothing."""


def hunted(crew: Script, *names: str, **how: Any) -> dict[str, Hunt]:
    """All hunts, over."""
    hunts = [Hunt(find_mutant(name), range(4), **how) for name in names]
    return {hunt.mutant.name: hunt for hunt in hunt_all(hunts, crew, quiet)}


def test_hunt_ends_with_the_seed_that_caught_it_and_tries_that_without_the_mutant() -> None:
    crew = Script(1, replay_stops_one_early={2: ("durability: lost", "sets: never read")})
    hunt = hunted(crew, ONE)[ONE]
    seeds = [(ONE, "baton", 0), (ONE, "baton", 1), (ONE, "baton", 2), (None, "baton", 2)]
    assert crew.asked == seeds
    assert (hunt.caught_after, hunt.seed, hunt.clean, hunt.cpu_s) == (3, 2, "held", 6.0)
    assert hunt.checkers() == ["durability", "sets"]
    assert troubles(hunt.to_object()) == []


def test_what_does_not_name_the_cause_has_not_caught_it() -> None:
    """PLANT-1."""
    crew = Script(1, replay_stops_one_early={0: ("leftovers: left behind",)})
    row = hunted(crew, ONE)[ONE].to_object()
    assert (row["caught"], row["runs"]) == (False, 4)
    assert row["misnamed"] == [["leftovers: left behind"]]
    assert troubles(row) == ["not caught; seen by leftovers: left behind"]


def test_hunt_goes_on_until_it_was_caught_so_often() -> None:
    crew = Script(1, replay_stops_one_early=dict.fromkeys(range(4), ("durability: lost",)))
    hunt = hunted(crew, ONE, catches=3)[ONE]
    assert (hunt.runs, hunt.caught_after, len(hunt.seen)) == (3, 1, 3)


def test_hunts_do_not_change_each_other() -> None:
    """HUNT-1."""
    shows: dict[str, Any] = {
        "replay_stops_one_early": {1: ("durability: lost",)},
        "repeatable_read_moves": {3: ("bank_total: total", "atomicity: accounts")},
    }
    found = []
    for jobs in (1, 2, 3):
        hunts = hunted(Script(jobs, **shows), ONE, OTHER, is_naive_wanted=True)
        found.append({name: hunt.to_object() for name, hunt in sorted(hunts.items())})
    assert found[0] == found[1] == found[2]
    assert found[0][OTHER]["naive"] == {"runs": 4, "cpu_s": 8.0, "caught_after": None}


def test_only_catcher_is_who_spoke_alone_in_every_run() -> None:
    """MATRIX-1."""
    crew = Script(
        1,
        replay_stops_one_early={0: ("durability: lost",), 1: ("durability: lost",)},
        repeatable_read_moves={
            0: ("bank_total: total",),
            1: ("bank_total: total", "lost_update: x"),
        },
    )
    hunts = hunted(crew, ONE, OTHER, catches=2)
    assert only_catchers(list(hunts.values())) == {
        "bank_total": {"sees": [OTHER], "only": []},
        "durability": {"sees": [ONE], "only": [ONE]},
        "lost_update": {"sees": [OTHER], "only": []},
    }


def test_harness_that_breaks_ends_the_hunt_and_is_told() -> None:
    hunt = Hunt(find_mutant(ONE), range(4))
    plan = hunt.next_plan()
    assert plan is not None
    hunt.hear(plan, result(plan, broken="MutantDoesNotApply: Wal has no 'flush'"))
    assert hunt.next_plan() is None
    assert hunt.phase is Phase.DONE
    assert troubles(hunt.to_object()) == ["seed 0: MutantDoesNotApply: Wal has no 'flush'"]


def test_matrix_is_a_table_with_what_is_wrong_below() -> None:
    crew = Script(1, replay_stops_one_early={0: ("durability: lost",)})
    hunts = hunted(crew, ONE, OTHER)
    rows = [hunt.to_object() for _, hunt in sorted(hunts.items())]
    out = io.StringIO()
    found = {"seeds": 4, "mutants": rows, "checkers": only_catchers(list(hunts.values()))}
    show_matrix(Console(file=out, width=100), found)
    said = out.getvalue()
    assert "durability*" in said
    assert row_text(rows[1]) == f"{ONE}: 1 seed, 2.0 CPU s, durability*"
    assert "not in 4" in said
    assert f"{OTHER}: not caught" in said
    assert f"| `{ONE}` | 1 | 2.0 | durability\\* | - | - |" in matrix_markdown(found)


def test_naive_run_kills_at_random_moments_and_nothing_else() -> None:
    for seed in range(20):
        plan = naive_plan(seed, find_mutant(ONE))
        assert (plan.schedule, plan.mutant, plan.profile) == (FREE, ONE, None)
        assert len({cycle.fault.where.count for cycle in plan.cycles}) > 1
        for cycle in plan.cycles:
            fault = cycle.fault
            assert fault.where.counter == "time_ms"
            assert not any((fault.freeze, fault.in_the_way, fault.interlock, fault.placed))
            assert cycle.stop is None
            assert cycle.checkpoint_us is None


def test_what_exposes_a_mutant_is_wished_for_unless_something_else_is() -> None:
    mutant = find_mutant("prune-replayed-twice")
    wishes = planted(Wishes(mutant=mutant.name))
    assert wishes.faults == mutant.faults
    assert wishes.settings == {"full_page_writes": "off"}
    assert as_asked(wishes) == Wishes(mutant=mutant.name)
    own = Wishes(mutant=mutant.name, faults=("all",), settings={"full_page_writes": "on"})
    assert planted(own) == own
    assert as_asked(planted(own)) == own


def test_command_says_the_mutant_and_no_more_than_was_asked_for() -> None:
    wishes = planted(Wishes(mutant="prune-replayed-twice", clients=4))
    said = again_command(3, wishes)
    assert said == ("chaos run --seed 3 --target engine --mutant prune-replayed-twice --clients 4")


def test_mutant_changes_nothing_else_in_the_plan() -> None:
    """PLAN-2."""
    plan = make_plan(5, Wishes(mutant=ONE))
    assert plan.mutant == ONE
    assert plan.to_object() | {"mutant": None} == make_plan(5, Wishes()).to_object()
    assert Plan.from_object(plan.to_object()) == plan


def test_a_mutant_that_is_not_there_is_told_with_those_that_are_like_it() -> None:
    with pytest.raises(UnknownName, match="replay-stops-one-early"):
        find_mutant("replay")


def test_verdict_on_a_mutant() -> None:
    """PLANT-1: a checker alone stands for all its kinds."""
    mutant = find_mutant(ONE)
    plan = make_plan(0, Wishes(mutant=ONE))
    assert judge(result(plan, "durability: lost"), mutant)["caught"]
    assert not judge(result(plan), mutant)["caught"]
