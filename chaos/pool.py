"""Several seeds at once: so many workers (chaos/worker.py), each running seed after seed.

A run that takes its worker down with it is one broken run and not the end of all of them: another
worker takes its place.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import IO, Any, Final

from chaos.outcome import Outcome
from chaos.plan import make_plan
from chaos.worker import Order

STOP_SECONDS: Final = 30
AFTERMATH_SECONDS: Final = 15
"""How long a dead worker's launcher may take to remove what the run had."""
ERRORS_KEPT: Final = 2000
REASON_LENGTH: Final = 500


class JobRefused(Exception):
    """A run was asked for the impossible: wrong usage."""


class _Worker:
    """One process, and the seed that it is at; None before the first and after the last."""

    def __init__(self, order: Order) -> None:
        path = os.pathsep.join(filter(None, [*sys.path[:1], os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "chaos", "worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
        )
        self.order = order
        self.seed: int | None = None
        self.answers = b""
        self.errors = b""
        self._write(order.to_line())

    @property
    def streams(self) -> dict[int, IO[bytes]]:
        """What it writes to, by descriptor: answers first."""
        process = self.process
        return {stream.fileno(): stream for stream in (process.stdout, process.stderr) if stream}

    def give(self, seed: int) -> None:
        """Let it run a seed."""
        self.seed = seed
        self._write(b"%d\n" % seed)

    def _write(self, line: bytes) -> None:
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it is dead: the end of its answers says so
                self.process.stdin.write(line)
                self.process.stdin.flush()


def run_seeds(
    seeds: Sequence[int], jobs: int, order: Order, *, pinned: bool = False
) -> Generator[dict[str, Any], None, None]:
    """The results, as they come. Closing the generator ends the runs that are under way.

    With `pinned` each worker has one CPU for all that it starts, in turn of those we may use.
    """
    pool = _Pool(seeds, order, pinned=pinned)
    try:
        for number in range(min(jobs, len(seeds))):
            pool.start(number)
        while pool.is_busy():
            yield from pool.step()
    finally:
        pool.close()


class _Pool:
    def __init__(self, seeds: Sequence[int], order: Order, *, pinned: bool) -> None:
        self._seeds = deque(seeds)
        self._order = order
        self._cpus = sorted(os.sched_getaffinity(0)) if pinned else []
        self._workers: dict[int, _Worker] = {}
        self._selector = selectors.DefaultSelector()

    def start(self, number: int) -> None:
        """Start the worker of that number, with the next seed."""
        pin = self._cpus[number % len(self._cpus)] if self._cpus else None
        worker = self._workers[number] = _Worker(replace(self._order, pin=pin))
        for fd in worker.streams:
            self._selector.register(fd, selectors.EVENT_READ, number)
        self._give(worker)

    def is_busy(self) -> bool:
        """Whether any seed is under way."""
        return any(worker.seed is not None for worker in self._workers.values())

    def step(self) -> list[dict[str, Any]]:
        """Wait for something to come; the results that it makes complete."""
        results = []
        for key, _ in self._selector.select():
            worker = self._workers.get(key.data)
            if worker is None or key.fd not in worker.streams:
                continue  # it died, or was replaced, in this very step
            received = os.read(key.fd, 65536)
            if key.fd != next(iter(worker.streams)):
                worker.errors = (worker.errors + received)[-ERRORS_KEPT:]
                if not received:
                    self._selector.unregister(key.fd)
            elif received:
                results += self._answered(worker, received)
            else:
                results += self._died(key.data, worker)
        return results

    def _give(self, worker: _Worker) -> None:
        worker.seed = None
        if self._seeds:
            worker.give(self._seeds.popleft())

    def _answered(self, worker: _Worker, received: bytes) -> list[dict[str, Any]]:
        *lines, worker.answers = (worker.answers + received).split(b"\n")
        results = []
        for line in lines:
            answer = json.loads(line)
            if "refused" in answer:
                raise JobRefused(answer["refused"])
            results.append(answer["result"])
            self._give(worker)
        return results

    def _died(self, number: int, worker: _Worker) -> list[dict[str, Any]]:
        """The seed that it was at is broken; the others go on."""
        seed = worker.seed
        self._forget(number, worker)
        _await_end(worker, AFTERMATH_SECONDS)
        if self._seeds:
            self.start(number)
        if seed is None:
            return []
        said = worker.errors.decode(errors="replace").strip()[-REASON_LENGTH:]
        outcome = Outcome(make_plan(seed, self._order.wishes))
        outcome.reason = f"the worker ended with status {worker.process.returncode}: {said}"
        return [outcome.to_object()]

    def _forget(self, number: int, worker: _Worker) -> None:
        del self._workers[number]
        for fd in worker.streams:
            if fd in self._selector.get_map():
                self._selector.unregister(fd)

    def close(self) -> None:
        """End all workers: those with a run under way are asked, and clean up after themselves."""
        workers = list(self._workers.values())
        for worker in workers:
            if worker.seed is not None:
                worker.process.send_signal(signal.SIGTERM)
        _end(workers)
        self._selector.close()


def _end(workers: Iterable[_Worker]) -> None:
    for worker in workers:
        _await_end(worker, STOP_SECONDS)
        if worker.process.returncode is None:
            worker.process.kill()
            _await_end(worker, AFTERMATH_SECONDS)


def _await_end(worker: _Worker, seconds: float) -> None:
    """Let its input end, and wait until its pipes are closed, which its launcher has too."""
    try:
        _, errors = worker.process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return
    worker.errors = (worker.errors + errors)[-ERRORS_KEPT:]
