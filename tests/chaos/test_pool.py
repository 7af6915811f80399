"""Many seeds with few processes: workers and launchers that serve run after run, and their ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.history import History
from chaos.oracle import HarnessBroken
from chaos.outcome import Outcome
from chaos.plan import Wishes, make_plan
from chaos.pool import run_seeds
from chaos.report.observer import Silent
from chaos.session import Session
from chaos.targets.api import TargetUnusable
from chaos.targets.launcher import Launcher, LauncherGone, Program, children_of
from chaos.targets.processes import is_running, title_of
from chaos.verdict import Verdict
from chaos.worker import Order
from tests.chaos.command import left_in, start

SCHEDULES = pytest.mark.parametrize("schedule", ["free", "baton"])


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that must come true soon."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.005)


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The pids of a command's workers."""
    return [pid for pid in children_of(process.pid) if title_of(pid).endswith("chaos worker")]


def runs_under_way(scratch: Path) -> int:
    """How many servers have been started that are not removed yet."""
    return len(list(scratch.glob("chaos-*/logs/*")))


def catches_sigterm(process: subprocess.Popen[str]) -> bool:
    """Whether the process has a handler for SIGTERM."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@SCHEDULES
@pytest.mark.parametrize("delay_s", [0.0, 0.03, 0.1, 0.3, 0.8])
def test_an_interrupt_shows_no_traceback_however_early(
    scratch: Path, schedule: str, delay_s: float
) -> None:
    process = start(scratch, "--seed", "2", "--cycles", "50", "--schedule", schedule)
    until(lambda: catches_sigterm(process))
    time.sleep(delay_s)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (
        130,
        "interrupted: everything was stopped and removed\n",
    )
    assert left_in(scratch) == []


@SCHEDULES
def test_when_the_command_is_killed_its_workers_end_what_they_are_at(
    scratch: Path, schedule: str
) -> None:
    wishes = ["--seeds", "1..4", "--jobs", "2", "--cycles", "50", "--schedule", schedule]
    process = start(scratch, *wishes)
    until(lambda: runs_under_way(scratch) == 2)
    workers = workers_of(process)
    assert len(workers) == 2
    process.kill()
    process.communicate()
    until(lambda: not any(is_running(pid) for pid in workers), seconds=20)
    until(lambda: left_in(scratch) == [], seconds=20)


@SCHEDULES
def test_a_killed_worker_takes_one_seed_with_it(scratch: Path, schedule: str) -> None:
    wishes = ["--seeds", "1..4", "--jobs", "2", "--cycles", "3", "--schedule", schedule]
    process = start(scratch, *wishes, "--json")
    until(lambda: runs_under_way(scratch) == 2)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    output, errors = process.communicate(timeout=150)
    results = [json.loads(line) for line in output.splitlines()]
    assert sorted(result["seed"] for result in results) == [1, 2, 3, 4]
    broken = [result["reason"] for result in results if result["verdict"] == "harness_broken"]
    assert broken == ["the worker ended with status -9: "]
    assert sum(result["acknowledged"] > 0 for result in results) == 3
    assert (process.returncode, errors) == (4, "")
    assert left_in(scratch) == []


@SCHEDULES
def test_workers_live_as_long_as_the_command(scratch: Path, schedule: str) -> None:
    wishes = ["--seeds", "1..6", "--jobs", "2", "--cycles", "3", "--schedule", schedule]
    process = start(scratch, *wishes, "--json")
    assert process.stdout is not None
    workers = []
    for _ in range(5):
        assert json.loads(process.stdout.readline())["acknowledged"] > 0
        workers.append(workers_of(process))
    process.communicate(timeout=60)
    assert workers[1:] == workers[:-1]
    assert len(workers[0]) == 2
    assert left_in(scratch) == []


def test_pinned_workers_have_one_cpu_each_and_others_all(tmp_path: Path) -> None:
    order = Order(Wishes(cycles=1, schedule="free"), "tests.chaos.suites:where", str(tmp_path))
    ours = sorted(os.sched_getaffinity(0))
    for pinned, expected in ((False, [ours, ours]), (True, [[ours[0]], [ours[1 % len(ours)]]])):
        results = list(run_seeds([1, 2], 2, order, pinned=pinned))
        seen = [result["violations"][0]["facts"]["cpus"] for result in results]
        assert sorted(seen) == sorted(expected)


class Stub:
    """A run of a target that starts a process, and ends as its plan's seed says."""

    endings: tuple[Verdict | Exception, ...] = ()

    def __init__(self, plan: Any, target: Any, *_: Any) -> None:
        self.outcome = Outcome(plan)
        self.history = History(lambda: 0.0)
        self._target = target

    def execute(self) -> None:
        """Start something, and end."""
        launcher = self._target.launcher
        launcher.start(Program(output=os.devnull, argv=["/bin/sleep", "600"]))
        ending = self.endings[self.outcome.plan.seed]
        if isinstance(ending, Exception):
            raise ending
        self.outcome.verdict = ending


def run_stubs(
    monkeypatch: pytest.MonkeyPatch, out: Path, *endings: Verdict | Exception
) -> list[tuple[int, list[int]]]:
    """Runs that end so: for each its launcher, and what that still had started after the run."""
    monkeypatch.setattr(Stub, "endings", endings)
    monkeypatch.setattr("chaos.session.Run", Stub)
    monkeypatch.setattr("chaos.session.write_bundle", lambda *_: None)
    launchers: list[Launcher] = []

    def factory(launcher: Launcher, *_: Any) -> Any:
        launchers.append(launcher)
        return SimpleNamespace(launcher=launcher, destroy=lambda: None, survivors=list)

    found = []
    with Session(factory, list, out, Silent()) as session:
        for seed in range(len(endings)):
            try:
                session.run(make_plan(seed, Wishes(cycles=1, schedule="free")), "again")
            except TargetUnusable:
                pass
            found.append((launchers[-1].pid, launchers[-1].processes()))
    assert not any(is_running(pid) for pid, _ in found)
    return found


def test_one_launcher_serves_run_after_run_and_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = run_stubs(monkeypatch, tmp_path, Verdict.HELD, Verdict.VIOLATED, Verdict.NOT_MEASURED)
    assert found == [(found[0][0], [])] * 3


@pytest.mark.parametrize(
    "ending",
    [HarnessBroken("a checker"), LauncherGone("gone"), ValueError("a bug"), TargetUnusable("no")],
)
def test_after_a_run_that_could_not_be_judged_comes_another_launcher(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: Exception
) -> None:
    found = run_stubs(monkeypatch, tmp_path, Verdict.HELD, ending, Verdict.HELD)
    assert found[0] == found[1] == (found[0][0], [])
    assert found[2] == (found[2][0], [])
    assert found[2][0] != found[0][0]
