"""Whole runs from the command line: what they print, how they end, what they leave: nothing."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.command import chaos, left_in, start
from tests.chaos.planting import plant
from tests.postgres import require_postgres

KEYS = [
    "seed",
    "verdict",
    "cycles",
    "kills",
    "operations",
    "acknowledged",
    "recovery_s",
    "replayed_records",
    "violations",
    "bundle",
]


@pytest.fixture(params=["engine", "postgres"])
def target(request: pytest.FixtureRequest) -> str:
    """Both targets, as far as they are there."""
    if request.param == "postgres":
        require_postgres("postgres")
    return str(request.param)


def only_object(output: str) -> dict[str, Any]:
    """The one JSON object that `--json` prints for one run."""
    lines = output.splitlines()
    assert len(lines) == 1
    found: dict[str, Any] = json.loads(lines[0])
    return found


def test_a_run_holds_and_leaves_nothing(target: str, scratch: Path) -> None:
    wishes = ["--seed", "1", "--cycles", "6", "--json", "--target", target]
    status, output, _ = chaos(scratch, *wishes, "--faults", "backend,checkpointer,postmaster,all")
    result = only_object(output)
    assert (status, result["verdict"], result["violations"]) == (0, "held", [])
    assert [key for key in KEYS if key not in result] == []
    assert result["kills"] == {"backend": 3, "checkpointer": 1, "postmaster": 1, "all": 1}
    assert len(result["recovery_s"]) == result["cycles"] == 6
    assert result["acknowledged"] > 0
    assert result["replayed_records"] > 0
    assert result["bundle"] is None
    assert left_in(scratch) == []


def test_the_lines_and_the_table_tell_what_happened(target: str, scratch: Path) -> None:
    wishes = ["--seed", "3", "--cycles", "2", "--target", target, "--workload", "bank"]
    status, output, _ = chaos(scratch, *wishes, "--faults", "walwriter,logger")
    assert status == 0
    lines = output.splitlines()
    assert lines[0].startswith(f"seed 3: bank with 8 clients on {target} (")
    assert any(" 1/2  killed " in line and " back in " in line for line in lines)
    assert any("killed walwriter" in line and " replayed " in line for line in lines)
    assert "seed 3: held, 2 cycles" in output
    assert "killed: " in lines[-2]


def test_a_startup_process_is_killed_in_recovery(target: str, scratch: Path) -> None:
    wishes = ["--seeds", "1..3", "--jobs", "3", "--cycles", "3", "--target", target]
    wishes += ["--schedule", "free", "--faults", "startup", "--json"]
    _, output, _ = chaos(scratch, *wishes)
    results = [json.loads(line) for line in output.splitlines()]
    assert [result["violations"] for result in results] == [[], [], []]
    assert sum(result["kills"].get("startup", 0) for result in results) > 0
    assert left_in(scratch) == []


def test_several_seeds_run_at_once_and_report_each(target: str, scratch: Path) -> None:
    wishes = ["--seeds", "4..6", "--jobs", "2", "--cycles", "1", "--target", target]
    status, output, _ = chaos(scratch, *wishes, "--faults", "backend")
    assert status == 0
    assert [f"seed {seed}: held" in output for seed in (4, 5, 6)] == [True] * 3
    assert left_in(scratch) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(
    target: str, scratch: Path, number: signal.Signals
) -> None:
    process = start(scratch, "--seed", "2", "--target", target, "--cycles", "50")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("seed 2")
    assert "1/50" in (process.stdout.readline() or process.communicate()[1])
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "interrupted: everything was stopped and removed\n"
    assert left_in(scratch) == []


def test_interrupted_jobs_leave_nothing(target: str, scratch: Path) -> None:
    wishes = ["--seeds", "1..4", "--jobs", "2", "--cycles", "50", "--target", target]
    process = start(scratch, *wishes)
    deadline = time.monotonic() + 30
    while len(list(scratch.glob("chaos-*/logs/*"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert left_in(scratch) == []


def test_a_violation_leaves_a_bundle_and_the_command(target: str, scratch: Path) -> None:
    wishes = ["--seed", "1", "--cycles", "2", "--target", target, "--faults", "all"]
    suite = ["--suite", "tests.chaos.suites:suspicious"]
    status, output, _ = chaos(scratch, *wishes, *suite)
    assert status == 1
    last = output.splitlines()[-1]
    assert last.startswith("run it again: chaos run --seed 1 ")
    assert "--faults all" in last
    bundle = scratch / "out" / "seed-1"
    summary = json.loads((bundle / "summary.json").read_text())
    assert summary["verdict"] == "violated"
    assert summary["violations"][0]["check"] == "suspicious"
    assert summary["command"] in last
    for name in ("plan.json", "history.jsonl", "history.edn", "logs", "data", "data-crash"):
        assert (bundle / name).exists(), name
    assert (bundle / "data-crash" / "global" / "pg_control").exists()
    assert left_in(scratch, but=["out"]) == []


def test_a_broken_checker_breaks_the_harness_and_not_the_verdict(
    target: str, scratch: Path
) -> None:
    wishes = ["--seed", "1", "--cycles", "1", "--target", target, "--json"]
    status, output, _ = chaos(scratch, *wishes, "--suite", "tests.chaos.suites:broken")
    result = only_object(output)
    assert (status, result["verdict"]) == (4, "harness_broken")
    assert "checker broken failed" in result["reason"]
    assert "ZeroDivisionError" in (Path(result["bundle"]) / "harness.txt").read_text()
    assert left_in(scratch, but=["out"]) == []


def test_faults_that_never_strike_measure_nothing(scratch: Path) -> None:
    require_postgres("postgres")
    wishes = ["--seed", "1", "--cycles", "1", "--target", "postgres", "--json"]
    no_logger = ["--set", "logging_collector=off", "--faults", "stop:logger"]
    status, output, _ = chaos(scratch, *wishes, *no_logger)
    result = only_object(output)
    assert (status, result["verdict"]) == (3, "not_measured")
    assert set(result["missed"]) == {"cycle 1: stop:logger: there was no logger"}
    assert result["reason"] == "no fault struck"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--target", "no.module:Target"], "there is no module 'no.module'"),
        (["--target", "nothing"], "there is no target 'nothing'"),
        (["--suite", "nothing"], "not of the form module:attribute"),
        (["--out", "/proc/1/stat/out"], "cannot be written to: Not a directory"),
        (["--out", "/proc/x"], "cannot be written to: No such file or directory"),
        (["--suite", "properties.suites:nothing"], "has no 'nothing'"),
        (["--faults", "nobody"], "there is no fault 'nobody'"),
        (["--seeds", "5..1"], "give a range"),
        (["--seed", "1", "--seeds", "1..2"], "not both"),
        (["--set", "shared_buffers"], "is not NAME=VALUE"),
        (["--cycles", "0"], "--cycles"),
        (["--workload", "nothing"], "--workload"),
        (["--schedule", "nothing"], "--schedule"),
        (["--target", "postgres", "--schedule", "baton"], "give --schedule free"),
    ],
)
def test_wrong_usage_is_said_and_has_status_2(
    arguments: list[str], said: str, scratch: Path
) -> None:
    status, output, errors = chaos(scratch, *arguments)
    assert status == 2
    assert output == ""
    assert said in errors


def test_a_setting_that_the_target_refuses_is_wrong_usage(target: str, scratch: Path) -> None:
    wishes = ["--seed", "1", "--cycles", "1", "--target", target, "--set", "no_such_setting=1"]
    status, _, errors = chaos(scratch, *wishes)
    assert status == 2
    assert "does not start" in errors
    assert left_in(scratch) == []


def test_a_refused_run_among_several_is_said_once(scratch: Path) -> None:
    wishes = ["--seeds", "1..2", "--jobs", "2", "--set", "no_such_setting=1"]
    status, _, errors = chaos(scratch, *wishes)
    assert status == 2
    assert errors.count("Usage:") == 1
    assert "Error: the engine does not start" in errors


NO_ROOM_FOR_BUNDLES = """
def plant(module):
    def full(out, seed):
        raise OSError(28, "No space left on device", str(out))

    module.bundle_directory = full

