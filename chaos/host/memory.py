"""Shared memory, mutexes and latches under the baton.

The engine's own shared memory is what it is on the real host. A mutex and a latch are a word each
of the world's memory: since only the holder of the turn runs, they need no atomic instruction.
Whoever waits is not asleep in the kernel for them but for its turn.
"""

from __future__ import annotations

import mmap
import select
from collections.abc import Sequence
from typing import Final

from chaos.faults.places import ERROR
from chaos.scheduler.baton import Baton
from chaos.scheduler.calls import Call
from chaos.scheduler.layout import (
    ANY_CHANNEL,
    CHANNEL_0,
    FOR_CHANNEL,
    FOR_LATCH,
    FOR_MUTEX,
    FOR_PIPE,
    FOR_POSTMASTER,
    FOR_TIME,
    LATCH,
    LATCHES,
    MUTEX,
    MUTEXES,
    MUTEXES_MADE,
    NEVER,
    ORPHAN,
    SIGNALLED,
    SLOTS_USED,
    WAITED_CHANNELS,
    WAITER,
    WAITING,
    WAITS,
)
from engine.errors import PostmasterDied
from engine.host.api import Ready

_NOT_STOPPED: Final = 0x0F


class BatonMutex:
    """A word of the world's memory (`engine.host.api.Mutex`)."""

    __slots__ = ("_baton", "_number", "_words")

    def __init__(self, baton: Baton, number: int) -> None:
        self._baton = baton
        self._number = number
        self._words = baton.layout.mutexes

    def acquire(self) -> None:
        baton, number, words = self._baton, self._number, self._words
        baton.step(Call.MUTEX_ACQUIRE, number)
        if words[number]:
            self._wait()
        words[number] = baton.slot + 1

    def release(self) -> None:
        number, words = self._number, self._words
        self._baton.step(Call.MUTEX_RELEASE, number)
        waited = words[number] & WAITER
        words[number] = 0
        if waited:
            self._wake_waiters()

    def _wait(self) -> None:
        baton, number, words = self._baton, self._number, self._words
        orphan = baton.fields[ORPHAN]
        while words[number]:
            if orphan[baton.slot]:
                raise PostmasterDied
            words[number] |= WAITER
            baton.fields[MUTEX][baton.slot] = number
            baton.block(FOR_MUTEX | FOR_POSTMASTER)

    def _wake_waiters(self) -> None:
        baton = self._baton
        for slot in range(baton.words[SLOTS_USED]):
            if baton.fields[WAITS][slot] & FOR_MUTEX and baton.fields[MUTEX][slot] == self._number:
                baton.ready(slot)


