"""The implementations of the door that the contract tests run on.

A second implementation adds a line to `IMPLEMENTATIONS`, and the whole suite runs on it. So the
scenarios ask nothing but the host for processes, pids and time: in an implementation that schedules
these are its own, and only the process whose turn it is runs, so that a loop which looks at the
world and calls no host would wait for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from engine.host.api import Host
from engine.host.real import RealHost


class Implementation(Protocol):
    """One world. It is made, used and closed in the process that is the postmaster there."""

    def make(self, root: Path) -> Host:
        """The door of the calling process, which is a postmaster from now on.

        Called once in the scenario's own process, and, by scenarios about the death of a
        postmaster, again in a child that `fork` has started: the children of that child are then
        orphans when it ends.
        """

    def close(self) -> None:
        """The scenario is over, for better or worse."""


class RealImplementation:
    """The real host: nothing to set up, nothing to take down."""

    def make(self, root: Path) -> Host:
        return RealHost(str(root))

    def close(self) -> None:
        pass


IMPLEMENTATIONS: dict[str, Callable[[], Implementation]] = {"real": RealImplementation}
