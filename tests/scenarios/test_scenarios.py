"""Every scenario in this directory holds, on each target and schedule that it is meant for; and
none of them holds when the answer to its last question is another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from chaos.plan import BATON, FREE
from chaos.scenario.format import read_scenario
from chaos.scenario.playing import Stage
from tests.postgres import require_postgres

FILES = tuple(sorted(Path(__file__).parent.glob("*.toml")))
SCENARIOS = {file: read_scenario(file) for file in FILES}
WITH_STEPS = tuple(file for file in FILES if SCENARIOS[file].plan is None)


class Case(NamedTuple):
    """One play of one file."""

    target: str
    schedule: str
    file: Path

    def __str__(self) -> str:
        return f"{self.file.stem}-{self.target}-{self.schedule}"


def cases() -> list[Case]:
    """Faults by place and power losses need the baton, and that has the engine only."""
    found = [Case("engine", BATON, file) for file in FILES]
    for file, scenario in SCENARIOS.items():
        if not (scenario.arms or scenario.loses_power) and scenario.plan is None:
            found += [Case(target, FREE, file) for target in scenario.targets]
    return sorted(found)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with closing(Stage(tmp_path_factory.mktemp("out"))) as one:
        yield one


@pytest.mark.parametrize("case", cases(), ids=str)
def test_the_scenario_holds(stage: Stage, case: Case) -> None:
    if case.target == "postgres":
        require_postgres("postgres")
    result = stage.play(SCENARIOS[case.file], case.file, "", case.target, case.schedule)
    assert (result["verdict"], result["reason"]) == ("held", "")


@pytest.mark.parametrize("file", WITH_STEPS, ids=lambda file: file.stem)
def test_the_scenario_can_fail(stage: Stage, file: Path) -> None:
    scenario = SCENARIOS[file]
    hold = scenario.holds[-1]
    wrong = replace(hold, rows=(("never", "there"), *hold.rows))
    flipped = replace(scenario, holds=(*scenario.holds[:-1], wrong))
    result = stage.play(flipped, file, "", "engine", BATON)
    assert result["verdict"] == "violated"
    assert f"[[hold]] {len(scenario.holds)} ({hold.sql})" in result["reason"]
    assert "expected the rows [(never, there), (" in result["reason"]


def test_every_scenario_says_what_it_is_about() -> None:
    for file, scenario in SCENARIOS.items():
        assert scenario.hypothesis.endswith("."), file
        assert scenario.plan is not None or scenario.holds, file
