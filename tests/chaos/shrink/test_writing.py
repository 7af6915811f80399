"""What comes of a shrink: files that say exactly what was found."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from chaos.plan import Plan, Wishes, make_plan
from chaos.scenario.format import read_scenario
from chaos.shrink.signature import Signature
from chaos.shrink.writing import write
from tests.chaos.shrink.database import LOST, FormulaRunner, search_for

SIGNATURE = Signature("violated", (LOST, ("errors", "error XX000")), "crash")
SOURCE = "Shrunk from somewhere."


@pytest.mark.parametrize("seed", range(12))
def test_a_scenario_read_back_is_the_same_plan(seed: int, tmp_path: Path) -> None:
    plan = make_plan(seed, Wishes(cycles=8))
    written = write(tmp_path, plan, SIGNATURE, SOURCE, "properties.suites:default")
    assert read_scenario(written.scenario).plan == plan


def test_a_shrunk_plan_read_back_is_the_same_with_another_seed_for_its_schedule(
    tmp_path: Path,
) -> None:
    def formula(plan: Plan) -> list[tuple[str, str]]:
        return [LOST] if plan.clients >= 2 or plan.seeds["schedule"] % 2 else []

    search = search_for(FormulaRunner(formula))
    search.shrink()
    written = write(tmp_path, search.plan, search.signature, SOURCE, "properties.suites:default")
    assert written.scenario.name == "durability_lost_after_a_crash.toml"
    scenario = read_scenario(written.scenario)
    assert scenario.plan == search.plan
    assert scenario.hypothesis == "Nothing of this is found: durability: lost, after a crash."


def test_the_test_is_one_file_with_the_scenario_in_it(tmp_path: Path) -> None:
    plan = make_plan(3, Wishes(cycles=1))
    written = write(tmp_path, plan, SIGNATURE, SOURCE, "my.suites:all_of_them")
    text = written.test.read_text()
    functions = [node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    assert written.test.name == "test_durability_lost_after_a_crash.py"
    assert functions == ["test_durability_lost_after_a_crash"]
    assert written.scenario.read_text() in text
    assert 'Stage(tmp_path, "my.suites:all_of_them")' in text


def test_a_second_shrink_of_the_same_failure_takes_the_place_of_the_first(tmp_path: Path) -> None:
    for seed in (1, 2):
        plan = make_plan(seed, Wishes(cycles=1))
        write(tmp_path / "out", plan, SIGNATURE, SOURCE, "properties.suites:default")
    assert len(list((tmp_path / "out").iterdir())) == 2
    written = tmp_path / "out" / "durability_lost_after_a_crash.toml"
    assert read_scenario(written).plan == make_plan(2, Wishes(cycles=1))
