"""Runs each contract test in a world of its own: a forked process that is the postmaster there.

A test hands a scenario, which is a function of a host, to `world`, which runs it under every
implementation of the door; `real_world` runs it under the real one alone.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from engine.host.api import Host
from tests.host_contract.implementations import IMPLEMENTATIONS, Implementation

SCENARIO_BOUND_S = 60.0
DYING_BOUND_S = 10.0

Scenario = Callable[[Host], None]


class World:
    """Runs scenarios under one implementation. `root` is the data directory there."""

    def __init__(self, name: str, root: Path) -> None:
        self.root = root
        self._name = name
        self._implementation: Implementation

    def __call__(self, scenario: Scenario) -> None:
        """Run a scenario in a process of its own; what it raises fails the test, and so does a
        scenario that does not end. No process that it has started is left."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            self._be_scenario(scenario, writing)
        os.close(writing)
        has_ended = _ends_in_time(pid)
        os.killpg(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        complaint = _read_all(reading)
        os.close(reading)
        assert has_ended, f"the scenario did not end within {SCENARIO_BOUND_S} s"
        assert status == 0, complaint or f"the scenario ended with wait status {status}"

    def another_postmaster(self) -> Host:
        """In a forked child: make it a postmaster with children of its own."""
        host = self._implementation.make(self.root)
        host.catch_signals()
        return host

    def _be_scenario(self, scenario: Scenario, report: int) -> NoReturn:
        # pytest's own streams do not follow a descriptor that is redirected.
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        status = 1
        try:
            self._implementation = IMPLEMENTATIONS[self._name]()
            try:
                host = self._implementation.make(self.root)
                host.catch_signals()
                scenario(host)
            finally:
                self._implementation.close()
            status = 0
        except BaseException:  # noqa: BLE001 - handed to the test through the pipe
            os.write(report, traceback.format_exc().encode())
        finally:
            os._exit(status)


def _has_input(fd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _ends_in_time(pid: int) -> bool:
    handle = os.pidfd_open(pid)
    try:
        return _has_input(handle, SCENARIO_BOUND_S)
    finally:
        os.close(handle)


def _read_all(fd: int) -> str:
    parts: list[bytes] = []
    while _has_input(fd, DYING_BOUND_S):
        part = os.read(fd, 65536)
        if not part:
            return b"".join(parts).decode()
        parts.append(part)
    return b"".join(parts).decode() + "(a process of the scenario has left its group, and lives)"


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """Scenarios under each implementation of the door."""
    return World(request.param, tmp_path)


@pytest.fixture
def real_world(tmp_path: Path) -> World:
    """Scenarios under the real host only: about what no other implementation can be asked."""
    return World("real", tmp_path)
