"""Steps written as a scenario file are read as the same steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chaos.scenario.format import parse_scenario
from chaos.scenario.step_table import scenario_text
from chaos.scenario.steps import Scenario, Step
from tests.scenarios.test_scenarios import SCENARIOS, WITH_STEPS


@pytest.mark.parametrize("file", WITH_STEPS, ids=lambda file: file.stem)
def test_a_written_scenario_is_read_as_the_same(file: Path) -> None:
    scenario = SCENARIOS[file]
    assert parse_scenario(scenario_text(scenario), "written.toml", "written") == scenario


def test_other_steps_take_the_place_of_its_own() -> None:
    scenario = next(one for one in SCENARIOS.values() if len(one.steps) > 2)
    steps: tuple[Step, ...] = scenario.steps[:2]
    again: Scenario = parse_scenario(scenario_text(scenario, steps), "written.toml", "written")
    assert again == replace(scenario, steps=steps, profile=again.profile)


def test_a_planted_bug_is_written_and_read() -> None:
    scenario = next(one for one in SCENARIOS.values() if one.steps)
    planted = replace(scenario, mutant="commit-before-flush")
    assert parse_scenario(scenario_text(planted), "written.toml", "written") == planted
