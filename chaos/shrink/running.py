"""Runs candidates: in this process one after another, or in workers several at once. No bundles are
kept of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from chaos.outcome import Outcome
from chaos.plan import Plan, Wishes
from chaos.report.observer import Silent
from chaos.session import Session, open_session
from chaos.shrink.search import Result
from chaos.worker import Order

STOP_SECONDS: Final = 30


class CandidateRefused(Exception):
    """The target cannot be run here; the message says why."""


class InThisProcess:
    """A `Runner` that makes one run at a time. Close it."""

    jobs: Final = 1

    def __init__(self, wishes: Wishes, suite: str) -> None:
        self._session: Session = open_session(wishes, suite, None, Silent())

    def run(self, plans: Sequence[Plan]) -> list[Result]:
        """One after another."""
        return [self._session.run(plan, "") for plan in plans]

    def close(self) -> None:
        """End the launcher."""
        self._session.close()


class InWorkers:
    """A `Runner` that makes several runs at once. Close it."""

    def __init__(self, jobs: int, wishes: Wishes, suite: str) -> None:
        self.jobs = jobs
        self._order = Order(wishes, suite, None)
        cpus = sorted(os.sched_getaffinity(0))
        self._cpus = [cpus[number % len(cpus)] for number in range(jobs)]
        self._workers: dict[int, subprocess.Popen[bytes]] = {}

    def run(self, plans: Sequence[Plan]) -> list[Result]:
        """All at once; each to its end, so that the outcome does not depend on who is faster."""
        for number, plan in enumerate(plans):
            self.ask(number, plan)
        return [self.answer(number, plan) for number, plan in enumerate(plans)]

    def ask(self, number: int, plan: Plan) -> None:
        """Give the worker of that number a plan, and not wait."""
        if number not in self._workers:
            self._workers[number] = self._start(self._cpus[number])
        pipe = self._workers[number].stdin
        if pipe is not None:
            with contextlib.suppress(
                BrokenPipeError
            ):  # it is dead: that it does not answer says so
                pipe.write(json.dumps(plan.to_object()).encode() + b"\n")
                pipe.flush()

    def _start(self, cpu: int) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(filter(None, [*sys.path[:1], os.environ.get("PYTHONPATH")]))
        worker = subprocess.Popen(
            [sys.executable, "-m", "chaos", "worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path},
        )
        if worker.stdin is not None:
            worker.stdin.write(replace(self._order, pin=cpu).to_line())
        return worker

    def answer(self, number: int, plan: Plan) -> dict[str, Any]:
        """The result of the plan that it was given, when it is there."""
        worker = self._workers[number]
        line = worker.stdout.readline() if worker.stdout is not None else b""
        if not line:
            self._end(self._workers.pop(number))
            outcome = Outcome(plan)
            outcome.reason = f"the worker ended with status {worker.returncode}"
            return outcome.to_object()
        answer = json.loads(line)
        if "refused" in answer:
            raise CandidateRefused(answer["refused"])
        found: dict[str, Any] = answer["result"]
        return found

    def first_of(self, numbers: Sequence[int]) -> int:
        """Wait until one of these workers has answered, or died; its number."""
        pipes = {worker.stdout: number for number, worker in self._workers.items()
                 if number in numbers and worker.stdout is not None}  # fmt: skip
        ready, _, _ = select.select(list(pipes), [], [])
        return pipes[ready[0]]

    def close(self) -> None:
        """End the workers, which clean up after themselves."""
        workers = list(self._workers.values())
        self._workers.clear()
        for worker in workers:
            worker.terminate()
        for worker in workers:
            self._end(worker)

    def _end(self, worker: subprocess.Popen[bytes]) -> None:
        """Let its input end, and wait until its pipes are closed, which its launcher has too."""
        try:
            worker.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.communicate()
