"""The machine's own time and the kernel's own waiting."""

from __future__ import annotations

import select
import time
from typing import Final

FREE_COARSE_S: Final = 0.0015
"""epoll waits in whole milliseconds."""


class FreeWaiting:
    """A `Waiting` on epoll."""

    coarse_s: Final = FREE_COARSE_S

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._masks: dict[int, int] = {}

    def now_s(self) -> float:
        """The monotonic clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def watch(self, fd: int, mask: int) -> None:
        """Add it to the epoll set, or change its mask there.

        With mask 0 it is kept out: epoll tells of broken connections unasked.
        """
        if not mask:
            self.unwatch(fd)
        elif fd not in self._masks:
            self._epoll.register(fd, mask)
        else:
            try:
                self._epoll.modify(fd, mask)
            except FileNotFoundError:  # closed under us, and the number is in use again
                self._epoll.register(fd, mask)
        self._masks[fd] = mask

    def unwatch(self, fd: int) -> None:
        """Take it out of the epoll set."""
        if self._masks.pop(fd, 0):
            try:
                self._epoll.unregister(fd)
            except OSError:
                return  # closed already, and with that forgotten by the kernel

    def is_ready(self, fd: int, mask: int) -> bool:
        """Ask without waiting."""
        poll = select.poll()
        poll.register(fd, mask)
        return bool(poll.poll(0))

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """As epoll tells it."""
        return self._epoll.poll(seconds)

    def close(self) -> None:
        """Let the epoll set go."""
        self._epoll.close()
