"""The write-ahead log as one process uses it: everything that the rest of the engine calls.

    end = wal.insert(rmid, info, main, blocks, xid)     # then page LSN = end
    wal.flush(end)                                      # returns when it is on disk

`wal.insert` and `wal.flush` are the two that matter; engine/wal/README.md has their rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.config import Config
from engine.errors import check
from engine.host.api import Host
from engine.shmem.lwlock import EXCLUSIVE, WAL_INSERT, LWLocks
from engine.types import WAL_BLOCK_SIZE, Lsn
from engine.wal.buffers import WalBuffers
from engine.wal.flush import WalFlusher
from engine.wal.insert import RegisteredBlock, WalInserter
from engine.wal.page import skip_header
from engine.wal.segments import SegmentCounts, Segments
from engine.wal.shared import (
    ASYNC_COMMIT_LSN,
    CHECKPOINT_REDO_LSN,
    FLUSHED_LSN,
    FULL_PAGE_WRITES,
    INSERT_LSN,
    IS_RECOVERY_DONE,
    LAST_IMPORTANT_LSN,
    OVERWRITTEN_LSN,
    PREVIOUS_LSN,
    REDO_LSN,
    WAL_WRITER_SLEEPS,
    WRITTEN_LSN,
    WalShared,
)

__all__ = ["RegisteredBlock", "SegmentCounts", "Wal", "WalShared"]

_PAGE_MASK: Final = WAL_BLOCK_SIZE - 1


def _no_request() -> None:
    """Nobody to ask for a checkpoint."""


class Wal:
    """The WAL services of one process; made after the fork."""

    def __init__(
        self,
        host: Host,
        shared: WalShared,
        locks: LWLocks,
        config: Config,
        *,
        system_identifier: int,
        timeline: int,
        segment_size: int,
        slot: int = 0,
        request_checkpoint: Callable[[], None] = _no_request,
    ) -> None:
        self.shared = shared
        self.timeline = timeline
        self.segment_size = segment_size
        self._words = shared.words
        self._locks = locks
        self.segments = Segments(
            host, locks, config, segment_size=segment_size, timeline=timeline, suffix=str(slot)
        )
        self._flusher = WalFlusher(host, shared, locks, self.segments, config, request_checkpoint)
        buffers = WalBuffers(
            shared,
            segment_size=segment_size,
            timeline=timeline,
            system_identifier=system_identifier,
            write_out=self._flusher.write_out,
        )
        self._config = config
        self._inserter = WalInserter(host, shared, locks, buffers, self._configured)
        # The calls that everybody makes all the time, without a step between.
        self.insert = self._inserter.insert
        self.insert_image_for_hint = self._inserter.insert_image_for_hint
        self.insert_allowed = self._inserter.is_allowed
        self.allow_insert = self._inserter.allow

    # writing and syncing ------------------------------------------------------------------------

    def flush(self, lsn: int) -> None:
        """Return when the WAL is on disk up to `lsn`. In recovery there is nothing to do: what is
        replayed was synced before replay began (REDO-3)."""
        if self._words[FLUSHED_LSN] < lsn and self._inserter.is_allowed():
            self._flusher.flush(lsn)

    def background_flush(self) -> bool:
        """One round of the WAL writer; whether there was anything to do."""
        if self.in_recovery():
            return False
        return self._flusher.background_flush()

    def request_async(self, lsn: int) -> None:
        """Somebody has committed up to `lsn` without waiting: flush it soon."""
        self._flusher.request_async_flush(lsn)

    def set_wal_writer_sleeping(self, sleeps: bool) -> None:
        """The WAL writer sleeps long, and is to be woken for the next asynchronous commit."""
        self._words[WAL_WRITER_SLEEPS] = sleeps

    def close(self) -> None:
        """Close files."""
        self._flusher.close()

    def take_settings_from(self, setting: Callable[[str], object]) -> None:
        """From now on a session says what its records are to carry, not the configuration."""
        self._inserter.setting = setting

    def replace_config(self, config: Config) -> None:
        """The settings were read again."""
        self._config = config
        self._flusher.config = config
        self.segments.config = config

    def _configured(self, name: str) -> object:
        return self._config.value(name)

    # positions ----------------------------------------------------------------------------------

    def in_recovery(self) -> bool:
        """Whether the WAL is still closed to everybody (`RecoveryInProgress`)."""
        return self.shared.in_recovery()

    def insert_lsn(self) -> Lsn:
        """Where the next record will begin (`GetXLogInsertRecPtr`)."""
        return Lsn(skip_header(self._words[INSERT_LSN], self.segment_size))

    def end_lsn(self) -> Lsn:
        """End of the last complete record."""
        return Lsn(self._words[INSERT_LSN])

    def last_record_lsn(self) -> Lsn:
        """Start of the last record that this process inserted, 0 if none."""
        return self._inserter.last_record_lsn

    def written_lsn(self) -> Lsn:
        """Written, perhaps not synced, up to here."""
        return Lsn(self._words[WRITTEN_LSN])

    def flushed_lsn(self) -> Lsn:
        """On disk up to here."""
        return Lsn(self._words[FLUSHED_LSN])

    def redo_lsn(self) -> Lsn:
        """Redo point of the last checkpoint that has begun."""
        return Lsn(self._words[REDO_LSN])

    def last_important_lsn(self) -> Lsn:
        """Start of the last record that is a reason for a timed checkpoint."""
        return Lsn(self._words[LAST_IMPORTANT_LSN])

    def async_commit_lsn(self) -> Lsn:
        """End of the newest commit record that nobody waits for."""
        return Lsn(self._words[ASYNC_COMMIT_LSN])

    def full_page_writes(self) -> bool:
        """Whether page images are taken now."""
        return bool(self._words[FULL_PAGE_WRITES])

    # checkpoint and start-up --------------------------------------------------------------------

    def take_redo_point(self, *, unless_idle_since: int | None = None) -> Lsn | None:
        """Make the place where the next record will begin the redo point, under WAL_INSERT: a
        record is either before it, and its page is written by the checkpoint, or behind it, and
        its page goes along whole (CKPT-1).

        None, and nothing done, if the last important record is the one at `unless_idle_since`.
        """
        words = self._words
        self._locks.acquire(WAL_INSERT, EXCLUSIVE)
        if unless_idle_since is not None and words[LAST_IMPORTANT_LSN] == unless_idle_since:
            self._locks.release(WAL_INSERT)
            return None
        redo = self.insert_lsn()
        words[REDO_LSN] = redo
        self._locks.release(WAL_INSERT)
        words[CHECKPOINT_REDO_LSN] = redo
        return redo

    def set_redo_lsn(self, redo: int) -> None:
        """Take over the redo point of the checkpoint that recovery starts from."""
        self._words[REDO_LSN] = redo
        self._words[CHECKPOINT_REDO_LSN] = redo

    def set_full_page_writes(self, on: bool) -> None:
        """Take images from now on, or no longer."""
        self._locks.acquire(WAL_INSERT, EXCLUSIVE)
        self._words[FULL_PAGE_WRITES] = on
        self._locks.release(WAL_INSERT)

    def start_at(
        self, end: int, last_record: int, last_page: bytes = b"", *, overwritten_page: int = 0
    ) -> None:
        """Go on where recovery ended. Called once, by the startup process.

        `last_page` is the part of the page that `end` lies in which is before `end`; the rest is
        taken to be zero, whatever the disk has there. `overwritten_page` is `end` when it cuts off
        an incomplete record.
        """
        words, shared = self._words, self.shared
        check(end % 8 == 0, "WAL-11", "records end at multiples of 8", end=end)
        inside = end & _PAGE_MASK
        check(len(last_page) == inside, "WAL-8", end=end, length=len(last_page))
        place = (end >> 13) % shared.page_count << 13
        if inside:
            shared.ring[place : place + inside] = last_page
            shared.ring[place + inside : place + WAL_BLOCK_SIZE] = bytes(WAL_BLOCK_SIZE - inside)
        words[PREVIOUS_LSN] = last_record
        words[INSERT_LSN] = end
        words[WRITTEN_LSN] = end
        words[FLUSHED_LSN] = end
        words[LAST_IMPORTANT_LSN] = 0
        words[OVERWRITTEN_LSN] = overwritten_page

    def open_to_all(self) -> None:
        """Recovery is over: every process may insert (`RECOVERY_STATE_DONE`)."""
        self._words[IS_RECOVERY_DONE] = 1
