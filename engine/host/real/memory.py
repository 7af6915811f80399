"""Shared memory, mutexes and latches of the real host.

A mutex is a POSIX semaphore (`multiprocessing.Lock`, whose name is unlinked at once, so nothing is
left behind); a latch is an eventfd that every process has. Beside its latch each wait watches the
pipe whose other end only the postmaster holds, and the pipe into which arriving signals write.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import select
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkContext

from engine.errors import PostmasterDied
from engine.host.api import Ready

_CONTENDED_PAUSE_S = 0.5


class RealMutex:
    """A semaphore of value one (`engine.host.api.Mutex`)."""

    __slots__ = ("_check_postmaster", "_take", "release")

    def __init__(self, context: ForkContext, check_postmaster: Callable[[], None]) -> None:
        semaphore = context.Lock()
        self._take = semaphore.acquire
        self.release: Callable[[], None] = semaphore.release
        self._check_postmaster = check_postmaster

    def acquire(self) -> None:
        if not self._take(False):
            # Its holder may have been killed: then the postmaster's QUIT, or its death, ends this
            # wait.
            while not self._take(True, _CONTENDED_PAUSE_S):
                self._check_postmaster()


class RealMemory:
    """The shared memory, mutex and latch calls of `Host`."""

    def __init__(self) -> None:
        self._latches: list[int] = []
        self._own_latch = -1
        self._postmaster_pipe = -1
        self._signal_pipe = -1
        self._polls: dict[tuple[tuple[int, ...], tuple[int, ...], bool, bool], select.poll] = {}
        self._ready: list[int] = []

    def map_shared(self, size: int) -> memoryview:
        return memoryview(mmap.mmap(-1, size))

    def create_mutexes(self, count: int) -> Sequence[RealMutex]:
        context = multiprocessing.get_context("fork")
        return [RealMutex(context, self._check_postmaster) for _ in range(count)]

    def create_latches(self, count: int) -> None:
        self.close_latches()
        self._latches = [os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in range(count)]
        self._become_latch(0)

    def close_latches(self) -> None:
        """Nobody waits for them, or wakes them, any more."""
        for fd in self._latches:
            os.close(fd)
        self._latches = []
        self._own_latch = -1

    def _become_latch(self, latch: int) -> None:
        self._own_latch = self._latches[latch] if latch < len(self._latches) else -1
        self._polls.clear()

    def wake(self, latch: int) -> None:
        os.eventfd_write(self._latches[latch], 1)

    def wait(
        self,
        timeout_ms: float | None = None,
        *,
        read: Sequence[int] = (),
        write: Sequence[int] = (),
        latch: bool = True,
        postmaster: bool = True,
    ) -> Ready:
        key = (tuple(read), tuple(write), latch, postmaster)
        poll = self._polls.get(key)
        if poll is None:
            poll = self._polls[key] = self._make_poll(*key)
        self._ready = []
        ready = Ready.TIMEOUT
        for fd, event in poll.poll(timeout_ms):
            if fd == self._postmaster_pipe:
                raise PostmasterDied
            if fd == self._own_latch:
                os.eventfd_read(fd)
                ready |= Ready.LATCH
            elif fd == self._signal_pipe:
                os.read(fd, 4096)
                ready |= Ready.LATCH
            else:
                if event & ~select.POLLOUT and fd in key[0]:
                    ready |= Ready.READ
                    self._ready.append(fd)
                if event & ~select.POLLIN and fd in key[1]:
                    ready |= Ready.WRITE
        return ready

    def ready_descriptors(self) -> Sequence[int]:
        return self._ready

    def sleep(self, milliseconds: float) -> None:
        until = time.monotonic() + milliseconds / 1000
        while (left := until - time.monotonic()) > 0:
            self.wait(left * 1000, latch=False)

    def _make_poll(
        self, read: tuple[int, ...], write: tuple[int, ...], latch: bool, postmaster: bool
    ) -> select.poll:
        poll = select.poll()
        if postmaster and self._postmaster_pipe >= 0:
            poll.register(self._postmaster_pipe, select.POLLIN)
        if latch:
            if self._own_latch >= 0:
                poll.register(self._own_latch, select.POLLIN)
            if self._signal_pipe >= 0:
                poll.register(self._signal_pipe, select.POLLIN)
        for fd in dict.fromkeys((*read, *write)):
            events = (select.POLLIN if fd in read else 0) | (select.POLLOUT if fd in write else 0)
            poll.register(fd, events)
        return poll

    def _check_postmaster(self) -> None:
        if self._postmaster_pipe >= 0:
            poll = select.poll()
            poll.register(self._postmaster_pipe, select.POLLIN)
            if poll.poll(0):
                raise PostmasterDied
