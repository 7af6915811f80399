"""Finding WAL segments for a tool, and reading pages out of them.

Source: PostgreSQL 15, `pg_waldump.c` (identify_target_directory, WALDumpReadPage).
"""

from __future__ import annotations

from typing import Final

from engine.cli.tool import fail
from engine.datadir import WAL_DIRECTORY
from engine.host.api import Host
from engine.types import WAL_BLOCK_SIZE
from engine.wal.page import (
    is_segment_file_name,
    is_valid_segment_size,
    segment_file_name,
    unpack_page_header,
)
from engine.wal.reader import WalReadError

_CHUNK: Final = 64 * WAL_BLOCK_SIZE


class WalFileError(Exception):
    """A segment that is needed is not there, or cannot be read as far as needed."""


def find_directory(
    host: Host, directory: str | None, data: str | None, name: str | None
) -> tuple[str, int]:
    """The directory that has the segment `name`, or any segment, and the segments' size.

    Looked for in `directory` and its pg_wal, or without it in ., ./pg_wal and `data`/pg_wal.
    """
    if directory is not None:
        places = [directory, f"{directory}/{WAL_DIRECTORY}"]
    else:
        places = [".", WAL_DIRECTORY]
        if data is not None:
            places.append(f"{data}/{WAL_DIRECTORY}")
    sizes = ((place, _segment_size(host, place, name)) for place in places)
    found = next(((place, size) for place, size in sizes if size is not None), None)
    if found is None:
        fail(f'could not locate WAL file "{name}"' if name else "could not find any WAL file")
    return found


def _segment_size(host: Host, directory: str, name: str | None) -> int | None:
    if name is None:
        try:
            entries = host.list_directory(directory)
        except OSError:
            return None
        name = next(filter(is_segment_file_name, entries), None)
        if name is None:
            return None
    try:
        fd = host.open(f"{directory}/{name}")
    except OSError:
        return None
    try:
        page = host.pread(fd, WAL_BLOCK_SIZE, 0)
    except OSError as error:
        fail(f'could not read file "{name}": {error.strerror}')
    finally:
        host.close(fd)
    if len(page) < WAL_BLOCK_SIZE:
        fail(f'could not read file "{name}": read {len(page)} of {WAL_BLOCK_SIZE}')
    size = unpack_page_header(page).segment_size
    if not is_valid_segment_size(size):
        unit = "byte" if size == 1 else "bytes"
        fail(
            "WAL segment size must be a power of two between 1 MB and 1 GB, "
            f'but the WAL file "{name}" header specifies {size} {unit}'
        )
    return size


class SegmentPages:
    """A `ReadPage` for `WalReader` over the segments in one directory, up to `end` if given."""

    def __init__(
        self, host: Host, directory: str, timeline: int, segment_size: int, end: int = 0
    ) -> None:
        self._host = host
        self._directory = directory
        self._timeline = timeline
        self._segment_size = segment_size
        self._end = end
        self._chunk = b""
        self._chunk_lsn = -1
        self._fd = -1
        self._segment = -1
        self.reached_end = False
        """A page at or after `end` was asked for."""

    def __call__(self, lsn: int) -> bytes:
        if self._end and lsn >= self._end:
            self.reached_end = True
            raise WalReadError
        at = lsn - self._chunk_lsn
        if self._chunk_lsn < 0 or not 0 <= at <= len(self._chunk) - WAL_BLOCK_SIZE:
            self._read_chunk(lsn)
            at = 0
        return self._chunk[at : at + WAL_BLOCK_SIZE]

    def forget(self) -> None:
        """Read again what may have been written meanwhile."""
        self._chunk_lsn = -1

    def close(self) -> None:
        if self._fd >= 0:
            self._host.close(self._fd)
            self._fd = -1

    def _read_chunk(self, lsn: int) -> None:
        segment, offset = divmod(lsn, self._segment_size)
        name = segment_file_name(self._timeline, segment, self._segment_size)
        if segment != self._segment:
            self.close()
            try:
                self._fd = self._host.open(f"{self._directory}/{name}")
            except OSError as error:
                message = f'could not find file "{name}": {error.strerror}'
                raise WalFileError(message) from None
            self._segment = segment
        try:
            chunk = self._host.pread(self._fd, min(_CHUNK, self._segment_size - offset), offset)
        except OSError as error:
            message = f"could not read from file {name}, offset {offset}: {error.strerror}"
            raise WalFileError(message) from None
        if len(chunk) < WAL_BLOCK_SIZE:
            raise WalFileError(
                f"could not read from file {name}, offset {offset + len(chunk)}: "
                f"read 0 of {WAL_BLOCK_SIZE - len(chunk)}"
            )
        self._chunk = chunk
        self._chunk_lsn = lsn
