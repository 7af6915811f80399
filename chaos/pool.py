"""Several seeds at once: each runs in a process of its own, `chaos run --seed N --json`.

A run that takes its process down with it is one broken run and not the end of all of them.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

from chaos.plan import Wishes, make_plan
from chaos.run import Outcome
from chaos.verdict import EXIT_STATUS, Verdict

STOP_SECONDS: Final = 30
USAGE: Final = 2


class JobRefused(Exception):
    """A run said that it was asked for the impossible (exit status 2)."""


def run_seeds(
    seeds: Sequence[int], jobs: int, wishes: Wishes, options: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """The results, as they come. Closing the generator ends the runs that are under way."""
    waiting = list(reversed(seeds))
    running: dict[int, tuple[int, subprocess.Popen[str]]] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    seed = waiting.pop()
                    process = _start(seed, options)
                    if process.stdout is None:
                        raise RuntimeError("a job without its pipe")
                    running[process.stdout.fileno()] = seed, process
                    selector.register(process.stdout.fileno(), selectors.EVENT_READ)
                for key, _ in selector.select():
                    selector.unregister(key.fd)
                    seed, process = running.pop(key.fd)
                    yield _finish(seed, process, wishes)
        finally:
            _end(process for _, process in running.values())


def _start(seed: int, options: Sequence[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "chaos", "run", "--seed", str(seed), "--json", *options]
    path = os.pathsep.join(filter(None, [*sys.path[:1], os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )


def _finish(seed: int, process: subprocess.Popen[str], wishes: Wishes) -> dict[str, Any]:
    """What the run printed; a run that printed nothing useful is broken."""
    output, errors = process.communicate()
    if process.returncode == USAGE:
        raise JobRefused(errors.rpartition("\nError: ")[2].strip().removeprefix("Error: "))
    try:
        result: dict[str, Any] = json.loads(output)
    except ValueError:
        outcome = Outcome(make_plan(seed, wishes))
        outcome.reason = f"the run ended with status {process.returncode}: {errors.strip()[-500:]}"
        return outcome.to_object()
    if process.returncode != EXIT_STATUS[Verdict(result["verdict"])]:
        result["verdict"] = str(Verdict.HARNESS_BROKEN)
        result["reason"] = f"exit status {process.returncode} does not go with its verdict"
    return result


def _end(processes: Iterator[subprocess.Popen[str]]) -> None:
    """Ask, and wait: each cleans up after itself."""
    asked = list(processes)
    for process in asked:
        process.send_signal(signal.SIGTERM)
    for process in asked:
        try:
            process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
