"""The launcher: starts programs and functions, tells how they ended, leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaos.targets.launcher import Launcher, LauncherGone, Program
from chaos.targets.processes import is_running

SLEEP = "/bin/sleep"
FORKS = "tests.chaos.programs:fork_and_wait"
FAILS = "tests.chaos.programs:fail"
LISTS = "tests.chaos.programs:list_descriptors"


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    with Launcher() as made:
        yield made


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something that must come true soon."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.002)


def sleeper(tmp_path: Path, seconds: str = "600") -> Program:
    """A program that does nothing."""
    return Program(output=str(tmp_path / "output"), argv=[SLEEP, seconds])


def test_an_exit_status_is_told(launcher: Launcher, tmp_path: Path) -> None:
    program = Program(output=str(tmp_path / "output"), argv=["/bin/sh", "-c", "echo hello; exit 3"])
    pid = launcher.start(program)
    assert launcher.wait(pid, 10) == 3
    assert (tmp_path / "output").read_text() == "hello\n"


def test_a_signal_is_told_as_a_negative_status(launcher: Launcher, tmp_path: Path) -> None:
    pid = launcher.start(sleeper(tmp_path))
    assert launcher.exit_status(pid) is None
    os.kill(pid, signal.SIGKILL)
    assert launcher.wait(pid, 10) == -signal.SIGKILL


def test_waiting_ends_with_its_time(launcher: Launcher, tmp_path: Path) -> None:
    pid = launcher.start(sleeper(tmp_path))
    assert launcher.wait(pid, 0.02) is None


def test_a_function_runs_in_a_fork_and_its_exception_is_in_the_output(
    launcher: Launcher, tmp_path: Path
) -> None:
    launcher.load(FAILS)
    output = tmp_path / "output"
    pid = launcher.start(Program(output=str(output), function=FAILS, arguments=["why"]))
    assert launcher.wait(pid, 10) == 70
    assert "ValueError: why" in output.read_text()


def test_orphans_stay_known_and_are_reaped(launcher: Launcher, tmp_path: Path) -> None:
    program = Program(output=str(tmp_path / "output"), function=FORKS, arguments=[2])
    parent = launcher.start(program)
    until(lambda: len(launcher.processes()) == 3)
    orphans = [pid for pid in launcher.processes() if pid != parent]
    os.kill(parent, signal.SIGKILL)
    assert launcher.wait(parent, 10) == -signal.SIGKILL
    assert sorted(launcher.processes()) == sorted(orphans)
    os.kill(orphans[0], signal.SIGKILL)
    assert launcher.wait(orphans[0], 10) == -signal.SIGKILL


def test_closing_kills_everything_that_was_started(tmp_path: Path) -> None:
    with Launcher() as launcher:
        program = Program(output=str(tmp_path / "output"), function=FORKS, arguments=[3])
        launcher.start(program)
        until(lambda: len(launcher.processes()) == 4)
        everything = [launcher.pid, *launcher.processes()]
    assert not any(is_running(pid) for pid in everything)


def test_a_controller_that_is_killed_leaves_no_process_and_no_directory(tmp_path: Path) -> None:
    guarded = tmp_path / "guarded"
    guarded.mkdir()
    script = tmp_path / "controller.py"
    script.write_text(
        "import sys, time\n"
        "from chaos.targets.launcher import Launcher, Program\n"
        "launcher = Launcher()\n"
        "launcher.guard([sys.argv[1]])\n"
        f"pid = launcher.start(Program(output=sys.argv[1] + '/output', argv=['{SLEEP}', '600']))\n"
        "print(launcher.pid, pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    controller = subprocess.Popen(
        [sys.executable, str(script), str(guarded)], stdout=subprocess.PIPE, env=environment
    )
    try:
        assert controller.stdout is not None
        pids = [int(word) for word in controller.stdout.readline().split()]
        assert all(is_running(pid) for pid in pids)
    finally:
        controller.kill()
        controller.communicate()
    until(lambda: not any(is_running(pid) for pid in pids))
    until(lambda: not guarded.exists())


def test_a_started_program_has_no_descriptor_of_the_launcher(
    launcher: Launcher, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    pid = launcher.start(Program(output=str(output), function=LISTS))
    assert launcher.wait(pid, 10) == 0
    assert output.read_text().split() == ["0", "1", "2"]


def test_after_a_reset_nothing_of_before_is_left(launcher: Launcher, tmp_path: Path) -> None:
    guarded = tmp_path / "guarded"
    guarded.mkdir()
    launcher.guard([str(guarded)])
    failing = Program(output=str(tmp_path / "output"), argv=["/bin/sh", "-c", "exit 3"])
    ended = launcher.start(failing)
    assert launcher.wait(ended, 10) == 3
    launcher.start(Program(output=str(tmp_path / "output"), function=FORKS, arguments=[3]))
    until(lambda: len(launcher.processes()) == 4)
    everything = launcher.processes()
    launcher.reset()
    assert launcher.processes() == []
    assert not any(is_running(pid) for pid in everything)
    assert not guarded.exists()
    assert [launcher.exit_status(pid) for pid in [ended, *everything]] == [None] * 5


def test_what_was_guarded_before_a_reset_is_no_longer(tmp_path: Path) -> None:
    guarded = tmp_path / "guarded"
    with Launcher() as launcher:
        launcher.guard([str(guarded)])
        launcher.reset()
        guarded.mkdir()
    assert guarded.exists()


def test_a_launcher_that_was_reset_starts_what_it_has_loaded(
    launcher: Launcher, tmp_path: Path
) -> None:
    launcher.load(LISTS)
    for number in range(3):
        output = tmp_path / f"output{number}"
        launcher.load(LISTS)
        pid = launcher.start(Program(output=str(output), function=LISTS))
        assert launcher.wait(pid, 10) == 0
        assert output.read_text().split() == ["0", "1", "2"]
        launcher.reset()


def test_what_cannot_be_imported_is_said(launcher: Launcher) -> None:
    with pytest.raises(LauncherGone, match="ModuleNotFoundError"):
        launcher.load("no.such.module:function")


def test_a_killed_launcher_takes_along_what_it_started(tmp_path: Path) -> None:
    with Launcher() as launcher:
        pid = launcher.start(sleeper(tmp_path))
        assert is_running(pid)
        os.kill(launcher.pid, signal.SIGKILL)
        until(lambda: not is_running(pid))


def test_a_launcher_that_is_gone_is_noticed(tmp_path: Path) -> None:
    with Launcher() as launcher:
        os.kill(launcher.pid, signal.SIGKILL)
        with pytest.raises(LauncherGone):
            launcher.wait(launcher.start(sleeper(tmp_path)), 10)
