"""The real host: the engine as an ordinary Linux server."""

from __future__ import annotations

from engine.host.points import Point
from engine.host.real.clock import RealClock
from engine.host.real.files import RealFiles
from engine.host.real.memory import RealMemory
from engine.host.real.processes import RealProcesses
from engine.host.real.sockets import RealSockets


class RealHost(RealFiles, RealSockets, RealClock, RealMemory, RealProcesses):
    """`engine.host.api.Host` on Linux, for the data directory at `root`."""

    def __init__(self, root: str = ".") -> None:
        RealFiles.__init__(self, root)
        RealProcesses.__init__(self)
        RealMemory.__init__(self)

    def let_go(self) -> None:
        """Close what the host itself has open, for a process that goes on without it."""
        self.close_latches()
        self.close_alive_pipe()

    def point(self, point: Point, value: int = 0) -> None:
        """Nothing strikes here: faults come from outside."""
