"""How fast a checkpoint may write: spread over checkpoint_completion_target of the interval that it
has, in time and in WAL volume.

Source: PostgreSQL 15, `CheckpointWriteDelay`, `IsCheckpointOnSchedule`, postmaster/checkpointer.c.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.config import Config
from engine.host.api import Host
from engine.wal.segments import checkpoint_segments

_PAUSE_MS: Final = 100
_WRITES_PER_ABSORB: Final = 1000


class CheckpointPace:
    """The pauses of one checkpoint, which began now with the WAL at `start_lsn`.

    `absorb` takes over sync requests; `is_urgent` says that somebody waits (a shutdown, a request
    for an immediate checkpoint); `reload` takes over changed settings.
    """

    def __init__(
        self,
        host: Host,
        config: Callable[[], Config],
        *,
        is_immediate: bool,
        start_lsn: int,
        insert_lsn: Callable[[], int],
        segment_size: int,
        absorb: Callable[[], None],
        is_urgent: Callable[[], bool],
    ) -> None:
        self._host = host
        self._config = config
        self._is_immediate = is_immediate
        self._start_lsn = start_lsn
        self._start_us = host.monotonic_us()
        self._insert_lsn = insert_lsn
        self._segment_size = segment_size
        self._absorb = absorb
        self._is_urgent = is_urgent
        self._writes = 0

    def after_write(self, progress: float) -> None:
        """A buffer was written; `progress` is the part that is done, 0 to 1. Pauses when that is
        ahead of the schedule."""
        if not self._is_immediate and not self._is_urgent() and self.is_on_schedule(progress):
            self._absorb()
            self._writes = 0
            self._host.wait(_PAUSE_MS)
            return
        self._writes += 1
        if self._writes >= _WRITES_PER_ABSORB:
            self._absorb()
            self._writes = 0

    def is_on_schedule(self, progress: float) -> bool:
        """Whether as much is done as time and WAL volume ask for."""
        config = self._config()
        progress *= float(config.checkpoint_completion_target)
        segments = (self._insert_lsn() - self._start_lsn) / self._segment_size
        if progress < segments / checkpoint_segments(config, self._segment_size):
            return False
        elapsed_us = self._host.monotonic_us() - self._start_us
        return progress >= elapsed_us / (int(config.checkpoint_timeout) * 1_000_000)
