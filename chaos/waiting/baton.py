"""Waiting under the baton: the controller waits for its turn, and its clock is the world's.

What the clients' connections are ready for is the kernel's answer, asked when the controller has
the turn. While it waits it is woken when a server process did something to a connection, when a
process died or a fault struck, and at its deadline; and before it waits it hints at the
connections whose other end has something to read.
"""

from __future__ import annotations

import fcntl
import select
import struct
import termios
from typing import Final

from chaos.host.sockets import announce_connection
from chaos.scheduler.calls import Call
from chaos.scheduler.layout import FOR_CLIENTS, FOR_TIME
from chaos.scheduler.world import World

_NOTHING: Final = struct.pack("i", 0)


class BatonWaiting:
    """A `Waiting` on a world."""

    coarse_s: Final = 0.0

    def __init__(self, world: World) -> None:
        self._world = world
        self._poll = select.poll()
        self._masks: dict[int, int] = {}
        self._channels: dict[int, int] = {}

    def now_s(self) -> float:
        """Virtual time."""
        return self._world.baton.now_us() / 1e6

    def sleep(self, seconds: float) -> None:
        """Let others run for so long."""
        baton = self._world.baton
        baton.step(Call.SLEEP, round(seconds * 1e6))
        self._hint()
        deadline = baton.now_us() + round(seconds * 1e6)
        while baton.now_us() < deadline:
            baton.block(FOR_TIME, deadline)
            self._world.check_alarm()

    def watch(self, fd: int, mask: int) -> None:
        """A descriptor that was not known is that of a new connection."""
        if fd not in self._masks:
            self._channels[fd] = announce_connection(self._world.baton)
        if mask:
            self._poll.register(fd, mask)
        elif self._masks.get(fd):
            self._poll.unregister(fd)
        self._masks[fd] = mask

    def unwatch(self, fd: int) -> None:
        """It is closed, or is about to be: the other end shall look."""
        if fd not in self._masks:
            return
        if self._masks.pop(fd):
            self._poll.unregister(fd)
        self._world.baton.hint(self._channels.pop(fd))

    def is_ready(self, fd: int, mask: int) -> bool:
        """Ask without waiting."""
        poll = select.poll()
        poll.register(fd, mask)
        return bool(poll.poll(0))

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """What became ready, in order of the descriptors; or nothing, when something else has
        happened that the caller may want to know.
        """
        baton = self._world.baton
        baton.step(Call.WAIT, round(seconds * 1e6))
        self._world.check_alarm()
        found = self._poll.poll(0)
        if not found and seconds > 0:
            self._hint()
            baton.block(FOR_CLIENTS | FOR_TIME, baton.now_us() + round(seconds * 1e6))
            self._world.check_alarm()
            found = self._poll.poll(0)
        return sorted(found, key=lambda one: self._channels[one[0]])

    def _hint(self) -> None:
        """Whoever serves a connection in which unread bytes lie shall look."""
        for fd, channel in self._channels.items():
            (unread,) = struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, _NOTHING))
            if unread:
                self._world.baton.hint(channel)

    def close(self) -> None:
        """Forget all connections."""
        self._masks.clear()
        self._channels.clear()
        self._poll = select.poll()
