"""Processes that recover crash images: each has the recorded run, a disk of its own, and a
recoverer.

A worker is forked when the run has been recorded, so that log and base image cost nothing. It is
given *tasks*, a place and a choice each, makes the image and recovers it. Its disk goes forward
from task to task, so tasks should come in order of their places; for an earlier place it begins
anew. A worker ends when its parent does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, Final

from chaos.disk.choice import Choice
from chaos.disk.image import Image
from chaos.disk.model import Disk
from chaos.disk.operations import Operation
from chaos.disk.profiles import Profile
from chaos.explore.checking import Found
from chaos.oracle import HarnessBroken
from chaos.targets.launcher import PR_SET_PDEATHSIG

CHUNK: Final = 8
"""Tasks that a worker is given at once."""


@dataclass(frozen=True, slots=True)
class Task:
    """An image to recover: a crash at this place, with this choice. `without` are operations that
    are taken never to have been done (chaos/explore/omission.py).
    """

    number: int
    place: int
    choice: Choice
    without: frozenset[int] = frozenset()


Recover = Callable[[Image], Found]
OpenRecoverer = Callable[[], AbstractContextManager[Recover]]
"""Makes what recovers images, in the worker that will use it."""


class Replayed:
    """A disk to which the log is applied up to a place."""

    def __init__(
        self,
        base: Image,
        operations: Sequence[Operation],
        profile: Profile,
    ) -> None:
        self._base = base
        self._operations = operations
        self._profile = profile
        self._without: frozenset[int] = frozenset()
        self._place = 0
        self._disk = Disk(base, profile)

    def at(self, place: int, without: frozenset[int] = frozenset()) -> Disk:
        """The disk when the first `place` operations were done, but for those in `without`."""
        if place < self._place or without != self._without:
            self._disk, self._place, self._without = Disk(self._base, self._profile), 0, without
        for operation in self._operations[self._place : place]:
            if operation.number not in without:
                self._disk.apply(operation)
        self._place = place
        return self._disk


class Workers:
    """Use as a context manager."""

    def __init__(
        self,
        jobs: int,
        base: Image,
        operations: Sequence[Operation],
        profile: Profile,
        open_recoverer: OpenRecoverer,
    ) -> None:
        self._pipes: list[Connection] = []
        self._pids: dict[Connection, int] = {}
        replayed = Replayed(base, operations, profile)
        for _ in range(jobs):
            ours, theirs = Pipe()
            pid = os.fork()
            if pid == 0:
                for pipe in [ours, *self._pipes]:
                    pipe.close()
                _become_worker(theirs, replayed, open_recoverer)
            theirs.close()
            self._pipes.append(ours)
            self._pids[ours] = pid

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End them all, also in the midst of a task."""
        for pipe, pid in self._pids.items():
            pipe.close()
            os.kill(pid, signal.SIGTERM)
        for pid in self._pids.values():
            os.waitpid(pid, 0)
        self._pids.clear()
        self._pipes.clear()

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Found]]:
        """Recover all; results in the order in which they come. Stop iterating to stop them after
        what they have in hand; that is then heard of no more. HarnessBroken.
        """
        coming = iter(tasks)
        in_hand: dict[Connection, deque[Task]] = {pipe: deque() for pipe in self._pipes}
        try:
            for pipe in self._pipes:
                self._hand_out(pipe, coming, in_hand)
                self._hand_out(pipe, coming, in_hand)
            while any(in_hand.values()):
                busy = [pipe for pipe in self._pipes if in_hand[pipe]]
                ready = wait(busy)
                for pipe in [pipe for pipe in busy if pipe in ready]:
                    found = _received(pipe)
                    task = in_hand[pipe].popleft()
                    if len(in_hand[pipe]) == CHUNK:
                        self._hand_out(pipe, coming, in_hand)
                    yield task, found
        finally:
            for pipe, left in in_hand.items():
                if not pipe.closed:
                    for _ in left:
                        _received(pipe)

    def ask(self, task: Task) -> Found:
        """Recover one image now."""
        pipe = self._pipes[0]
        pipe.send([task])
        return _received(pipe)

    @staticmethod
    def _hand_out(
        pipe: Connection, coming: Iterator[Task], in_hand: dict[Connection, deque[Task]]
    ) -> None:
        chunk = [task for _, task in zip(range(CHUNK), coming, strict=False)]
        if chunk:
            pipe.send(chunk)
            in_hand[pipe].extend(chunk)


def _received(pipe: Connection) -> Found:
    try:
        answer: Any = pipe.recv()
    except (EOFError, OSError) as error:
        raise HarnessBroken("a process that recovers images is gone") from error
    if isinstance(answer, str):
        raise HarnessBroken(f"a process that recovers images failed: {answer}")
    if not isinstance(answer, Found):
        raise HarnessBroken(f"a process that recovers images said {answer!r}")
    return answer


def _become_worker(pipe: Connection, replayed: Replayed, open_recoverer: OpenRecoverer) -> None:
    """In the forked child. Never returns."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _leave)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        with open_recoverer() as recover:
            _serve(pipe, replayed, recover)
        status = 0
    except _Leaving:
        status = 0
    except BaseException:  # noqa: BLE001 - there is nobody above; the parent must know
        try:
            pipe.send(traceback.format_exc())
        except OSError:
            status = 2
    finally:
        os._exit(status)


class _Leaving(BaseException):
    """SIGTERM."""


def _leave(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Leaving


def _serve(pipe: Connection, replayed: Replayed, recover: Recover) -> None:
    while True:
        try:
            tasks: list[Task] = pipe.recv()
        except (EOFError, OSError):
            return
        for task in tasks:
            image = replayed.at(task.place, task.without).crash(task.choice)
            pipe.send(recover(image))
