"""The pages of pg_wal for the reader, during recovery: nobody writes there then.

Source: PostgreSQL 15, `XLogPageRead`, xlogrecovery.c.
"""

from __future__ import annotations

from typing import Final

from engine.errors import FatalError
from engine.host.api import Host
from engine.types import WAL_BLOCK_SIZE
from engine.wal.file_error import file_sqlstate
from engine.wal.segments import Segments

_CHUNK: Final = 256 * 1024


class WalSource:
    """Reads pages, many at a time."""

    def __init__(self, host: Host, segments: Segments) -> None:
        self._host = host
        self._segments = segments
        self._fd = -1
        self._segment = -1
        self._chunk = b""
        self._chunk_start = 0
        self.missing_file = ""
        """The segment file that the last `page` wanted and did not find."""

    def page(self, lsn: int) -> bytes | None:
        """The page at `lsn`; None when there is none. FATAL when the disk cannot read it, since
        then nobody knows whether the WAL ends there."""
        at = lsn - self._chunk_start
        if not 0 <= at <= len(self._chunk) - WAL_BLOCK_SIZE:
            if not self._load(lsn):
                return None
            at = 0
        return self._chunk[at : at + WAL_BLOCK_SIZE]

    def close(self) -> None:
        """Let go of the file, and of what was read."""
        fd, segment = self._fd, self._segment
        self._fd = self._segment = -1
        self._chunk = b""
        if fd < 0:
            return
        try:
            self._host.close(fd)
        except OSError as error:
            raise FatalError(
                file_sqlstate(error),
                f'could not close file "{self._segments.path(segment)}": {error.strerror}',
            ) from error

    def _load(self, lsn: int) -> bool:
        segment, offset = divmod(lsn, self._segments.segment_size)
        if segment != self._segment and not self._open(segment):
            return False
        length = min(_CHUNK, self._segments.segment_size - offset)
        try:
            self._chunk = self._host.pread(self._fd, length, offset)
        except OSError as error:
            name = self._segments.file_name(segment)
            raise FatalError(
                file_sqlstate(error),
                f"could not read from log segment {name}, offset {offset}: {error.strerror}",
            ) from error
        self._chunk_start = lsn
        return len(self._chunk) >= WAL_BLOCK_SIZE

    def _open(self, segment: int) -> bool:
        self.close()
        path = self._segments.path(segment)
        self.missing_file = ""
        try:
            self._fd = self._host.open(path)
        except FileNotFoundError:
            self.missing_file = path
            return False
        except OSError as error:
            raise FatalError(
                file_sqlstate(error), f'could not open file "{path}": {error.strerror}'
            ) from error
        self._segment = segment
        return True
