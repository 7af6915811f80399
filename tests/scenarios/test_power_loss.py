"""A power loss in a scenario takes what was not synced, and only that; it can be seen to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chaos.scenario.format import parse_scenario
from chaos.scenario.playing import Stage
from chaos.targets.api import TargetUnusable

STEPS = """
hypothesis = "What is acknowledged survives."

[settings]
fsync = {fsync}

[[step]]
session = "a"
sql = "CREATE TABLE t (id int); INSERT INTO t VALUES (1)"

[[step]]
kill = "{victim}"

[[step]]
power_loss = "{kept}"

[[step]]
start = "up"

[[hold]]
sql = "SELECT count(*) FROM t"
rows = [[1]]
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with closing(Stage(tmp_path_factory.mktemp("out"))) as one:
        yield one


def play(
    stage: Stage, tmp_path: Path, kept: str, *, fsync: bool, victim: str = "bgwriter"
) -> dict[str, Any]:
    text = STEPS.format(fsync=str(fsync).lower(), kept=kept, victim=victim)
    file = tmp_path / "scenario.toml"
    file.write_text(text)
    return stage.play(parse_scenario(text, str(file), "scenario"), file, "")


@pytest.mark.parametrize("victim", ["bgwriter", "postmaster", "all"])
def test_what_is_synced_survives_whoever_was_dead_before(
    stage: Stage, tmp_path: Path, victim: str
) -> None:
    result = play(stage, tmp_path, "drop-unsynced", fsync=True, victim=victim)
    assert (result["verdict"], result["reason"]) == ("held", "")


def test_what_is_not_synced_is_lost_if_the_disk_drops_it(stage: Stage, tmp_path: Path) -> None:
    assert play(stage, tmp_path, "drop-unsynced", fsync=False)["verdict"] == "violated"
    assert play(stage, tmp_path, "keep-unsynced", fsync=False)["verdict"] == "held"


def test_only_a_disk_of_ours_can_lose_its_power(stage: Stage, tmp_path: Path) -> None:
    text = STEPS.format(fsync="true", kept="draw", victim="all")
    scenario = parse_scenario(text, "x.toml", "x")
    with pytest.raises(TargetUnusable, match="has no disk for that"):
        stage.play(scenario, tmp_path / "x.toml", "", "engine", "free")
