"""Asking the checkpointer for a checkpoint, and waiting for it.

The requester sets flags and wakes the checkpointer; who waits looks at three counters: a request is
served by a checkpoint that *began* after it, and that checkpoint is over when `done` has caught up.

    requester                             checkpointer
    flags |= mine; note `started`   ...   take flags; started += 1
    wait until started has moved          ... the checkpoint ...
    wait until done >= that               done = started (failed += 1 if it failed); wake waiters

Source: PostgreSQL 15, `RequestCheckpoint`, postmaster/checkpointer.c.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag
from typing import Final

from engine.config import Config
from engine.errors import SqlError, SqlState
from engine.host.api import Host
from engine.shmem.lwlock import CHECKPOINTER_MUTEX, LWLocks
from engine.shmem.procs import FIRST_BACKEND_SLOT, BackendType


class CheckpointFlags(IntFlag):
    """What a checkpoint is to be, and why (`CHECKPOINT_*`, xlog.h)."""

    NONE = 0
    IS_SHUTDOWN = 0x01
    END_OF_RECOVERY = 0x02
    IMMEDIATE = 0x04
    """Without pauses."""
    FORCE = 0x08
    """Even if nothing has happened since the last one."""
    FLUSH_ALL = 0x10
    WAIT = 0x20
    """The requester waits."""
    REQUESTED = 0x40
    """Somebody asked, even with no other flag."""
    CAUSE_XLOG = 0x80
    CAUSE_TIME = 0x100


_FLAGS: Final = 0
_STARTED: Final = 1
_DONE: Final = 2
_FAILED: Final = 3
_WORDS: Final = 4

# A wake-up can be lost to another wait of the same process only in theory; look again anyway.
_LOOK_AGAIN_MS: Final = 1000


class CheckpointRequestShared:
    """Flags and counters, and one byte for each process slot that waits. Under
    CHECKPOINTER_MUTEX."""

    def __init__(self, memory: memoryview, config: Config) -> None:
        self.words = memory[: 4 * _WORDS].cast("I")
        self.waiters = memory[4 * _WORDS : 4 * _WORDS + _slots(config)]

    @staticmethod
    def size(config: Config) -> int:
        """Bytes of shared memory."""
        return 4 * _WORDS + _slots(config)


def _slots(config: Config) -> int:
    return FIRST_BACKEND_SLOT + int(config.max_connections)


class CheckpointRequests:
    """The requests, as one process makes or serves them. `check_interrupts` is called while
    waiting."""

    def __init__(
        self,
        host: Host,
        shared: CheckpointRequestShared,
        locks: LWLocks,
        slot: int,
        check_interrupts: Callable[[], None] = lambda: None,
    ) -> None:
        self._host = host
        self._words = shared.words
        self._waiters = shared.waiters
        self._mutex = locks.mutex(CHECKPOINTER_MUTEX)
        self._slot = slot
        self._check_interrupts = check_interrupts
        self.make_alone: Callable[[CheckpointFlags], object] | None = None
        """How a process that runs alone makes a checkpoint; None where there is a checkpointer."""

    def request(self, flags: CheckpointFlags) -> None:
        """Ask for a checkpoint; with WAIT, return when it is done, or raise when it failed.

        A process that runs alone makes it now; one that nobody waits for, it does without.
        """
        if self.make_alone is not None:
            if flags & CheckpointFlags.WAIT:
                self.make_alone(flags)
            return
        words, mutex = self._words, self._mutex
        mutex.acquire()
        failed, started = words[_FAILED], words[_STARTED]
        words[_FLAGS] |= flags | CheckpointFlags.REQUESTED
        mutex.release()
        if not flags & CheckpointFlags.WAIT:
            self._host.wake(BackendType.CHECKPOINTER)
            return
        self._waiters[self._slot] = 1
        self._host.wake(BackendType.CHECKPOINTER)
        self._wait_while(lambda: words[_STARTED] == started)
        mine = words[_STARTED]
        self._wait_while(lambda: _is_before(words[_DONE], mine))
        self._waiters[self._slot] = 0
        if words[_FAILED] != failed:
            raise SqlError(
                SqlState.INTERNAL_ERROR,
                "checkpoint request failed",
                hint="Consult recent messages in the server log for details.",
            )

    def request_for_wal_volume(self) -> None:
        """So much WAL was written since the last redo point that a checkpoint is due."""
        self.request(CheckpointFlags.CAUSE_XLOG)

    # the checkpointer's side --------------------------------------------------------------------

    def is_pending(self) -> bool:
        """Whether somebody asked since the last `begin`."""
        return self._words[_FLAGS] != 0

    def is_immediate_pending(self) -> bool:
        """Whether somebody wants a checkpoint without pauses; the one under way then hurries."""
        return self._words[_FLAGS] & CheckpointFlags.IMMEDIATE != 0

    def begin(self) -> CheckpointFlags:
        """A checkpoint begins: what was asked for so far."""
        words, mutex = self._words, self._mutex
        mutex.acquire()
        flags = CheckpointFlags(words[_FLAGS])
        words[_FLAGS] = 0
        words[_STARTED] = words[_STARTED] + 1 & 0xFFFFFFFF
        mutex.release()
        self._wake_waiters()
        return flags

    def finish(self, *, failed: bool = False) -> None:
        """The checkpoint is over."""
        words, mutex = self._words, self._mutex
        mutex.acquire()
        words[_DONE] = words[_STARTED]
        if failed:
            words[_FAILED] = words[_FAILED] + 1 & 0xFFFFFFFF
        mutex.release()
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        for slot, waits in enumerate(self._waiters):
            if waits:
                self._host.wake(slot)

    def _wait_while(self, condition: Callable[[], bool]) -> None:
        while condition():
            self._host.wait(_LOOK_AGAIN_MS)
            self._check_interrupts()


def _is_before(left: int, right: int) -> bool:
    """Counters wrap."""
    return (left - right) & 0xFFFFFFFF >= 0x80000000
