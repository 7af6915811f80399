"""A bundle is run again: the same run, or the step where it is another, and what that means."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos.plan import Plan, Wishes, make_plan
from chaos.replay import NoBundle, read_bundle
from chaos.scheduler.layout import ENTRY_BYTES
from tests.chaos.command import ROOT, chaos, left_in

WISHES = ["--cycles", "1", "--clients", "2", "--workload", "bank", "--faults", "all"]
SUSPICIOUS = ["--suite", "tests.chaos.suites:suspicious"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A bundle of a run that was violated."""
    scratch = tmp_path_factory.mktemp("made")
    status, output, errors = chaos(scratch, "--seed", "2", *WISHES, *SUSPICIOUS)
    assert status == 1, output + errors
    yield scratch / "out" / "seed-2"
    assert left_in(scratch, but=["out"]) == []


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "bundle", symlinks=True))


def replay(scratch: Path, *arguments: object) -> tuple[int, str, str]:
    """`chaos replay` to its end, somewhere else than where the bundle was made."""
    done = subprocess.run(
        [sys.executable, "-m", "chaos", "replay", *map(str, arguments)],
        cwd=scratch,
        env=os.environ | {"TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


def change_summary(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Let the summary say something else."""
    summary = json.loads((bundle / "summary.json").read_text())
    change(summary)
    (bundle / "summary.json").write_text(json.dumps(summary))


def falsify(bundle: Path, step: int) -> None:
    """As if that step had been about something else, and the digest were of that."""
    entries = bytearray(gzip.decompress((bundle / "trace.bin.gz").read_bytes()))
    entries[step * ENTRY_BYTES + 16] ^= 1
    (bundle / "trace.bin.gz").write_bytes(gzip.compress(bytes(entries)))
    change_summary(bundle, lambda summary: summary.update(digest="0" * 64))


# what a bundle has -------------------------------------------------------------------------------


def test_a_bundle_has_plan_decisions_digest_stacks_and_versions(made: Path) -> None:
    summary = json.loads((made / "summary.json").read_text())
    entries = gzip.decompress((made / "trace.bin.gz").read_bytes())
    assert len(entries) == (summary["steps"] + 1) * ENTRY_BYTES
    assert len(summary["digest"]) == 64
    assert "pg_wal" in json.loads((made / "names.json").read_text())
    plan = Plan.from_object(json.loads((made / "plan.json").read_text()))
    assert (plan.seed, plan.schedule, len(plan.cycles)) == (2, "baton", 1)
    stacks = (made / "stacks.txt").read_text()
    for name in ("controller: has the turn", "postmaster 10", "checkpointer 10"):
        assert name in stacks
    assert "in await_turn" in stacks
    assert summary["suite"] == SUSPICIOUS[1]
    assert sorted(summary["versions"]["sources"]) == ["chaos", "engine", "properties"]
    assert {"pglast", "psycopg"} <= summary["versions"]["packages"].keys()


@pytest.mark.parametrize("schedule", ["baton", "free"])
def test_a_plan_is_read_back_as_it_was_written(schedule: str) -> None:
    for seed in range(50):
        plan = make_plan(seed, Wishes(schedule=schedule))
        assert Plan.from_object(json.loads(json.dumps(plan.to_object()))) == plan
    with pytest.raises(ValueError, match="not a plan of this version"):
        Plan.from_object(plan.to_object() | {"clientele": 3})


# replays -----------------------------------------------------------------------------------------


def test_a_replay_is_the_same_run_and_ends_in_its_verdict(bundle: Path, scratch: Path) -> None:
    status, output, _ = replay(scratch, bundle, "--json")
    result = json.loads(output)
    assert (status, result["verdict"]) == (1, "violated")
    assert (result["same_digest"], result["first_difference"]) == (True, None)
    assert result["digest"] == json.loads((bundle / "summary.json").read_text())["digest"]
    assert left_in(scratch) == []


def test_another_run_with_the_same_versions_breaks_the_harness(bundle: Path, scratch: Path) -> None:
    falsify(bundle, 700)
    status, output, _ = replay(scratch, bundle)
    assert status == 4
    lines = output.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("NOT THE SAME RUN: digest "))
    assert lines[at + 1] == "the first difference is step 700:"
    assert [line.split()[0] for line in lines[at + 2 : at + 7]] == [str(n) for n in range(695, 700)]
    assert [line.split()[:2] for line in lines[at + 7 : at + 9]] == [
        ["bundle", "700"],
        ["now", "700"],
    ]
    assert lines[at + 7].split()[2:] != lines[at + 8].split()[2:]


def test_another_run_after_a_change_of_the_source_is_judged_by_itself(
    bundle: Path, scratch: Path
) -> None:
    falsify(bundle, 3)
    change_summary(bundle, lambda summary: summary["versions"]["sources"].update(engine="0123"))
    status, output, _ = replay(scratch, bundle)
    assert status == 1
    assert output.startswith("not as it was: sources: engine: 0123, now ")
    assert "NOT THE SAME RUN" in output
    status, output, _ = replay(scratch, bundle, "--json")
    result = json.loads(output)
    assert (status, result["verdict"], result["same_digest"]) == (1, "violated", False)
    assert result["first_difference"]["step"] == 3
    assert result["changed"][0].startswith("sources: engine: 0123")


def test_a_trace_that_cannot_be_read_is_said(bundle: Path, scratch: Path) -> None:
    (bundle / "trace.bin.gz").unlink()
    change_summary(bundle, lambda summary: summary.update(digest="0" * 64))
    status, output, _ = replay(scratch, bundle)
    assert status == 4
    assert "where they part cannot be told: no trace can be read" in output


def test_a_bundle_of_a_free_run_is_the_same_plan_again(made: Path, scratch: Path) -> None:
    wishes = ["--seed", "2", "--schedule", "free", *WISHES, *SUSPICIOUS]
    assert chaos(scratch, *wishes)[0] == 1
    status, output, _ = replay(scratch, scratch / "out" / "seed-2")
    assert status == 1
    assert output.splitlines()[-1] == "nothing to compare with: the bundle has no digest"


# wrong usage -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda bundle: (bundle / "summary.json").unlink(),
        lambda bundle: (bundle / "plan.json").unlink(),
        lambda bundle: (bundle / "plan.json").write_text("{}"),
        lambda bundle: (bundle / "plan.json").write_text("[]"),
        lambda bundle: (bundle / "summary.json").write_text("{}"),
        lambda bundle: (bundle / "summary.json").write_text("half a summ"),
    ],
)
def test_what_is_no_bundle_is_refused(bundle: Path, change: Callable[[Path], object]) -> None:
    change(bundle)
    with pytest.raises(NoBundle, match="is no bundle that can be replayed"):
        read_bundle(bundle)


def test_of_a_bundle_of_another_command_the_command_is_said(tmp_path: Path) -> None:
    """As `chaos explore` leaves one."""
    (tmp_path / "summary.json").write_text('{"command": "chaos explore --seed 7"}')
    with pytest.raises(NoBundle, match="the same again: chaos explore --seed 7"):
        read_bundle(tmp_path)


def test_wrong_usage_is_said_and_has_status_2(bundle: Path, scratch: Path) -> None:
    for arguments, said in (
        ([scratch], "is no bundle that can be replayed: it has no summary.json\n"),
        ([bundle, "--out", "/proc/x"], "'/proc/x' cannot be written to: No such file"),
        ([bundle, "--seed", "3"], "a bundle has a target, a schedule and a seed of its own"),
        ([bundle, "--schedule", "free"], "a bundle has a target, a schedule and a seed of its own"),
    ):
        status, output, errors = replay(scratch, *arguments)
        assert (status, output) == (2, "")
        assert said in errors


# chaos run --trace, --doublecheck ----------------------------------------------------------------


def test_a_run_can_be_traced(scratch: Path) -> None:
    path = scratch / "steps.txt"
    status, output, _ = chaos(scratch, "--seed", "2", *WISHES, "--json", "--trace", str(path))
    steps = json.loads(output)["steps"]
    lines = path.read_text().splitlines()
    assert status == 0
    assert len(lines) == 1 + steps
    assert int(lines[-1].split()[0]) == steps
    assert any("death by KILL" in line for line in lines)
    events = json.loads((scratch / "steps.txt.perfetto.json").read_text())["traceEvents"]
    assert {"controller", "postmaster 1", "checkpointer 1"} <= {
        event["args"]["name"] for event in events if event["name"] == "thread_name"
    }


def test_several_seeds_are_doublechecked_by_several_workers(scratch: Path) -> None:
    wishes = ["--seeds", "2..3", "--jobs", "2", *WISHES, "--json", "--doublecheck"]
    status, output, _ = chaos(scratch, *wishes)
    results = [json.loads(line) for line in output.splitlines()]
    assert (status, [result["doublecheck"] for result in results]) == (0, ["same", "same"])
    assert left_in(scratch) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--trace", "/proc/steps"], "cannot be written"),
        (["--trace", "/no/such/directory/steps"], "cannot be written"),
        (["--trace", "/tmp"], "is a directory"),
        (["--trace", "steps", "--schedule", "free"], "for runs on the schedule baton only"),
        (["--trace", "steps", "--seeds", "1..2"], "for one run of one seed"),
        (["--trace", "steps", "--doublecheck"], "for one run of one seed"),
        (["--doublecheck", "--schedule", "free"], "for runs on the schedule baton only"),
        (["--doublecheck", "--target", "postgres"], "for runs on the schedule baton only"),
    ],
)
def test_what_cannot_be_traced_or_doublechecked_is_said(
    arguments: list[str], said: str, scratch: Path
) -> None:
    status, output, errors = chaos(scratch, *arguments)
    assert (status, output) == (2, "")
    assert said in errors


def test_a_trace_that_cannot_be_written_after_all_breaks_the_harness(scratch: Path) -> None:
    """A file system that is full: nothing is said about the target."""
    (scratch / "steps").symlink_to("/dev/full")
    wishes = ["--seed", "2", *WISHES, "--json", "--trace", str(scratch / "steps")]
    status, output, _ = chaos(scratch, *wishes)
    assert status == 4
    assert "No space left on device" in json.loads(output)["reason"]
