"""The host under the baton: each call is a step of the schedule, and a place for a fault.

BATON-1  What a call does or returns depends on what the processes of the world did before, and on
         nothing else.
"""

from __future__ import annotations

from chaos.host.clock import BatonClock
from chaos.host.files import BatonFiles
from chaos.host.memory import BatonMemory
from chaos.host.processes import BatonProcesses
from chaos.host.sockets import BatonSockets
from chaos.scheduler.baton import Baton
from chaos.scheduler.calls import POINT_NUMBERS
from engine.host.points import Point


class BatonHost(BatonFiles, BatonSockets, BatonClock, BatonMemory, BatonProcesses):
    """`engine.host.api.Host` for one participant of a world.

    `directory` is where `/world` lies on this machine; `root` is the data directory, as a path
    below `/world` (BATON-2). With `io_log`, a path outside of it, what is done to its files is
    written there.
    """

    def __init__(self, baton: Baton, directory: str, root: str, io_log: str | None = None) -> None:
        self._baton = baton
        BatonFiles.__init__(self, directory, root, io_log)
        BatonSockets.__init__(self)
        BatonProcesses.__init__(self)
        BatonMemory.__init__(self)

    def let_go(self) -> None:
        """Nothing is open that belongs to the host alone."""

    def point(self, point: Point, value: int = 0) -> None:
        self._baton.point(POINT_NUMBERS[point], value)
