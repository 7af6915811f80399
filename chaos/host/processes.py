"""Processes and signals under the baton: real forks and deaths, virtual pids, signals as flags."""

from __future__ import annotations

import gc
import os
import signal as posix_signal
import sys
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from setproctitle import setproctitle

from chaos.scheduler.baton import QUIT_BIT, Baton
from chaos.scheduler.calls import ROLE_NUMBERS, Call
from chaos.scheduler.layout import (
    DEAD,
    FREE,
    PARENT,
    PENDING,
    QUITS,
    REAL_PID,
    SLOTS_USED,
    STATUS,
    VPID,
)
from engine.errors import ProcessExit, panic_text, unexpected_as_panic
from engine.host.api import ChildExit, Signal

CRASH_STATUS: Final = 2
INIT_PID: Final = 1


class BatonProcesses:
    """The process calls of `Host`."""

    _baton: Baton
    _become_latch: Callable[[int], None]

    def __init__(self) -> None:
        self._speak: Callable[[], None] | None = None
        self._has_forked = False

    def catch_signals(self) -> None:
        """Signals are flags from the beginning; what came before does not count."""
        self._baton.fields[PENDING][self._baton.slot] = 0
        posix_signal.signal(posix_signal.SIGPIPE, posix_signal.SIG_IGN)
        self._become_latch(0)

    def last_words(self, speak: Callable[[], None] | None) -> None:
        self._speak = speak

    def _quit(self) -> None:
        """QUIT has come (HOST-7): the last words are said once, then this process ends."""
        baton = self._baton
        baton.on_quit = None
        try:
            if self._speak is not None:
                self._speak()
        finally:
            baton.leave(CRASH_STATUS)

    def take_signals(self) -> Sequence[Signal]:
        pending = self._baton.fields[PENDING]
        slot = self._baton.slot
        if not pending[slot]:
            return ()
        self._baton.step(Call.TAKE_SIGNALS, pending[slot])
        flags = pending[slot]
        pending[slot] = 0
        return [number for number in sorted(Signal) if flags >> number & 1]

    def fork(self, role: str, latch: int, main: Callable[[], None]) -> int:
        baton = self._baton
        baton.step(Call.FORK, ROLE_NUMBERS.get(role, ROLE_NUMBERS["other"]), latch)
        if not self._has_forked:
            self._has_forked = True
            gc.collect()
            gc.freeze()
        sys.stdout.flush()
        sys.stderr.flush()
        slot = baton.enroll(role, latch, baton.slot)
        vpid = int(baton.fields[VPID][slot])
        try:
            pid = os.fork()
        except OSError:
            baton.withdraw(slot)
            raise
        if pid:
            baton.fields[REAL_PID][slot] = pid
            return vpid
        status = CRASH_STATUS
        try:
            baton.become(slot)
            self._speak = None
            baton.on_quit = self._quit
            baton.fields[QUITS][slot] = 1
            baton.await_turn()
            baton.begin()
            self._become_latch(latch)
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

    def exit(self, status: int) -> NoReturn:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            self._baton.on_quit = None
            self._baton.step(Call.EXIT, status)
            self._baton.leave(status)

    def pid(self) -> int:
        return int(self._baton.fields[VPID][self._baton.slot])

    def parent_pid(self) -> int:
        parent = self._baton.fields[PARENT][self._baton.slot]
        return int(self._baton.fields[VPID][parent]) if parent > 0 else INIT_PID

    def signal(self, pid: int, signal: Signal) -> bool:
        baton = self._baton
        baton.step(Call.SIGNAL, pid, signal)
        slot = baton.find(pid)
        if slot < 0:
            return False
        if baton.states[slot] == DEAD:
            return True
        if signal == Signal.KILL:
            baton.places.kill_all([slot], by_place=False)
        else:
            baton.deliver(slot, signal)
            if slot == baton.slot and baton.fields[PENDING][slot] & QUIT_BIT:
                baton.check_quit()
        return True

    def reap(self) -> list[ChildExit]:
        baton = self._baton
        baton.step(Call.REAP)
        fields, states = baton.fields, baton.states
        ended: list[ChildExit] = []
        for slot in range(baton.words[SLOTS_USED]):
            if states[slot] == DEAD and fields[PARENT][slot] == baton.slot:
                states[slot] = FREE
                status = fields[STATUS][slot]
                os.waitpid(fields[REAL_PID][slot], 0)
                how = (None, -status) if status < 0 else (status, None)
                ended.append(ChildExit(int(fields[VPID][slot]), *how))
        return ended

    def process_exists(self, pid: int) -> bool:
        self._baton.step(Call.PROCESS_EXISTS, pid)
        return pid == INIT_PID or self._baton.find(pid) >= 0

    def set_title(self, title: str) -> None:
        setproctitle(title)
