"""What the controller asks of whoever owns its waiting.

The driver, the probe, the watch, the strikes and the history neither look at a clock nor wait by
themselves: they ask a `Waiting`, which the target brings along. `free.py` is the machine's own
clock and epoll. Under a schedule that decides who runs when, time and waiting are that schedule's.
"""

from __future__ import annotations

import select
from typing import Final, Protocol

READABLE: Final = select.EPOLLIN
WRITABLE: Final = select.EPOLLOUT
BROKEN: Final = select.EPOLLERR | select.EPOLLHUP
"""What a mask is made of; BROKEN is told whether it was asked for or not."""


class Waiting(Protocol):
    """A clock and the descriptors that are waited for. Whoever made it closes it."""

    @property
    def coarse_s(self) -> float:
        """By how much `wait` and `sleep` may be late when nothing becomes ready."""

    def now_s(self) -> float:
        """Seconds since some moment; they never go back."""

    def sleep(self, seconds: float) -> None:
        """Do nothing for so long: for loops that look at something again and again."""

    def watch(self, fd: int, mask: int) -> None:
        """Wait for this from now on, in place of what was waited for on that descriptor.

        Mask 0: the descriptor is the controller's, but `wait` does not wait for it.
        """

    def unwatch(self, fd: int) -> None:
        """Forget a descriptor: an unknown one, or one that is closed already, is fine."""

    def is_ready(self, fd: int, mask: int) -> bool:
        """Whether a descriptor that is watched with mask 0 is ready now (or broken)."""

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """What became ready, with masks; returns at the latest after so long."""