class BatonMemory:
    """The shared memory, mutex and latch calls of `Host`."""

    _baton: Baton
    _channels: dict[int, int]
    _pipes: set[int]

    def __init__(self) -> None:
        self._polls: dict[tuple[tuple[int, ...], tuple[int, ...]], select.poll] = {}
        self._ready: list[int] = []
        self._latches = 0

    def map_shared(self, size: int) -> memoryview:
        self._baton.step(Call.MAP_SHARED, size)
        return memoryview(mmap.mmap(-1, size))

    def create_mutexes(self, count: int) -> Sequence[BatonMutex]:
        baton = self._baton
        baton.step(Call.CREATE_MUTEXES, count)
        if count > MUTEXES:
            raise OSError(12, f"the baton has {MUTEXES} mutexes, not {count}")
        first = baton.words[MUTEXES_MADE]
        if first + count > MUTEXES:
            first = 0  # those of the first incarnations are long gone
        baton.words[MUTEXES_MADE] = first + count
        baton.layout.mutexes[first : first + count] = memoryview(bytes(8 * count)).cast("q")
        return [BatonMutex(baton, number) for number in range(first, first + count)]

    def create_latches(self, count: int) -> None:
        baton = self._baton
        baton.step(Call.CREATE_LATCHES, count)
        if count > LATCHES:
            raise OSError(12, f"the baton has {LATCHES} latches, not {count}")
        for latch in range(LATCHES):
            baton.layout.latches[latch] = baton.layout.owners[latch] = 0
        self._latches = count
        self._become_latch(0)

    def _become_latch(self, latch: int) -> None:
        baton = self._baton
        own = latch if latch < self._latches else -1
        baton.fields[LATCH][baton.slot] = own
        if own >= 0:
            baton.layout.owners[own] = baton.slot + 1

    def wake(self, latch: int) -> None:
        baton = self._baton
        baton.step(Call.WAKE, latch)
        if latch >= self._latches:
            raise IndexError(f"there is no latch {latch}")
        layout = baton.layout
        layout.latches[latch] = 1
        owner = layout.owners[latch]
        if owner and layout.states[owner - 1] & _NOT_STOPPED == WAITING:
            baton.ready_if(owner - 1, FOR_LATCH)

    def wait(
        self,
        timeout_ms: float | None = None,
        *,
        read: Sequence[int] = (),
        write: Sequence[int] = (),
        latch: bool = True,
        postmaster: bool = True,
    ) -> Ready:
        baton = self._baton
        slot, fields = baton.slot, baton.fields
        milliseconds = -1 if timeout_ms is None else int(timeout_ms * 1000)
        struck = baton.step(Call.WAIT, milliseconds, len(read) << 8 | len(write))
        deadline = NEVER if timeout_ms is None else baton.now_us() + milliseconds
        waits = (FOR_LATCH if latch else 0) | (FOR_POSTMASTER if postmaster else 0)
        waits |= FOR_CHANNEL if read or write else 0
        waits |= FOR_TIME if timeout_ms is not None else 0
        self._ready = []
        if struck is not None and struck.kind == ERROR:
            return Ready.TIMEOUT  # EINTR: a wait may end for no reason (HOST-5)
        while True:
            if postmaster and fields[ORPHAN][slot]:
                raise PostmasterDied
            ready = self._take_latch() if latch else Ready.TIMEOUT
            if read or write:
                ready |= self._look(tuple(read), tuple(write))
            if ready or baton.now_us() >= deadline:
                return ready
            if read or write:
                waits |= self._wait_for_channels((*read, *write))
            baton.block(waits, deadline)

    def _take_latch(self) -> Ready:
        baton = self._baton
        slot, fields = baton.slot, baton.fields
        own = fields[LATCH][slot]
        set_ = bool(fields[SIGNALLED][slot])
        fields[SIGNALLED][slot] = 0
        if own >= 0 and baton.layout.latches[own]:
            baton.layout.latches[own] = 0
            set_ = True
        return Ready.LATCH if set_ else Ready.TIMEOUT

    def _look(self, read: tuple[int, ...], write: tuple[int, ...]) -> Ready:
        """What the kernel says of these descriptors now: who could change it does not run."""
        key = (read, write)
        poll = self._polls.get(key)
        if poll is None:
            poll = self._polls[key] = select.poll()
            for fd in dict.fromkeys((*read, *write)):
                events = select.POLLIN if fd in read else 0
                poll.register(fd, events | (select.POLLOUT if fd in write else 0))
        ready = Ready.TIMEOUT
        found = []
        for fd, event in poll.poll(0):
            if event & ~select.POLLOUT and fd in read:
                ready |= Ready.READ
                found.append(fd)
            if event & ~select.POLLIN and fd in write:
                ready |= Ready.WRITE
        self._ready = [fd for fd in read if fd in found]
        return ready

    def _wait_for_channels(self, fds: tuple[int, ...]) -> int:
        """Note which they are; what else to wait for."""
        baton, slot = self._baton, self._baton.slot
        channels = [self._channels[fd] + 1 for fd in fds if fd in self._channels]
        if len(channels) > WAITED_CHANNELS:
            channels = [ANY_CHANNEL]
        channels += [0] * (WAITED_CHANNELS - len(channels))
        for field, channel in enumerate(channels, CHANNEL_0):
            baton.fields[field][slot] = channel
        return 0 if self._pipes.isdisjoint(fds) else FOR_PIPE

    def ready_descriptors(self) -> Sequence[int]:
        return self._ready

    def sleep(self, milliseconds: float) -> None:
        baton = self._baton
        baton.step(Call.SLEEP, int(milliseconds * 1000))
        until = baton.now_us() + int(milliseconds * 1000)
        while baton.now_us() < until:
            if baton.fields[ORPHAN][baton.slot]:
                raise PostmasterDied
            baton.block(FOR_TIME | FOR_POSTMASTER, until)
