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
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, Final, Protocol

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
    """An image to recover: a crash at this place, with this choice. `without` are syncs that are
    taken never to have been made (chaos/explore/omission.py).

    With `inner`, a second crash: the recovery of that image is cut off at this place of its own
    log, with this choice, and what is then left is recovered.
    """

    number: int
    place: int
    choice: Choice
    without: frozenset[int] = frozenset()
    inner: tuple[int, Choice] | None = None


@dataclass(frozen=True, slots=True)
class LogOf:
    """Not the recovery of the image is wanted, but what it does to the files."""

    task: Task


class Recoverer(Protocol):
    """Recovers images, one after the other."""

    def recover(self, image: Image) -> Found:
        """Recover it, and find out what is asked."""

    def log_of(self, image: Image) -> tuple[Image, list[Operation]]:
        """The image with inode numbers, and the operations of its recovery on it."""


OpenRecoverer = Callable[[], AbstractContextManager[Recoverer]]
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
        self.profile = profile
        self._without: frozenset[int] = frozenset()
        self._place = 0
        self._disk = Disk(base, profile)

    def at(self, place: int, without: frozenset[int] = frozenset()) -> Disk:
        """The disk when the first `place` operations were done, but for those in `without`."""
        if place < self._place or without != self._without:
            self._disk, self._place, self._without = Disk(self._base, self.profile), 0, without
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
        except GeneratorExit:
            for pipe, left in in_hand.items():
                for _ in left if not pipe.closed else ():
                    _received(pipe)
            raise

    def ask(self, task: Task) -> Found:
        """Recover one image now."""
        pipe = self._pipes[0]
        pipe.send([task])
        return _received(pipe)

    def log_of(self, task: Task) -> tuple[Image, list[Operation]]:
        """What the recovery of an image does: `Recoverer.log_of`. It ends where the recovery
        failed, if it did.
        """
        pipe = self._pipes[0]
        pipe.send([LogOf(task)])
        image, operations = _answer(pipe)
        return image, operations

    @staticmethod
    def _hand_out(
        pipe: Connection, coming: Iterator[Task], in_hand: dict[Connection, deque[Task]]
    ) -> None:
        chunk = [task for _, task in zip(range(CHUNK), coming, strict=False)]
        if chunk:
            pipe.send(chunk)
            in_hand[pipe].extend(chunk)


def _received(pipe: Connection) -> Found:
    answer = _answer(pipe)
    if not isinstance(answer, Found):
        raise HarnessBroken(f"a process that recovers images said {answer!r}")
    return answer


def _answer(pipe: Connection) -> Any:
    try:
        answer: Any = pipe.recv()
    except (EOFError, OSError) as error:
        raise HarnessBroken("a process that recovers images is gone") from error
    if isinstance(answer, str):
        raise HarnessBroken(f"a process that recovers images failed: {answer}")
    return answer


def _become_worker(pipe: Connection, replayed: Replayed, open_recoverer: OpenRecoverer) -> None:
    """In the forked child. Never returns."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _leave)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        with open_recoverer() as recoverer:
            _Worker(pipe, replayed, recoverer).serve()
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


class _Worker:
    """Serves tasks until the other end is gone."""

    def __init__(self, pipe: Connection, replayed: Replayed, recoverer: Recoverer) -> None:
        self._pipe = pipe
        self._replayed = replayed
        self._recoverer = recoverer
        self._outer: Task | None = None
        self._inner: tuple[Image, list[Operation]] = (Image.empty(), [])

    def serve(self) -> None:
        while True:
            try:
                wanted: list[Task | LogOf] = self._pipe.recv()
            except (EOFError, OSError):
                return
            for one in wanted:
                self._pipe.send(
                    self._log_of(one.task) if isinstance(one, LogOf) else self._recover(one)
                )

    def _recover(self, task: Task) -> Found:
        if task.inner is None:
            return self._recoverer.recover(self._image(task))
        place, choice = task.inner
        base, operations = self._log_of(replace(task, number=0, inner=None))
        disk = Disk(base, self._replayed.profile)
        for operation in operations[:place]:
            disk.apply(operation)
        return self._recoverer.recover(disk.crash(choice))

    def _log_of(self, outer: Task) -> tuple[Image, list[Operation]]:
        """Kept, since many crashes within one recovery are asked for one after the other."""
        if outer != self._outer:
            self._inner = self._recoverer.log_of(self._image(outer))
            self._outer = outer
        return self._inner

    def _image(self, task: Task) -> Image:
        return self._replayed.at(task.place, task.without).crash(task.choice)
