"""The background writer's part: clean buffers ahead of the clock hand, as many as are asked for.

Each round estimates from the last ones how many buffers will be taken until the next and how far
apart the reusable ones lie, and writes dirty ones ahead of the hand until that many are clean. So a
backend that needs a buffer seldom has to write one itself.

Source: PostgreSQL 15, `BgBufferSync` in `storage/buffer/bufmgr.c`.
"""

from __future__ import annotations

from typing import Final

from engine.config import Config
from engine.storage.buffer.clock_sweep import ClockSweep, SweepPosition
from engine.storage.buffer.page_writer import PageWriter
from engine.storage.buffer.pool import DIRTY, BufferPool

_SMOOTHING_SAMPLES: Final = 16
_WHOLE_POOL_MS: Final = 120_000
"""However idle the system is, the whole pool is looked at in this time."""


class BackgroundSweep:
    """What the background writer remembers from round to round. Calling it is one round."""

    def __init__(
        self, pool: BufferPool, sweep: ClockSweep, writer: PageWriter, config: Config
    ) -> None:
        self._pool = pool
        self._sweep = sweep
        self._writer = writer
        self._last: SweepPosition | None = None
        self._next_to_clean = 0
        self._next_passes = 0
        self._smoothed_allocations = 0.0
        self._smoothed_density = 10.0
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Take over a new configuration."""
        self._delay_ms = int(config.bgwriter_delay)
        self._max_pages = int(config.bgwriter_lru_maxpages)
        self._multiplier = float(config.bgwriter_lru_multiplier)

    def wake_at_next_allocation(self, slot: int | None) -> None:
        """Have the sleeping background writer in `slot` woken when a buffer is asked for."""
        self._sweep.wake_at_next_allocation(slot)

    def __call__(self) -> bool:
        """One round; True when there is nothing to do, so that the background writer may sleep."""
        position = self._sweep.position()
        allocations = position.allocations
        if self._max_pages <= 0:
            self._last = None
            return True
        moved = self._hand_movement(position)
        left_in_lap = self._left_in_lap(position)
        self._last = position
        self._learn_density(moved, allocations)
        reusable_before = (self._pool.count - left_in_lap) / self._smoothed_density
        wanted = self._upcoming_allocations(allocations)
        least = int(self._pool.count * self._delay_ms / _WHOLE_POOL_MS) + reusable_before
        scanned, reusable = self._clean(left_in_lap, max(wanted, least) - reusable_before)
        self._learn_density(scanned, reusable)
        return left_in_lap == 0 and allocations == 0

    def _hand_movement(self, now: SweepPosition) -> int:
        """How far the hand went since the last round."""
        if self._last is None:
            return 0
        passes = now.complete_passes - self._last.complete_passes
        return now.next_victim - self._last.next_victim + passes * self._pool.count

    def _left_in_lap(self, now: SweepPosition) -> int:
        """How many buffers this writer may clean before it meets the hand from behind."""
        if self._last is not None:
            if self._next_passes > now.complete_passes:
                return now.next_victim - self._next_to_clean
            if self._next_passes == now.complete_passes and self._next_to_clean >= now.next_victim:
                return self._pool.count - (self._next_to_clean - now.next_victim)
        # At the start, or overtaken by the hand: go on from there.
        self._next_to_clean = now.next_victim
        self._next_passes = now.complete_passes
        return self._pool.count

    def _learn_density(self, scanned: int, found: int) -> None:
        if scanned > 0 and found > 0:
            change = scanned / found - self._smoothed_density
            self._smoothed_density += change / _SMOOTHING_SAMPLES

    def _upcoming_allocations(self, recent: int) -> int:
        """Follows a rise at once, a fall slowly."""
        if self._smoothed_allocations <= recent:
            self._smoothed_allocations = float(recent)
        else:
            change = recent - self._smoothed_allocations
            self._smoothed_allocations += change / _SMOOTHING_SAMPLES
        estimate = int(self._smoothed_allocations * self._multiplier)
        if estimate == 0:
            self._smoothed_allocations = 0.0
        return estimate

    def _clean(self, limit: int, wanted: float) -> tuple[int, int]:
        """Look at up to `limit` buffers until `wanted` are reusable: (looked at, reusable)."""
        pool = self._pool
        scanned = reusable = 0
        dirty: list[int] = []
        while scanned < limit and reusable < wanted and len(dirty) < self._max_pages:
            buffer = self._next_to_clean
            if not pool.refcounts[buffer] and not pool.usages[buffer]:
                reusable += 1
                if pool.flags[buffer] & DIRTY:
                    dirty.append(buffer)
            scanned += 1
            self._next_to_clean += 1
            if self._next_to_clean >= pool.count:
                self._next_to_clean = 0
                self._next_passes += 1
        self._writer.write_all(dirty)
        return scanned, reusable
