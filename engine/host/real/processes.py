"""Processes and signals of the real host."""

from __future__ import annotations

import gc
import os
import signal as posix_signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

from setproctitle import setproctitle

from engine.errors import ProcessExit, panic_text, unexpected_as_panic
from engine.host.api import ChildExit, Signal

CRASH_STATUS = 2

_ALL_SIGNALS = (
    Signal.HUP, Signal.INT, Signal.QUIT, Signal.USR1, Signal.USR2, Signal.TERM, Signal.CHLD,
)  # fmt: skip


class RealProcesses:
    """The process calls of `Host`.

    The first fork makes the pipe by which children learn of the postmaster's death: the parent
    alone keeps its writing end.
    """

    _postmaster_pipe: int
    _signal_pipe: int
    _become_latch: Callable[[int], None]

    def __init__(self) -> None:
        self._alive_pipe: tuple[int, int] | None = None
        self._arrived: set[Signal] = set()
        self._speak: Callable[[], None] | None = None
        self._signal_writer = -1

    def catch_signals(self) -> None:
        """Take the signals of the engine into flags from now on; done anew in each child."""
        if self._signal_writer >= 0:
            os.close(self._signal_pipe)
            os.close(self._signal_writer)
        self._signal_pipe, self._signal_writer = os.pipe()
        os.set_blocking(self._signal_pipe, False)
        os.set_blocking(self._signal_writer, False)
        self._arrived.clear()
        posix_signal.set_wakeup_fd(self._signal_writer, warn_on_full_buffer=False)
        for number in _ALL_SIGNALS:
            posix_signal.signal(number, self._on_signal)
        posix_signal.signal(posix_signal.SIGPIPE, posix_signal.SIG_IGN)
        self._become_latch(0)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._arrived.add(Signal(number))

    def _on_quit(self, number: int, frame: FrameType | None) -> None:
        posix_signal.signal(Signal.QUIT, posix_signal.SIG_IGN)  # the last words are said once
        try:
            if self._speak is not None:
                self._speak()
        finally:
            os._exit(CRASH_STATUS)

    def last_words(self, speak: Callable[[], None] | None) -> None:
        self._speak = speak

    def take_signals(self) -> Sequence[Signal]:
        if not self._arrived:
            return ()
        arrived, self._arrived = self._arrived, set()
        return sorted(arrived)

    def fork(self, role: str, latch: int, main: Callable[[], None]) -> int:
        if self._alive_pipe is None:
            self._alive_pipe = os.pipe()
            gc.collect()
            gc.freeze()
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal between the fork and the child's own handlers would run the parent's.
        blocked = posix_signal.pthread_sigmask(posix_signal.SIG_BLOCK, _ALL_SIGNALS)
        try:
            pid = os.fork()
        except OSError:
            posix_signal.pthread_sigmask(posix_signal.SIG_SETMASK, blocked)
            raise
        if pid:
            posix_signal.pthread_sigmask(posix_signal.SIG_SETMASK, blocked)
            return pid
        status = CRASH_STATUS
        try:
            reading, writing = self._alive_pipe
            os.close(writing)
            self._postmaster_pipe = reading
            self._speak = None
            self.catch_signals()
            posix_signal.signal(Signal.QUIT, self._on_quit)
            self._become_latch(latch)
            posix_signal.pthread_sigmask(posix_signal.SIG_SETMASK, blocked)
            main()
            status = 0
        except ProcessExit as leaving:
            status = leaving.status
        except BaseException as error:  # noqa: BLE001 - whatever it was ends this process
            sys.stderr.write(panic_text(unexpected_as_panic(error)))
        finally:
            self.exit(status)

    def detach(self) -> None:
        os.setsid()

    def close_alive_pipe(self) -> None:
        """Children that live still take it for the postmaster's death."""
        if self._alive_pipe is not None:
            for fd in self._alive_pipe:
                os.close(fd)
        self._alive_pipe = None

    def exit(self, status: int) -> NoReturn:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)

    def pid(self) -> int:
        return os.getpid()

    def parent_pid(self) -> int:
        return os.getppid()

    def signal(self, pid: int, signal: Signal) -> bool:
        try:
            os.kill(pid, signal)
        except ProcessLookupError:
            return False
        return True

    def reap(self) -> list[ChildExit]:
        ended: list[ChildExit] = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return ended
            if pid == 0:
                return ended
            if os.WIFSIGNALED(status):
                ended.append(ChildExit(pid, None, os.WTERMSIG(status)))
            else:
                ended.append(ChildExit(pid, os.WEXITSTATUS(status), None))

    def process_exists(self, pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def set_title(self, title: str) -> None:
        setproctitle(title)