PATCHES = {"chaos.bundle": plant}
"""


def test_a_bundle_that_cannot_be_written_after_all_leaves_the_verdict(scratch: Path) -> None:
    """The disk was not full yet when the run began."""
    planted = plant(scratch / "planted", NO_ROOM_FOR_BUNDLES)
    wishes = ["--seed", "1", "--cycles", "1", "--faults", "all", "--json"]
    suite = ["--suite", "tests.chaos.suites:suspicious"]
    status, output, _ = chaos(scratch, *wishes, *suite, planted=planted)
    result = only_object(output)
    assert (status, result["verdict"], result["bundle"]) == (1, "violated", None)
    assert "the bundle could not be written" in result["reason"]


def test_who_has_no_directory_for_templates_has_none_kept(
    target: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    wishes = ["--seed", "1", "--cycles", "3", "--target", target, "--faults", "backend"]
    status, output, _ = chaos(scratch, *wishes)
    assert status == 0, output
    assert left_in(scratch) == []


def test_print_plan_prints_the_plan_and_runs_nothing(scratch: Path) -> None:
    status, output, _ = chaos(scratch, "--seed", "5", "--cycles", "10", "--print-plan")
    plan = json.loads(output)
    assert status == 0
    assert plan["seed"] == 5
    assert len(plan["cycles"]) == 10
    assert left_in(scratch) == []
