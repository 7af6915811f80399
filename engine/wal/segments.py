"""The files in pg_wal: made, found, kept open, reused, removed.

A segment comes into being under a temporary name, full of zeros and synced, and only then gets its
real name; so a file with a segment's name is always whole (WAL-6). A segment that is no longer
needed gets the name of one that will be needed soon, or goes; its old bytes then lie under the new
name, and readers tell them from new ones by page address and xl_prev (WAL-7).

Source: PostgreSQL 15, `XLogFileInit`, `InstallXLogFileSegment`, `RemoveOldXlogFiles`, xlog.c.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Final

from engine.config import Config
from engine.errors import SqlError, SqlState
from engine.host.api import Host, OpenMode
from engine.host.points import Point
from engine.shmem.lwlock import CONTROL_FILE, EXCLUSIVE, LWLocks
from engine.wal.file_error import close_written, file_error, file_panic
from engine.wal.page import is_segment_file_name, segment_file_name

WAL_DIRECTORY: Final = "pg_wal"
TEMPORARY_PREFIX: Final = "xlogtemp."
_ZEROS: Final = bytes(1 << 20)
_MEGABYTE: Final = 1 << 20


@dataclass
class SegmentCounts:
    """What became of segment files during one checkpoint, for its log line."""

    added: int = 0
    removed: int = 0
    recycled: int = 0


def checkpoint_segments(config: Config, segment_size: int) -> int:
    """Segments between a checkpoint's redo point and the start of the next that WAL volume
    triggers (`CalculateCheckpointSegments`)."""
    target = float(config.max_wal_size) * _MEGABYTE / segment_size
    return max(1, int(target / (1.0 + float(config.checkpoint_completion_target))))


def keep_from_segment(current: int, keep: int, config: Config, segment_size: int) -> int:
    """The first segment to keep, given the one that redo needs and wal_keep_size (`KeepLogSeg`)."""
    if config.wal_keep_size > 0:
        wanted = int(config.wal_keep_size) * _MEGABYTE // segment_size
        if current - keep < wanted:
            keep = min(keep, max(1, current - wanted))
    return keep


def last_segment_to_recycle_to(
    redo: int, distance_estimate: float, config: Config, segment_size: int
) -> int:
    """The highest segment number worth making from an old file (`XLOGfileslop`)."""
    lowest = redo // segment_size + int(config.min_wal_size) * _MEGABYTE // segment_size - 1
    highest = redo // segment_size + int(config.max_wal_size) * _MEGABYTE // segment_size - 1
    # 10% more than is expected to be used until the next checkpoint is complete.
    ahead = (1.0 + float(config.checkpoint_completion_target)) * distance_estimate * 1.10
    return max(lowest, min(highest, ceil((redo + ahead) / segment_size)))


class Segments:
    """Segment files as one process handles them. `suffix` sets its temporary files apart."""

    def __init__(
        self,
        host: Host,
        locks: LWLocks,
        config: Config,
        *,
        segment_size: int,
        timeline: int,
        suffix: str,
    ) -> None:
        self._host = host
        self._locks = locks
        self.config = config
        self.segment_size = segment_size
        self.timeline = timeline
        self._temporary = f"{WAL_DIRECTORY}/{TEMPORARY_PREFIX}{suffix}"

    def file_name(self, segment: int) -> str:
        """The file's name inside pg_wal."""
        return segment_file_name(self.timeline, segment, self.segment_size)

    def path(self, segment: int) -> str:
        """The file's path inside the data directory."""
        return f"{WAL_DIRECTORY}/{self.file_name(segment)}"

    def open_or_create(self, segment: int) -> tuple[int, bool]:
        """A descriptor for writing, and whether a file had to be made (`XLogFileInit`)."""
        fd = self._open(segment)
        if fd is not None:
            return fd, False
        self._create(segment)
        fd = self._open(segment)
        if fd is None:
            raise SqlError(
                SqlState.UNDEFINED_FILE,
                f'could not open file "{self.path(segment)}": No such file or directory',
            )
        return fd, True

    def preallocate(self, end: int, counts: SegmentCounts) -> None:
        """Make the next segment when the current one is three quarters full
        (`PreallocXlogFiles`)."""
        segment, offset = divmod(end - 1, self.segment_size)
        if offset >= 0.75 * self.segment_size and not self._exists(segment + 1):
            self._create(segment + 1)
            counts.added += 1

    def recycle_or_remove(
        self,
        keep_from: int,
        end: int,
        recycle_up_to: int,
        counts: SegmentCounts,
        complain: Callable[[str], None],
    ) -> None:
        """Get rid of the segments below `keep_from`, reusing what is worth reusing
        (`RemoveOldXlogFiles`). `end` is the end of WAL: names from its segment on may be free.

        A file that cannot be renamed or removed is complained of and stays: nobody needs it gone.
        """
        free = end // self.segment_size
        limit = self.file_name(keep_from)[8:]
        for name in self._list():
            if not is_segment_file_name(name) or name[8:] >= limit:
                continue
            path = f"{WAL_DIRECTORY}/{name}"
            installed = None
            if free <= recycle_up_to:
                try:
                    installed = self._install(path, free, recycle_up_to)
                except SqlError as error:
                    complain(error.message)
            if installed is not None:
                counts.recycled += 1
                free = installed + 1
                self._host.point(Point.WAL_SEGMENT_RECYCLED, installed * self.segment_size)
                continue
            try:
                self._remove(path)
            except SqlError as error:
                complain(error.message)
            else:
                counts.removed += 1

    def remove_temporary(self) -> None:
        """Remove what crashed makers of segments left (`RemoveTempXlogFiles`)."""
        for name in self._list():
            if name.startswith(TEMPORARY_PREFIX):
                self._discard(f"{WAL_DIRECTORY}/{name}")

    def _list(self) -> list[str]:
        try:
            return self._host.list_directory(WAL_DIRECTORY)
        except OSError as error:
            raise file_error(error, f'could not open directory "{WAL_DIRECTORY}"') from error

    def _exists(self, segment: int) -> bool:
        path = self.path(segment)
        try:
            return self._host.stat(path) is not None
        except OSError as error:
            raise file_error(error, f'could not stat file "{path}"') from error

    def _open(self, segment: int) -> int | None:
        path = self.path(segment)
        try:
            return self._host.open(path, OpenMode.WRITE)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise file_error(error, f'could not open file "{path}"') from error

    def _create(self, segment: int) -> None:
        """WAL-6: zeros, synced, and then the name."""
        path = self._temporary
        try:
            fd = self._host.open(path, OpenMode.WRITE | OpenMode.CREATE | OpenMode.TRUNCATE)
        except OSError as error:
            raise file_error(error, f'could not create file "{path}"') from error
        try:
            self._fill(fd)
        finally:
            close_written(self._host, fd, path)
        # Another process may have been quicker; then the file serves as a later segment, or goes.
        last = segment + checkpoint_segments(self.config, self.segment_size)
        if self._install(path, segment, last) is None:
            self._discard(path)
        self._host.point(Point.WAL_SEGMENT_CREATED, segment * self.segment_size)

    def _fill(self, fd: int) -> None:
        host, path = self._host, self._temporary
        try:
            for offset in range(0, self.segment_size, len(_ZEROS)):
                write_fully(host, fd, _ZEROS, offset)
        except OSError as error:
            # Give the space back: the disk is probably full.
            self._discard(path)
            raise file_error(error, f'could not write to file "{path}"') from error
        try:
            if self.config.fsync:
                host.fsync(fd)
        except OSError as error:
            # No PANIC by itself: nothing relies on this file, and the next attempt makes another.
            self._discard(path)
            raise file_error(error, f'could not fsync file "{path}"') from error

    def _install(self, path: str, segment: int, last: int) -> int | None:
        """Give the file the first free segment name from `segment` to `last`, durably; which, or
        None when all are taken (`InstallXLogFileSegment`)."""
        host = self._host
        self._locks.acquire(CONTROL_FILE, EXCLUSIVE)
        try:
            while self._exists(segment):
                segment += 1
                if segment > last:
                    return None
            try:
                host.rename(path, self.path(segment))
            except OSError as error:
                names = f'"{path}" to "{self.path(segment)}"'
                raise file_error(error, f"could not rename file {names}") from error
            self._sync_directory()
        finally:
            self._locks.release(CONTROL_FILE)
        return segment

    def _discard(self, path: str) -> None:
        """Remove a temporary file. One that stays costs its space only until the next start."""
        with suppress(OSError):
            self._host.unlink(path)

    def _remove(self, path: str) -> None:
        try:
            self._host.unlink(path)
        except OSError as error:
            raise file_error(error, f'could not remove file "{path}"') from error
        self._sync_directory()

    def _sync_directory(self) -> None:
        if not self.config.fsync:
            return
        try:
            self._host.fsync_directory(WAL_DIRECTORY)
        except OSError as error:
            raise file_panic(error, f'could not fsync file "{WAL_DIRECTORY}"') from error


def write_fully(host: Host, fd: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of `data`; a device that takes nothing more is a full disk, as PostgreSQL says."""
    written = host.pwrite(fd, data, offset)
    while written < len(data):
        step = host.pwrite(fd, memoryview(data)[written:], offset + written)
        if step == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written += step
