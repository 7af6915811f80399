"""Reads all tables of a server that may be unable to, and takes no harm if it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from chaos.driver import Client, ClientState, Driver
from chaos.history import Event
from chaos.inspection import LOOK
from chaos.targets.api import Target
from chaos.workloads.api import Operation, checkpoint


class Looker:
    """Uses the controller's own client, while all others do nothing. `audit` reads everything.

    It comes before the note about the crash that it follows. With asynchronous commits that crash
    may have taken something, and nobody could know: then it is no `audit` for the checkers.
    """

    def __init__(
        self,
        target: Target,
        driver: Driver,
        control: Client,
        audit: Callable[[], Operation],
        *,
        is_asynchronous: bool = False,
    ) -> None:
        self._target = target
        self._driver = driver
        self._control = control
        self._audit = audit
        self._is_asynchronous = is_asynchronous

    def checkpoint(self, seconds: float) -> None:
        """One that is complete, if there is time for it; nothing is changed meanwhile."""
        driver = self._driver
        driver.accepting = False
        try:
            if driver.drain(seconds) and self._is_free():
                driver.begin(self._control, checkpoint())
                driver.pump(seconds, self._is_free)
        finally:
            driver.accepting = True

    def look(self, seconds: float, is_hopeless: Callable[[], bool]) -> Event | None:
        """How an audit ended; None when there was no connection or no answer."""
        driver = self._driver
        driver.accepting, driver.gate_open = False, True
        try:
            driver.pump(seconds, lambda: self._is_connected() or self._is_over() or is_hopeless())
            if not self._is_connected():
                return None
            audit = self._audit()
            if self._is_asynchronous:
                audit = replace(audit, f=LOOK)
            event = driver.do(self._control, audit, seconds)
            if event is None:
                driver.abandon(self._control)
            return event
        finally:
            driver.accepting, driver.gate_open = True, False

    def _is_free(self) -> bool:
        return self._control.state is ClientState.FREE

    def _is_connected(self) -> bool:
        """To a server that runs: that one has died is not noticed at once."""
        return self._is_free() and self._control.backend_pid in self._target.processes()

    def _is_over(self) -> bool:
        return self._target.exit_status() is not None
