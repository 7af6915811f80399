"""`chaos replay` from the command line: what it prints, how it ends, and that nothing is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.command import left_in

ROOT = Path(__file__).resolve().parents[2]
HOLDS = """\
hypothesis = "Addition works."

[[step]]
session = "a"
sql = "SELECT 1 + 1"
rows = [[2]]
"""
FAILS = HOLDS.replace("rows = [[2]]", "rows = [[3]]")
NEVER_STRUCK = HOLDS + '\n[[step]]\narm = "checkpointer fsync 9000: kill"\n'
BREAKS = HOLDS + '\n[[step]]\ndamage = { wal = "end", zeros = 8 }\n'


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A TMPDIR of the command's own, to see what is left in it."""
    with tempfile.TemporaryDirectory(prefix="test-replay-") as directory:
        yield Path(directory)


def start(scratch: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "chaos", "replay", *arguments],
        cwd=scratch,
        env=os.environ | {"TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def replay(scratch: Path, *arguments: str) -> tuple[int, str, str]:
    """To its end: status, output, errors."""
    process = start(scratch, *arguments)
    output, errors = process.communicate(timeout=120)
    assert "Traceback" not in output + errors
    return process.returncode, output, errors


def write(scratch: Path, name: str, text: str) -> str:
    (scratch / name).write_text(text, encoding="utf-8")
    return name


@pytest.mark.parametrize(
    ("text", "status", "lines"),
    [
        (HOLDS, 0, ["held           s  engine, baton, "]),
        (
            FAILS,
            1,
            [
                "violated       s  engine, baton, ",
                "    step 1 (a> SELECT 1 + 1): expected the rows [(3)], came the rows [(2)]",
                "    kept in chaos-out/scenario-s",
                "    run it again: chaos replay s.toml --seed 0",
            ],
        ),
        (
            NEVER_STRUCK,
            3,
            [
                "not measured   s  engine, baton, ",
                "    never reached: checkpointer fsync 9000: kill",
            ],
        ),
        (
            BREAKS,
            4,
            [
                "harness broken s  engine, baton, ",
                "    damage is for a server that is down: shut it down, or kill it",
                "    kept in chaos-out/scenario-s",
                "    run it again: chaos replay s.toml --seed 0",
            ],
        ),
    ],
    ids=["held", "violated", "not measured", "harness broken"],
)
def test_the_exit_status_is_the_verdict_and_the_lines_say_why(
    scratch: Path, text: str, status: int, lines: list[str]
) -> None:
    file = write(scratch, "s.toml", text)
    ended, output, errors = replay(scratch, file)
    assert (ended, errors) == (status, "")
    shown = output.splitlines()
    assert len(shown) == len(lines)
    assert [line.startswith(begin) for line, begin in zip(shown, lines, strict=True)] == (
        [True] * len(lines)
    )
    assert left_in(scratch, but=["s.toml", "chaos-out"]) == []


def test_several_scenarios_have_a_json_line_each_and_the_gravest_status(scratch: Path) -> None:
    files = [write(scratch, "good.toml", HOLDS), write(scratch, "bad.toml", FAILS)]
    status, output, _ = replay(scratch, "--json", "--seed", "4", *files)
    results = [json.loads(line) for line in output.splitlines()]
    assert status == 1
    assert [result["verdict"] for result in results] == ["held", "violated"]
    assert [result["seed"] for result in results] == [4, 4]
    assert all(len(result["digest"]) == 64 and result["steps"] > 0 for result in results)
    summary = json.loads((scratch / results[1]["bundle"] / "summary.json").read_text())
    assert summary["command"] == "chaos replay bad.toml --seed 4"


def test_what_was_kept_of_a_failure_plays_again(scratch: Path) -> None:
    status, _, _ = replay(scratch, write(scratch, "s.toml", FAILS))
    again, output, _ = replay(scratch, "chaos-out/scenario-s", "--out", "again")
    assert (status, again) == (1, 1)
    assert "expected the rows [(3)], came the rows [(2)]" in output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere.toml"], "Error: nowhere.toml: cannot be read: No such file or directory\n"),
        (["wrong.toml"], "Error: wrong.toml: [[step]] 1: kil: not known here"),
        (["armed.toml", "--schedule", "free"], "faults by place: this target, on this schedule"),
        (["armed.toml", "--target", "postgres"], "faults by place: this target, on this schedule"),
        (["s.toml", "--target", "mars"], "Error: there is no target 'mars'"),
        ([], "Missing argument"),
    ],
)
def test_wrong_usage_is_told_and_ends_with_status_2(
    scratch: Path, arguments: list[str], complaint: str
) -> None:
    write(scratch, "s.toml", HOLDS)
    write(scratch, "wrong.toml", 'hypothesis = "x"\n[[step]]\nwait_ms = 1\nkil = "all"\n')
    write(scratch, "armed.toml", NEVER_STRUCK)
    status, output, errors = replay(scratch, *arguments)
    assert (status, output) == (2, "")
    assert complaint in errors


def test_an_interrupted_replay_leaves_nothing(scratch: Path) -> None:
    wait = HOLDS + "\n[[step]]\nwait_ms = 100000000\n"
    process = start(scratch, write(scratch, "s.toml", wait), "--schedule", "free")
    while not list(scratch.glob("chaos-*/logs/*")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "interrupted: everything was stopped and removed\n"
    assert left_in(scratch, but=["s.toml"]) == []
