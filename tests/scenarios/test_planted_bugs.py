"""Bugs that databases had, planted into the engine: each fails the scenario that is about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.planting import BUGS, plant

ROOT = Path(__file__).resolve().parents[2]
CAUGHT_BY = {
    "answer_before_flush": "row_visibility",
    "redo_skips_every_tenth": "recovery_killed_three_times",
    "no_restart_with_a_buffer_lock": "page_changed_record_missing",
    "next_xid_forgotten": "in_progress_xid",
}


@pytest.mark.parametrize(("bug", "scenario"), CAUGHT_BY.items())
def test_a_planted_bug_is_caught(bug: str, scenario: str, tmp_path: Path) -> None:
    planted = plant(tmp_path / "planted", BUGS[bug])
    answer = subprocess.run(
        [sys.executable, "-m", "chaos", "replay", "--json", "--out", tmp_path / "out",
         Path(__file__).parent / f"{scenario}.toml"],
        env=os.environ | {"PYTHONPATH": f"{planted}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )  # fmt: skip
    assert answer.returncode == 1, answer.stderr
    assert json.loads(answer.stdout)["verdict"] == "violated"
