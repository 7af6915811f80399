"""Inserting a record: which pages go along whole, where it goes, what its end is.

1. Decide for each page whether its image goes along; assemble the record.
2. Take WAL_INSERT, which one process holds at a time. If the redo point has moved since, decide and
   assemble again (WAL-2).
3. Link the record to the previous one, copy it into the ring, publish its end as INSERT_LSN.

The caller, who holds the pages' buffers locked EXCLUSIVE, has changed them and marked them dirty
before, and stamps them with the end afterwards (WAL-1).

Source: PostgreSQL 15, `XLogInsert`, `XLogRecordAssemble`, `XLogInsertRecord`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Final, NamedTuple

from engine.errors import SqlError, SqlState
from engine.host.api import Host
from engine.host.points import Point
from engine.shmem.lwlock import EXCLUSIVE, WAL_INSERT, LWLocks
from engine.types import INVALID_LSN, Lsn, RelFileLocator
from engine.wal.buffers import WalBuffers
from engine.wal.consistency import compared_managers
from engine.wal.record import (
    CHECK_CONSISTENCY,
    FORCE_IMAGE,
    NO_IMAGE,
    STANDARD,
    TO_COMPARE,
    BlockPart,
    assemble_unsealed,
    body_crc,
    seal,
)
from engine.wal.shared import (
    FULL_PAGE_WRITES,
    INSERT_LSN,
    LAST_IMPORTANT_LSN,
    PREVIOUS_LSN,
    REDO_LSN,
    WalShared,
)

RM_XLOG: Final = 0
FPI_FOR_HINT: Final = 0xA0
_read_lsn = Struct("<II").unpack_from


class RegisteredBlock(NamedTuple):
    """A page that the record is about. `flags`: FORCE_IMAGE, NO_IMAGE, WILL_INIT, STANDARD of
    `engine.wal.record`; `data` is left out of the record when the image goes along."""

    buffer: int
    page: memoryview
    locator: RelFileLocator
    fork: int
    block: int
    flags: int = STANDARD
    data: bytes | bytearray | memoryview = b""


def page_lsn(page: bytes | bytearray | memoryview) -> int:
    """A data page's LSN: the high word comes first."""
    high, low = _read_lsn(page)
    return int(high << 32 | low)


class WalInserter:
    """Inserting records, as one process does it. `setting(name)` is the value of a setting."""

    def __init__(
        self,
        host: Host,
        shared: WalShared,
        locks: LWLocks,
        buffers: WalBuffers,
        setting: Callable[[str], object],
    ) -> None:
        self.setting = setting
        self._point = host.point
        self._shared = shared
        self._words = shared.words
        self._locks = locks
        self._copy = buffers.copy
        self._is_allowed: bool | None = None
        self._compared_text = ""
        self._compared: frozenset[int] = frozenset()
        self.last_record_lsn = INVALID_LSN
        """Start of the last record that this process inserted (`ProcLastRecPtr`)."""

    def insert(
        self,
        rmid: int,
        info: int,
        main: bytes | bytearray,
        blocks: Sequence[RegisteredBlock] = (),
        xid: int = 0,
        important: bool = True,
    ) -> Lsn:
        """Insert a record; its end LSN.

        `important` is False for records that alone are no reason for a timed checkpoint.
        """
        if not self.is_allowed():
            raise SqlError(SqlState.INTERNAL_ERROR, "cannot make new WAL entries during recovery")
        words = self._words
        redo = words[REDO_LSN]
        full_page_writes = words[FULL_PAGE_WRITES]
        info |= self._check_flag(rmid)
        parts = choose_images(blocks, redo, full_page_writes, info) if blocks else ()
        record = assemble_unsealed(rmid, info, xid, main, parts)
        crc = body_crc(record)
        self._locks.acquire(WAL_INSERT, EXCLUSIVE)
        if words[REDO_LSN] != redo or words[FULL_PAGE_WRITES] != full_page_writes:
            # WAL-2: a checkpoint began meanwhile, and this record lies behind its redo point.
            parts = choose_images(blocks, words[REDO_LSN], words[FULL_PAGE_WRITES], info)
            record = assemble_unsealed(rmid, info, xid, main, parts)
            crc = body_crc(record)
        seal(record, crc, words[PREVIOUS_LSN])
        start, end = self._copy(record)
        self._point(Point.WAL_RECORD_COPIED, end)
        words[PREVIOUS_LSN] = start
        words[INSERT_LSN] = end
        if important:
            words[LAST_IMPORTANT_LSN] = start
        self._locks.release(WAL_INSERT)
        self.last_record_lsn = Lsn(start)
        return Lsn(end)

    def insert_image_for_hint(self, block: RegisteredBlock) -> Lsn:
        """Log the whole page before its first hint-only change since the redo point, and return the
        record's end for the page's LSN; 0 when it needs none (`XLogSaveBufferForHint`).

        The caller, who may hold the page locked only SHARED, keeps checkpoints from beginning
        (`delay_checkpoint`) until the buffer is marked dirty. `block.page` should be a copy, since
        others may set hints meanwhile. Without full_page_writes the record has no image, as in
        PostgreSQL since 14, and only moves the page's LSN.
        """
        if page_lsn(block.page) > self._words[REDO_LSN]:
            return INVALID_LSN
        whole = block._replace(flags=block.flags & STANDARD, data=b"")
        return self.insert(RM_XLOG, FPI_FOR_HINT, b"", (whole,))

    def _check_flag(self, rmid: int) -> int:
        """CHECK_CONSISTENCY, if replay of this manager's records is to be compared (WAL-12)."""
        text = self.setting("wal_consistency_checking")
        if text != self._compared_text:
            self._compared_text = str(text)
            self._compared = compared_managers(self._compared_text)
        return CHECK_CONSISTENCY if rmid in self._compared else 0

    def is_allowed(self) -> bool:
        """Whether this process may insert: after recovery all may, before only who `allow`ed
        itself."""
        if self._is_allowed is None:
            if self._shared.in_recovery():
                return False
            self._is_allowed = True
        return self._is_allowed

    def allow(self, allowed: bool | None) -> bool | None:
        """Let this process insert whatever the state of recovery is (True), or never (False), or
        as recovery says (None); what held before (`LocalSetXLogInsertAllowed`)."""
        before, self._is_allowed = self._is_allowed, allowed
        return before


def choose_images(
    blocks: Sequence[RegisteredBlock], redo: int, full_page_writes: int, info: int
) -> list[BlockPart]:
    """WAL-2: a page that has not been logged since the redo point goes along as a whole.

    WAL-12: so does every other page of a record with CHECK_CONSISTENCY, beside what redo needs.
    """
    parts = []
    for number, (_, page, locator, fork, block, flags, data) in enumerate(blocks):
        if flags & FORCE_IMAGE or (
            full_page_writes and not flags & NO_IMAGE and page_lsn(page) <= redo
        ):
            parts.append(BlockPart(number, locator, fork, block, flags, page))
        elif info & CHECK_CONSISTENCY:
            parts.append(BlockPart(number, locator, fork, block, flags | TO_COMPARE, page, data))
        else:
            parts.append(BlockPart(number, locator, fork, block, flags, None, data))
    return parts
