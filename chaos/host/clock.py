"""Clock and chance under the baton: virtual time, and a stream of the seed."""

from __future__ import annotations

import hashlib

from chaos.scheduler.baton import Baton
from chaos.scheduler.layout import RANDOM_BYTES_DRAWN, SEED, WALL_US


class BatonClock:
    """The clock calls of `Host`. Reading the clock is no step: only steps and waits move it."""

    _baton: Baton

    def now_us(self) -> int:
        return self._baton.words[WALL_US] + self._baton.now_us()

    def monotonic_us(self) -> int:
        return self._baton.now_us()

    def random_bytes(self, length: int) -> bytes:
        words = self._baton.words
        number = words[RANDOM_BYTES_DRAWN]
        words[RANDOM_BYTES_DRAWN] = number + 1
        return hashlib.shake_128(f"{words[SEED]}/{number}".encode()).digest(length)
