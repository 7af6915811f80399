"""Runs on a disk that fails: the engine stands it, and engines that do not are found out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.chaos.command import chaos, left_in
from tests.chaos.planting import FSYNC_TRIED_AGAIN, plant


def run(scratch: Path, *wishes: str, planted: str = "") -> tuple[int, dict[str, Any]]:
    """One run: its exit status and what `--json` says."""
    status, output, _ = chaos(scratch, *wishes, "--json", planted=planted)
    found: dict[str, Any] = json.loads(output)
    return status, found


def test_the_engine_stands_a_disk_that_fails_in_every_way(scratch: Path) -> None:
    faults = "fsync-fails,io-error,disk-full,short-io,bit-rot"
    status, result = run(scratch, "--seed", "2", "--cycles", "5", "--faults", faults)
    assert (status, result["violations"]) == (0, [])
    assert len(result["missed"]) <= 2
    assert left_in(scratch) == []


def test_a_failed_fsync_that_is_tried_again_is_a_violation(scratch: Path) -> None:
    planted = plant(scratch / "planted", FSYNC_TRIED_AGAIN)
    wishes = ["--seed", "1", "--faults", "fsync-fails"]
    status, result = run(scratch, *wishes, planted=planted)
    assert status == 1
    assert result["violations"][0]["kind"] == "answered nothing"
    assert "had to be 'panic'" in result["reason"]


def test_an_engine_that_ignores_checksums_is_a_violation(scratch: Path) -> None:
    wishes = ["--seed", "1", "--faults", "bit-rot", "--set", "ignore_checksum_failure=on"]
    status, result = run(scratch, *wishes)
    assert status == 1
    assert result["violations"][0]["kind"] == "rot not noticed"


def test_a_violation_after_a_fault_that_is_out_of_contract_says_so(scratch: Path) -> None:
    status, result = run(scratch, "--seed", "1", "--cycles", "1", "--faults", "wal-rot")
    assert status == 1
    assert "OUT OF CONTRACT: wal-rot" in result["reason"]
