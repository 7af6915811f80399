"""`chaos shrink` on the engine with a bug planted: what it leaves fails in the same way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chaos.plan import Wishes, make_plan
from chaos.scenario.format import read_scenario
from chaos.shrink.signature import signature_of
from tests.chaos.command import ROOT, left_in
from tests.chaos.planting import BUGS, STEPS_BY_CHANCE, plant

SEEDS = range(6, 13)
"""The bug is found by about every second seed, and by the first of these in a run that is not short
already.
"""


class Place:
    """A directory with something planted, and what is run there."""

    def __init__(self, directory: Path, patches: str) -> None:
        self.directory = directory
        self.scratch = directory / "tmp"
        self.scratch.mkdir()
        self.planted = plant(directory / "planted", patches)

    def start(self, *arguments: str, planted: bool = True) -> subprocess.Popen[str]:
        """A Python program in the directory, `-m` and so on."""
        path = [self.planted, str(ROOT)] if planted else [str(ROOT)]
        cache = str(self.directory / "cache")  # templates of a broken engine stay here
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.directory,
            env=os.environ
            | {
                "PYTHONPATH": os.pathsep.join(path),
                "XDG_CACHE_HOME": cache,
                "TMPDIR": str(self.scratch),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, planted: bool = True) -> tuple[int, str, str]:
        """The same to its end: status, output, errors."""
        process = self.start(*arguments, planted=planted)
        output, errors = process.communicate(timeout=150)
        return process.returncode, output, errors

    def chaos(self, *arguments: str, planted: bool = True) -> tuple[int, str, str]:
        """`chaos` to its end."""
        status, output, errors = self.run("-m", "chaos", *arguments, planted=planted)
        assert "Traceback" not in output + errors
        return status, output, errors

    def find(self, *options: str) -> dict[str, Any]:
        """The result of the first seed that fails."""
        for seed in SEEDS:
            status, output, errors = self.chaos(
                "run", "--seed", str(seed), "--out", "bundles", "--json", *options
            )
            if status == 1:
                found: dict[str, Any] = json.loads(output)
                return found
            assert status in (0, 3), errors
        raise AssertionError(f"the seeds {SEEDS} did not find it")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The engine answers COMMIT before the flush."""
    return Place(tmp_path_factory.mktemp("place"), BUGS["answer_before_flush"])


@pytest.fixture(scope="module")
def found(place: Place) -> dict[str, Any]:
    """A run that lost transactions."""
    return place.find("--faults", "all,backend", "--cycles", "3")


@pytest.mark.slow
def test_a_shrunk_run_is_smaller_and_fails_in_the_same_way_anywhere(
    place: Place, found: dict[str, Any]
) -> None:
    options = ["--attempts", "24", "--jobs", "2", "--out", "shrunk", "--json"]
    status, output, errors = place.chaos("shrink", found["bundle"], *options)
    assert status == 0, errors
    shrunk = json.loads(output)
    before, after = shrunk["before"], shrunk["after"]
    assert after["steps"] < before["steps"]
    for name in ("cycles", "clients", "faults", "settings"):
        assert after[name] <= before[name], name
    assert after["cycles"] == 1
    assert 2 < shrunk["runs"] <= 25
    original = signature_of(found)
    assert original is not None
    assert original.broken[0] == tuple(shrunk["signature"]["broken"][0])

    status, output, errors = place.chaos("replay", shrunk["scenario"], "--json")
    assert status == 1, errors
    replayed = json.loads(output)
    again = signature_of(replayed)
    assert again is not None
    assert sorted(map(list, again.broken)) == sorted(shrunk["signature"]["broken"])
    assert replayed["digest"] == shrunk["digest"]
    assert place.chaos("replay", shrunk["scenario"], planted=False)[0] == 0

    pytest_here = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."]
    pytest_here += ["--basetemp", "pytest", shrunk["test"]]
    status, output, errors = place.run(*pytest_here)
    assert status == 1, errors
    assert replayed["reason"] in output
    status, output, _ = place.run(*pytest_here, planted=False)
    assert (status, "1 passed" in output) == (0, True), output
    assert left_in(place.scratch) == []


@pytest.mark.slow
def test_an_interrupted_shrink_writes_the_best_so_far(place: Place, found: dict[str, Any]) -> None:
    process = place.start("-m", "chaos", "shrink", found["bundle"], "--out", "interrupted")
    assert process.stdout is not None
    lines = []
    while not lines or not lines[-1].startswith("  run"):
        lines.append(process.stdout.readline())
        assert lines[-1], process.communicate()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors == "interrupted: the best so far was written\n"
    assert lines[0].startswith("repeats: durability: lost")
    assert "before" in output
    assert "after" in output
    scenario = output.splitlines()[-1].removeprefix("run it again: chaos replay ")
    plan = read_scenario(place.directory / scenario).plan
    assert plan is not None
    assert len(plan.cycles) < 3 or plan.clients < found["clients"]
    assert len(list((place.directory / "interrupted").iterdir())) == 2
    assert left_in(place.scratch) == []


@pytest.mark.slow
def test_a_target_that_does_not_repeat_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path, STEPS_BY_CHANCE)
    suite = ["--suite", "tests.chaos.suites:suspicious"]
    found = place.find("--faults", "backend", "--cycles", "1", *suite)
    status, output, errors = place.chaos("shrink", found["bundle"], "--json")
    assert (status, output) == (4, "")
    assert errors.startswith("not shrunk: the same plan gave two different runs")
    assert not list(Path(tmp_path / found["bundle"]).glob("*.toml"))
    assert left_in(place.scratch) == []


def bundle(directory: Path, verdict: str, schedule: str) -> Path:
    """A bundle with that verdict."""
    plan = make_plan(1, Wishes(schedule=schedule, cycles=1))
    directory.mkdir()
    (directory / "plan.json").write_text(json.dumps(plan.to_object()))
    violations = [{"check": "durability", "kind": "lost", "message": "lost"}]
    summary = {"verdict": verdict, "reason": "lost", "violations": violations, "kills": {}}
    (directory / "summary.json").write_text(json.dumps(summary))
    return directory


@pytest.mark.parametrize(
    ("verdict", "schedule", "said"),
    [
        ("held", "baton", "did not fail"),
        ("violated", "free", "was on the schedule free"),
    ],
)
def test_what_cannot_be_shrunk_is_refused(
    verdict: str, schedule: str, said: str, tmp_path: Path
) -> None:
    place = Place(tmp_path, "PATCHES = {}")
    status, output, errors = place.chaos(
        "shrink", str(bundle(tmp_path / "bundle", verdict, schedule))
    )
    assert (status, output) == (2, "")
    assert said in errors


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path, "PATCHES = {}")
    broken = bundle(tmp_path / "bundle", "violated", "baton")
    (broken / "plan.json").write_text("{}")
    for directory in (tmp_path, broken):
        status, _, errors = place.chaos("shrink", str(directory))
        assert status == 2
        assert "is no bundle" in errors
