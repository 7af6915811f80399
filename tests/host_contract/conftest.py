"""Runs each contract test in a world of its own: a forked process that is the postmaster there.

A test is a function of a host; `world` runs it under every implementation of the door.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.host.api import Host
from engine.host.real import RealHost

World = Callable[[Callable[[Host], None]], None]


def _real_host(root: Path) -> Host:
    return RealHost(str(root))


IMPLEMENTATIONS = {"real": _real_host}


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """Run a scenario in a process of its own; what it raises fails the test."""
    make_host = IMPLEMENTATIONS[request.param]

    def run(scenario: Callable[[Host], None]) -> None:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            status = 1
            try:
                host = make_host(tmp_path)
                host.catch_signals()
                scenario(host)
                status = 0
            except BaseException:  # noqa: BLE001 - handed to the test through the pipe
                os.write(writing, traceback.format_exc().encode())
            finally:
                os._exit(status)
        os.close(writing)
        with os.fdopen(reading) as report:
            complaint = report.read()
        _, status = os.waitpid(pid, 0)
        assert status == 0, complaint or f"the scenario ended with wait status {status}"

    return run
