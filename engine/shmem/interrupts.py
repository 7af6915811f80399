"""Interrupts: what other processes asked of this one, acted on only where that is safe.

Signals arrive as flags (HOST-7). `check` is called in every loop that may run long and after every
wait; it raises what the flags ask for. Inside a *critical section*, and while `hold` is in force,
flags are kept for later (`CHECK_FOR_INTERRUPTS`, `HOLD_INTERRUPTS`, miscadmin.h).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.errors import FatalError, SqlError, SqlState
from engine.host.api import Host, Signal


class Interrupts:
    """The pending interrupts of one process.

    `shutdown_requested` and `reload_requested` are for the main loops of the auxiliary processes,
    which end themselves; a backend sets `terminate_raises` so that `check` raises the FATAL for
    it.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._held = 0
        self.terminate_raises = False
        self.cancel_pending = False
        self.shutdown_requested = False
        self.reload_requested = False
        self.user_signals: list[Signal] = []
        self.deadline_us: int | None = None
        self.deadline_message = "canceling statement due to statement timeout"
        self.on_reload: Callable[[], None] | None = None

    def poll(self) -> None:
        """Turn arrived signals into flags; raises nothing."""
        for signal in self._host.take_signals():
            if signal is Signal.INT:
                self.cancel_pending = True
            elif signal is Signal.TERM:
                self.shutdown_requested = True
            elif signal is Signal.HUP:
                self.reload_requested = True
            else:
                self.user_signals.append(signal)

    def check(self) -> None:
        """Raise what was asked for: 57P01 when told to terminate, 57014 when cancelled."""
        self.poll()
        if self._held:
            return
        if self.shutdown_requested and self.terminate_raises:
            raise FatalError(
                SqlState.ADMIN_SHUTDOWN, "terminating connection due to administrator command"
            )
        if self.cancel_pending:
            self.cancel_pending = False
            if self.terminate_raises:
                raise SqlError(SqlState.QUERY_CANCELED, "canceling statement due to user request")
        if self.deadline_us is not None and self._host.monotonic_us() >= self.deadline_us:
            self.deadline_us = None
            raise SqlError(SqlState.QUERY_CANCELED, self.deadline_message)

    def remaining_ms(self, limit_ms: float | None = None) -> float | None:
        """How long a wait may last before `check` must be called again; None is for ever."""
        if self.deadline_us is None:
            return limit_ms
        left = max(0.0, (self.deadline_us - self._host.monotonic_us()) / 1000)
        return left if limit_ms is None else min(left, limit_ms)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep interrupts pending inside the block."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
