"""When a checkpoint is due: somebody asked, or checkpoint_timeout has passed.

Source: PostgreSQL 15, `CheckpointerMain`, postmaster/checkpointer.c.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.config import Config
from engine.errors import SqlError
from engine.host.api import Host
from engine.recovery.checkpoint import Checkpoints
from engine.recovery.checkpoint_request import CheckpointFlags, CheckpointRequests
from engine.recovery.end_of_recovery import update_full_page_writes
from engine.shmem.log import Log
from engine.storage.sync_requests import SyncRequests
from engine.wal.wal import Wal

_RETRY_AFTER_US: Final = 15_000_000


class CheckpointSchedule:
    """What the checkpointer does between its waits. `close_files` lets go of descriptors of files
    that may have been dropped."""

    def __init__(
        self,
        host: Host,
        log: Log,
        config: Config,
        *,
        checkpoints: Checkpoints,
        requests: CheckpointRequests,
        sync: SyncRequests,
        wal: Wal,
        close_files: Callable[[], None] = lambda: None,
    ) -> None:
        self._host = host
        self._log = log
        self.config = config
        self._checkpoints = checkpoints
        self._requests = requests
        self._sync = sync
        self._wal = wal
        self._close_files = close_files
        self._last_us = host.monotonic_us()

    def round(self) -> float:
        """Take over sync requests and make the checkpoint that is due, if one is; how many
        milliseconds may pass until the next round. A failed checkpoint is raised as `SqlError`
        after those who wait for it were told."""
        self._sync.absorb()
        elapsed_us = self._host.monotonic_us() - self._last_us
        is_time = elapsed_us >= self._timeout_us()
        if is_time or self._requests.is_pending():
            self._serve(is_time, elapsed_us)
            if self._requests.is_pending():
                # Who asked during the checkpoint woke this process then, and will not do so again.
                return 0.0
        left_us = self._timeout_us() - (self._host.monotonic_us() - self._last_us)
        return max(0.0, left_us / 1000)

    def shut_down(self) -> None:
        """The last checkpoint, when all others are gone (`ShutdownXLOG`). In recovery there is
        nothing to write down: it will be run again."""
        self._log.log("shutting down")
        if not self._wal.in_recovery():
            self._checkpoints.create(CheckpointFlags.IS_SHUTDOWN | CheckpointFlags.IMMEDIATE)

    def replace_config(self, config: Config) -> None:
        """The settings were read again; a change of full_page_writes takes effect now."""
        self.config = config
        self._checkpoints.config = config
        update_full_page_writes(self._wal, config)

    def _serve(self, is_time: bool, elapsed_us: int) -> None:
        flags = self._requests.begin()
        if is_time:
            flags |= CheckpointFlags.CAUSE_TIME
        if flags & CheckpointFlags.CAUSE_XLOG:
            self._warn_if_frequent(elapsed_us)
        began_us = self._host.monotonic_us()
        # Crash recovery makes no restart points: its only checkpoint is the one that ends it.
        if self._wal.in_recovery() and not flags & CheckpointFlags.END_OF_RECOVERY:
            self._last_us = began_us - self._timeout_us() + _RETRY_AFTER_US
            self._requests.finish()
            return
        try:
            self._checkpoints.create(flags)
        except SqlError:
            self._requests.finish(failed=True)
            raise
        self._close_files()
        self._last_us = began_us
        self._requests.finish()

    def _warn_if_frequent(self, elapsed_us: int) -> None:
        seconds = elapsed_us // 1_000_000
        if not self._wal.in_recovery() and seconds < int(self.config.checkpoint_warning):
            unit = "second" if seconds == 1 else "seconds"
            self._log.log(
                f"checkpoints are occurring too frequently ({seconds} {unit} apart)",
                hint='Consider increasing the configuration parameter "max_wal_size".',
            )

    def _timeout_us(self) -> int:
        return int(self.config.checkpoint_timeout) * 1_000_000
