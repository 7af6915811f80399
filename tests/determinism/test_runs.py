"""What `chaos run` prints of a seed under the baton is the same beside other seeds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SEED = 42
BEFORE = 41


def run(scratch: Path, *arguments: str) -> list[dict[str, Any]]:
    """`chaos run` under the baton: what it prints of each seed, in the order of the seeds."""
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "chaos", "run", "--schedule", "baton", "--cycles", "1", "--json",
         "--out", str(scratch / "out"), *arguments],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    return sorted(results, key=lambda result: int(result["seed"]))


def test_a_run_beside_another_is_the_same(tmp_path: Path) -> None:
    [alone] = run(tmp_path / "alone", "--seed", str(SEED))
    assert alone["steps"] > 5_000, "a run of few steps shows little"
    other, beside = run(tmp_path / "beside", "--seeds", f"{BEFORE}..{SEED}", "--jobs", "2")
    assert other["digest"] != beside["digest"] == alone["digest"]
    for result in (alone, beside):
        result.pop("seconds")  # is the machine's
        result.pop("cpu_s")
    assert beside == alone
