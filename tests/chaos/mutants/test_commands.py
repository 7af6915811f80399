"""`chaos run --mutant`, `chaos mutants` and `chaos selftest`, as a user has them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

import chaos.cli.mutants
import chaos.session
from chaos.cli.commands import commands
from chaos.cli.entry import Interrupted
from chaos.mutants.hunting import Hunt
from chaos.mutants.planting import find_mutant, mutant_names
from chaos.oracle import DEFAULT_SUITE
from chaos.plan import Wishes, make_plan
from chaos.report.mutants import list_mutants
from chaos.report.observer import Silent
from chaos.session import open_session
from tests.chaos.command import ROOT

CAUGHT_SOON = "aborted-counts-as-committed"


def command(scratch: Path, *arguments: str) -> tuple[int, str, str]:
    """Any command of chaos: status, output, errors."""
    done = subprocess.run(
        [sys.executable, "-m", "chaos", *arguments],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


def test_mutant_is_caught_and_its_bundle_is_the_same_run_again(scratch: Path) -> None:
    out = str(scratch / "out")
    arguments = ("run", "--mutant", CAUGHT_SOON, "--until-violated", "--out", out)
    status, said, _ = command(scratch, *arguments)
    assert status == 1
    assert f"mutant {CAUGHT_SOON}: caught by" in said
    assert "violated at seed" in said
    again = said.splitlines()[-1]
    assert f"--mutant {CAUGHT_SOON}" in again
    (bundle,) = (scratch / "out").iterdir()
    plan = json.loads((bundle / "plan.json").read_text())
    assert plan["mutant"] == CAUGHT_SOON
    status, said, _ = command(scratch, "replay", str(bundle), "--json")
    replayed = json.loads(said)
    assert (status, replayed["same_digest"]) == (1, True)
    assert replayed["mutant"]["caught"]


def test_several_jobs_stop_at_the_first_violation(scratch: Path) -> None:
    status, said, _ = command(
        scratch, "run", "--mutant", CAUGHT_SOON, "--until-violated", "--seeds", "0..40",
        "--jobs", "2", "--json", "--out", str(scratch / "out"),
    )  # fmt: skip
    verdicts = [json.loads(line)["verdict"] for line in said.splitlines()]
    assert status == 1
    assert verdicts[-1] == "violated"
    assert "violated" not in verdicts[:-1]


def test_mutant_is_planted_under_the_free_schedule_too(scratch: Path) -> None:
    status, said, _ = command(
        scratch, "run", "--mutant", CAUGHT_SOON, "--schedule", "free", "--cycles", "2", "--json",
        "--out", str(scratch / "out"), "--until-violated", "--seeds", "0..5",
    )  # fmt: skip
    assert status == 1
    assert json.loads(said.splitlines()[-1])["mutant"]["caught"]


def test_patch_that_does_not_apply_breaks_the_harness(monkeypatch: pytest.MonkeyPatch) -> None:
    """MUT-1: never silently no change."""
    monkeypatch.setattr(chaos.session, "patches_for", lambda name: ("math:sqrt nothing",))
    wishes = Wishes(mutant=CAUGHT_SOON)
    for schedule in ("baton", "free"):
        with open_session(wishes, DEFAULT_SUITE, None, Silent()) as session:
            plan = make_plan(0, Wishes(schedule=schedule, mutant=CAUGHT_SOON))
            result = session.run(plan, "")
        assert result["verdict"] == "harness_broken"
        assert "not patched: TypeError" in result["reason"]


def test_wrong_usage_is_refused() -> None:
    for arguments, said in (
        (("run", "--mutant", "no-such-bug"), "there is no mutant 'no-such-bug'"),
        (("run", "--mutant", CAUGHT_SOON, "--target", "postgres"), "mutants are of the engine"),
        (("mutants", "--only", "no-such-bug"), "there is no mutant 'no-such-bug'"),
        (("mutants", "--only", "commit-befor-flush"), "did you mean commit-before-flush"),
        (("mutants", "--only", ","), "--only names no mutant"),
        (("selftest", "--mutant", "no-such-bug"), "the harness has no mutant"),
    ):
        done = CliRunner().invoke(commands, arguments)
        assert done.exit_code == 2
        assert said in " ".join(done.output.split())


def test_mutants_are_listed() -> None:
    done = CliRunner().invoke(commands, ("mutants", "--json"))
    listed = [json.loads(line)["name"] for line in done.output.splitlines()]
    assert listed == mutant_names()
    assert CAUGHT_SOON in listed


def test_only_takes_names_with_commas_and_again_and_again() -> None:
    arguments = ("--only", f"wal-not-synced, {CAUGHT_SOON}", "--only", "two-postmasters,")
    done = CliRunner().invoke(commands, ("mutants", "--json", *arguments))
    listed = [json.loads(line)["name"] for line in done.output.splitlines()]
    assert listed == ["wal-not-synced", CAUGHT_SOON, "two-postmasters"]


@pytest.mark.parametrize("width", [60, 80, 110])
def test_names_are_never_folded_and_no_line_ends_with_blanks(width: int) -> None:
    file = StringIO()
    list_mutants(Console(file=file, width=width), [find_mutant(name) for name in mutant_names()])
    lines = file.getvalue().splitlines()
    assert [name for name in mutant_names() if not any(name in line for line in lines)] == []
    assert [line for line in lines if line != line.rstrip()] == []
    assert "grep -rn CKPT-2 engine" in lines[0]


def test_an_interrupted_matrix_says_what_was_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off(hunts: Sequence[Hunt], *_: object) -> Iterator[Hunt]:
        over, begun, _waiting = hunts
        yield over
        begun.next_plan()
        begun.runs = 3
        raise Interrupted

    monkeypatch.setattr(chaos.cli.mutants, "hunt_all", cut_off)
    names = f"two-postmasters,wal-not-synced,{CAUGHT_SOON}"
    done = CliRunner().invoke(commands, ("mutants", "--matrix", "--only", names))
    assert done.exit_code == 130
    assert done.stderr.splitlines()[-1] == (
        "interrupted: wal-not-synced was cut off after 3 runs; 1 hunt had not begun"
    )


def test_matrix_hunts_and_writes(scratch: Path) -> None:
    file = scratch / "matrix.json"
    status, said, _ = command(
        scratch, "mutants", "--matrix", "--only", CAUGHT_SOON, "--seeds", "5",
        "--out", str(file),
    )  # fmt: skip
    assert status == 0
    (row,) = json.loads(file.read_text())["mutants"]
    assert (row["caught"], row["clean"]) == (True, "held")
    assert CAUGHT_SOON in said


def test_selftest_fails_when_the_harness_has_a_bug(scratch: Path) -> None:
    """SELF-1."""
    status, said, _ = command(scratch, "selftest", "--quick", "--mutant", "close-syncs")
    assert status == 4
    failed = [line for line in said.splitlines() if line.startswith("FAIL")]
    assert failed == ["FAIL  closing syncs nothing, syncing does"]
