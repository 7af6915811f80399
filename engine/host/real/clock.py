"""Clock and chance of the real host."""

from __future__ import annotations

import os
import time

from engine.types import UNIX_EPOCH_TO_2000_US


class RealClock:
    """The clock calls of `Host`."""

    def now_us(self) -> int:
        return time.time_ns() // 1000 - UNIX_EPOCH_TO_2000_US

    def monotonic_us(self) -> int:
        return time.monotonic_ns() // 1000

    def random_bytes(self, length: int) -> bytes:
        return os.urandom(length)
