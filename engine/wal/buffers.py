"""The ring of WAL pages in shared memory: where records are put before they are written.

A page enters the ring when the first byte of a record, or of a record's continuation, goes onto it;
it may take its place only when the page that was there is written (WAL-3). All of it runs under
WAL_INSERT, so the copy of one record is never mixed with another's, and what lies below the
published INSERT_LSN is complete.

Source: PostgreSQL 15, `AdvanceXLInsertBuffer`, `CopyXLogRecordToWAL`, xlog.c.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.errors import check
from engine.types import WAL_BLOCK_SIZE, align8
from engine.wal.page import (
    BACKUP_REMOVABLE,
    FIRST_IS_CONTRECORD,
    FIRST_IS_OVERWRITE_CONTRECORD,
    LONG_HEADER,
    LONG_HEADER_SIZE,
    LONG_HEADER_STRUCT,
    PAGE_MAGIC,
    SHORT_HEADER,
    SHORT_HEADER_SIZE,
)
from engine.wal.shared import INSERT_LSN, OVERWRITTEN_LSN, WRITTEN_LSN, WalShared

_PAGE_MASK: Final = WAL_BLOCK_SIZE - 1
_ZERO_PAGE: Final = bytes(WAL_BLOCK_SIZE)


class WalBuffers:
    """The ring as the process that holds WAL_INSERT fills it.

    `write_out(lsn)` must get every page below `lsn` written; it is called when a page is needed
    whose place is still taken.
    """

    def __init__(
        self,
        shared: WalShared,
        *,
        segment_size: int,
        timeline: int,
        system_identifier: int,
        write_out: Callable[[int], None],
    ) -> None:
        self._words = shared.words
        self._ring = shared.ring
        self._pages = shared.page_count
        self._segment_size = segment_size
        self._timeline = timeline
        self._system_identifier = system_identifier
        self._write_out = write_out

    def copy(self, record: bytes | bytearray) -> tuple[int, int]:
        """Put a record behind the last one: where it starts, where it ends (a multiple of 8).

        The caller publishes the new INSERT_LSN.
        """
        position = self._words[INSERT_LSN]
        offset = position & _PAGE_MASK
        if not offset:
            offset = self._begin_page(position, 0)
            position += offset
        length = len(record)
        at = ((position >> 13) % self._pages << 13) + offset
        if length <= WAL_BLOCK_SIZE - offset:
            self._ring[at : at + length] = record
            return position, (position + length + 7) & ~7
        return position, self._copy_long(record, position, at, WAL_BLOCK_SIZE - offset)

    def _copy_long(self, record: bytes | bytearray, position: int, at: int, done: int) -> int:
        """Copy a record that goes on on further pages; `done` bytes fit on the first one."""
        ring, view, length = self._ring, memoryview(record), len(record)
        ring[at : at + done] = view[:done]
        address = position & ~_PAGE_MASK
        while True:
            address += WAL_BLOCK_SIZE
            header = self._begin_page(address, length - done)
            step = min(WAL_BLOCK_SIZE - header, length - done)
            at = ((address >> 13) % self._pages << 13) + header
            ring[at : at + step] = view[done : done + step]
            done += step
            if done == length:
                return align8(address + header + step)

    def _begin_page(self, address: int, remaining: int) -> int:
        """Make the page at `address` in the ring, zeros behind its header; the header's size.

        `remaining` bytes of the record that began on an earlier page are still to come.
        """
        words = self._words
        last_taken = address - (self._pages - 1) * WAL_BLOCK_SIZE
        if words[WRITTEN_LSN] < last_taken:
            self._write_out(last_taken)
            check(words[WRITTEN_LSN] >= last_taken, "WAL-3", lsn=last_taken)
        at = (address >> 13) % self._pages << 13
        self._ring[at : at + WAL_BLOCK_SIZE] = _ZERO_PAGE
        info = BACKUP_REMOVABLE
        if remaining:
            info |= FIRST_IS_CONTRECORD
        elif words[OVERWRITTEN_LSN] == address:
            info |= FIRST_IS_OVERWRITE_CONTRECORD
        if address % self._segment_size:
            SHORT_HEADER.pack_into(
                self._ring, at, PAGE_MAGIC, info, self._timeline, address, remaining
            )
            return SHORT_HEADER_SIZE
        LONG_HEADER_STRUCT.pack_into(
            self._ring, at, PAGE_MAGIC, info | LONG_HEADER, self._timeline, address, remaining,
            self._system_identifier, self._segment_size, WAL_BLOCK_SIZE,
        )  # fmt: skip
        return LONG_HEADER_SIZE
