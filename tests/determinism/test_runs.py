"""The same seed is the same run, step for step: wherever, and beside whatever, it is done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SEED = 40
BEFORE = 39


def run(scratch: Path, *arguments: str, **environment: str) -> list[dict[str, Any]]:
    """`chaos run` under the baton: what it prints of each seed, in the order of the seeds."""
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "chaos", "run", "--schedule", "baton", "--cycles", "1", "--json",
         "--out", str(scratch / "out"), *arguments],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    return sorted(results, key=lambda result: int(result["seed"]))


@pytest.fixture(scope="module")
def usual_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the others are compared with."""
    [result] = run(tmp_path_factory.mktemp("runs") / "usual", "--seed", str(SEED))
    assert result["steps"] > 5_000, "a run of few steps shows little"
    return result


def must_be_the_same(result: dict[str, Any], usual: dict[str, Any]) -> None:
    """But for what the machine took for it."""
    assert result["digest"] == usual["digest"]
    for each in (result, usual):
        each.pop("seconds", None)
    assert result == usual


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A directory whose path has another length, and yet room for a socket's name."""
    with tempfile.TemporaryDirectory(prefix="quite-elsewhere-") as path:
        yield Path(path)


def test_a_run_elsewhere_is_the_same(usual_run: dict[str, Any], elsewhere: Path) -> None:
    [result] = run(
        elsewhere / "runs",
        "--seed", str(SEED),
        PYTHONHASHSEED="4711",
        XDG_CACHE_HOME=str(elsewhere / "cache"),
        TZ="Asia/Tokyo",
        LC_ALL="tr_TR.UTF-8",
        PGTZ="Asia/Tokyo",
        PGOPTIONS="-c no_such_setting=1",
    )  # fmt: skip
    must_be_the_same(result, usual_run)


def test_a_run_after_another_is_the_same(usual_run: dict[str, Any], tmp_path: Path) -> None:
    before, result = run(tmp_path / "after", "--seeds", f"{BEFORE}..{SEED}")
    assert before["digest"] != result["digest"]
    must_be_the_same(result, usual_run)


def test_a_run_beside_another_is_the_same(usual_run: dict[str, Any], tmp_path: Path) -> None:
    _, result = run(tmp_path / "beside", "--seeds", f"{BEFORE}..{SEED}", "--jobs", "2")
    must_be_the_same(result, usual_run)
