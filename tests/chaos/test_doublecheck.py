"""Two runs of one plan are compared, and each kind of difference breaks the harness."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos.bundle import DATA, HISTORY, LOGS
from chaos.doublecheck import AGAIN, SAME, difference, differing_file, run_twice
from chaos.oracle import DEFAULT_SUITE
from chaos.plan import FREE, Plan, Wishes, make_plan
from chaos.report.observer import Silent
from chaos.session import open_session
from chaos.targets.api import TargetUnusable
from chaos.targets.baton import BatonEngineTarget
from tests.chaos.trace.written import BACKEND, beginning, line, write

WISHES = Wishes(cycles=1, clients=2, workload="bank", faults=["backend"])


# two runs that were kept -------------------------------------------------------------------------


def keep(path: Path) -> dict[str, Any]:
    """A small run, kept as a bundle; its result."""
    for part in (path, path / LOGS, path / DATA, path / DATA / "base"):
        part.mkdir()
    write(path / "trace", beginning()).save(path)
    event = {"index": 0, "time_us": 5, "type": "info", "f": "begin", "value": [1, 2]}
    (path / HISTORY).write_text(f"{json.dumps(event)}\n{json.dumps(event | {'index': 1})}\n")
    (path / LOGS / "server.log").write_text("LOG:  started\n")
    (path / DATA / "base" / "1").write_bytes(bytes(10_000))
    losses = [{"cycle": 1, "step": 9, "image": "0a"}]
    return {"digest": "ab", "verdict": "held", "reason": "", "power_losses": losses}


def another_step(path: Path, _: dict[str, Any]) -> None:
    """One more step."""
    write(path / "trace", [*beginning(), line(BACKEND, "fsync", 1)]).save(path)


def another_digest(_: Path, result: dict[str, Any]) -> None:
    """As if the digest were of something else."""
    result["digest"] = "cd"


def another_image(_: Path, result: dict[str, Any]) -> None:
    """The disk kept something else."""
    result["power_losses"] = [{"cycle": 1, "step": 9, "image": "0b"}]


def another_event(path: Path, _: dict[str, Any]) -> None:
    """One value in the history."""
    text = (path / HISTORY).read_text()
    (path / HISTORY).write_text(
        text.replace('"index": 1, "time_us": 5', '"index": 1, "time_us": 6')
    )


def fewer_events(path: Path, _: dict[str, Any]) -> None:
    """The last event is missing."""
    (path / HISTORY).write_text((path / HISTORY).read_text().splitlines()[0] + "\n")


def another_line(path: Path, _: dict[str, Any]) -> None:
    """Something else was logged."""
    (path / LOGS / "server.log").write_text("LOG:  stopped\n")


def another_byte(path: Path, _: dict[str, Any]) -> None:
    """One byte of the data directory."""
    content = bytearray(10_000)
    content[8195] = 0x2A
    (path / DATA / "base" / "1").write_bytes(content)


def another_verdict(_: Path, result: dict[str, Any]) -> None:
    """The checkers said something else."""
    result["verdict"] = "violated"


def no_trace(path: Path, _: dict[str, Any]) -> None:
    """It could not be kept."""
    (path / "trace.bin.gz").unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (another_step, "not the same run from step 10 on"),
        (another_image, "different crash images: the power loss at step 9, in cycle 1"),
        (another_digest, "the same steps have two digests: ab and cd"),
        (another_event, "different histories: event 1, time_us: 5, then 6"),
        (fewer_events, "different histories: the second one ends before event 1"),
        (another_line, "logs/server.log differs from byte 8 on: 61 72 74 65 64 0a, then 6f"),
        (another_byte, "data/base/1 differs from byte 8195 on: 00 00 00 00 00 00 00 00, then 2a"),
        (another_verdict, "were judged held and violated"),
        (no_trace, "the two runs cannot be compared: no trace can be read"),
    ],
)
def test_every_kind_of_difference_is_found(
    tmp_path: Path, change: Callable[[Path, dict[str, Any]], None], said: str
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    one, other = keep(first), keep(second)
    assert difference(first, second, one, other) is None
    change(second, other)
    assert said in str(difference(first, second, one, other))


def test_directories_are_compared_by_names_kinds_and_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for top in (one, other):
        (top / "base").mkdir(parents=True)
        (top / "base" / "1").write_bytes(b"abc")
    assert differing_file(one, other) is None
    (other / "base" / "1").write_bytes(b"abcd")
    assert differing_file(one, other) == "base/1 differs from byte 3 on: its end, then 64"
    (other / "base" / "1").unlink()
    assert differing_file(one, other) == "base/1 is there only after the first run"
    (other / "base" / "1").mkdir()
    assert differing_file(one, other) == (
        "base/1 is a file after the first run, a directory after the second"
    )
    (other / "base" / "0").touch()
    assert differing_file(one, other) == "base/0 is there only after the second run"


# two runs that are made --------------------------------------------------------------------------


def doublechecked(out: Path, plan: Plan | None = None) -> dict[str, Any]:
    """What a run that is done twice gives."""
    with open_session(WISHES, DEFAULT_SUITE, out, Silent()) as session:
        return run_twice(session, plan or make_plan(1, WISHES), "chaos run")


def test_a_run_is_the_same_twice(tmp_path: Path) -> None:
    result = doublechecked(tmp_path)
    assert (result["verdict"], result["doublecheck"], result["bundle"]) == ("held", SAME, None)
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_differs_in_its_steps_breaks_the_harness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run is scheduled with another seed."""
    create = BatonEngineTarget.create
    runs: list[BatonEngineTarget] = []

    def create_otherwise(target: BatonEngineTarget) -> None:
        runs.append(target)
        target.schedule = replace(target.schedule, seed=len(runs))
        create(target)

    monkeypatch.setattr(BatonEngineTarget, "create", create_otherwise)
    result = doublechecked(tmp_path)
    assert result["verdict"] == "harness_broken"
    assert "the same plan ran twice and was not the same run from step" in result["reason"]
    assert "first run " in result["reason"]
    assert "second run" in result["reason"]
    bundle = Path(result["bundle"])
    for path in (bundle, bundle / AGAIN):
        for name in ("summary.json", "plan.json", "trace.bin.gz", "names.json", "data"):
            assert (path / name).exists(), name


def test_a_target_that_differs_in_a_file_that_nobody_reads_breaks_the_harness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run finds another byte in its data directory; the steps are the same."""
    create = BatonEngineTarget.create
    runs: list[BatonEngineTarget] = []

    def create_otherwise(target: BatonEngineTarget) -> None:
        create(target)
        runs.append(target)
        (target.data_directory / "unread").write_bytes(bytes([0, len(runs)]))

    monkeypatch.setattr(BatonEngineTarget, "create", create_otherwise)
    result = doublechecked(tmp_path)
    assert result["verdict"] == "harness_broken"
    assert result["reason"].endswith(
        "left different files: data/unread differs from byte 1 on: 01, then 02"
    )


def test_only_a_run_under_the_baton_can_be_done_twice(tmp_path: Path) -> None:
    with pytest.raises(TargetUnusable, match="under the baton only"):
        doublechecked(tmp_path, make_plan(1, replace(WISHES, schedule=FREE)))
