"""Reading the log: one record after the other, until the bytes are no valid record any more.

The end of the log is not marked. It is where the first record stands that cannot be right: no
length, a wrong link to the record before, a wrong CRC, a page of another place. So each
check here decides what counts as written; each has PostgreSQL's message, which recovery logs.

A record that a crash cut short ends the log too (`aborted_record_lsn`). The server that starts next
writes on at the page after the cut, with a flag by which a later reader drops the partial record.

Source: PostgreSQL 15, `xlogreader.c`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from crc32c import crc32c

from engine.types import WAL_BLOCK_SIZE, align8, format_lsn
from engine.wal.page import (
    ALL_FLAGS,
    FIRST_IS_CONTRECORD,
    FIRST_IS_OVERWRITE_CONTRECORD,
    LONG_HEADER,
    LONG_HEADER_SIZE,
    PAGE_MAGIC,
    SHORT_HEADER_SIZE,
    PageHeader,
    segment_file_name,
    unpack_page_header,
)
from engine.wal.record import (
    CRC_OFFSET,
    HEADER,
    HEADER_SIZE,
    WalRecord,
    WalRecordError,
    decode_unchecked,
)
from engine.wal.rmgr import MAX_BUILTIN, MIN_CUSTOM

ReadPage = Callable[[int], bytes | bytearray | memoryview | None]
"""The 8192 bytes of the WAL page at an LSN; None when there are none. May raise `WalReadError`."""

_XLOG_RMID: Final = 0
_XLOG_SWITCH: Final = 0x40
_LAST_WHOLE_HEADER: Final = WAL_BLOCK_SIZE - HEADER_SIZE

_unpack_u32 = struct.Struct("<I").unpack_from
_unpack_header = HEADER.unpack_from


class WalReadError(Exception):
    """For `ReadPage`: the page cannot be read, and why."""


class _EndOfWal(Exception):
    """No valid record here; the message may be empty."""


class WalReader:
    """Reads records in order. `begin` first, then `read` until it gives None.

    `system_identifier` 0 accepts any. `timeline` only names files in messages.
    """

    def __init__(
        self,
        read_page: ReadPage,
        segment_size: int,
        system_identifier: int = 0,
        timeline: int = 1,
    ) -> None:
        self._read_page = read_page
        self._segment_size = segment_size
        self._system_identifier = system_identifier
        self._timeline = timeline
        self._page = b""
        self._page_lsn = -1
        self._segment = -1
        self._latest_page_lsn = 0
        self._latest_timeline = 0
        self.end_lsn = 0
        """Where the next record is to begin; after the last read, where the valid log ends."""
        self.last_record_lsn = 0
        """Of the last record read; 0 right after `begin`."""
        self.end_of_wal = ""
        """After `read` gave None: what was wrong there, in PostgreSQL's words."""
        self.aborted_record_lsn = 0
        """After `read` gave None: the record that was cut short, 0 if none was."""
        self.missing_contrecord_lsn = 0
        """The page that should have gone on with the record that was cut short."""
        self.overwritten_record_lsn = 0
        """The partial record that the last OVERWRITE_CONTRECORD page flag made the reader drop."""

    def begin(self, lsn: int) -> None:
        """Go on at `lsn`: the start of a record, or of a page that begins with a new record."""
        self.end_lsn = lsn
        self.last_record_lsn = 0
        self.end_of_wal = ""
        self._forget_page()

    def read(self) -> WalRecord | None:
        """The next record; None at the end of the valid log, which may be tried again later."""
        lsn = self.end_lsn
        at = lsn - self._page_lsn
        if self.last_record_lsn == 0 or at > _LAST_WHOLE_HEADER:
            return self._read_slowly()
        page = self._page
        total, _, prev, info, rmid, crc = _unpack_header(page, at)
        if (
            total > WAL_BLOCK_SIZE - at
            or total < HEADER_SIZE
            or prev != self.last_record_lsn
            or MAX_BUILTIN < rmid < MIN_CUSTOM
        ):
            return self._read_slowly()
        raw = page[at : at + total]
        if crc32c(raw[:CRC_OFFSET], crc32c(raw[HEADER_SIZE:])) != crc:
            return self._read_slowly()
        end = lsn + (total + 7 & ~7)
        if rmid == _XLOG_RMID and info & 0xF0 == _XLOG_SWITCH:
            end += -end % self._segment_size
        try:
            record = decode_unchecked(raw, lsn, end)
        except (WalRecordError, struct.error):
            return self._read_slowly()
        self.last_record_lsn = lsn
        self.end_lsn = end
        return record

    def find_next(self, lsn: int) -> int:
        """Begin at the first record at or after `lsn`, which need not be a boundary; 0 if none."""
        try:
            start = self._first_start(lsn)
        except _EndOfWal as end:
            self.end_of_wal = str(end)
            return 0
        self.begin(start)
        while (record := self.read()) is not None:
            if record.lsn >= lsn:
                self.begin(record.lsn)
                return record.lsn
        return 0

    def _first_start(self, lsn: int) -> int:
        """Where a record begins, at the latest, in the page of `lsn` or those that follow."""
        page_lsn = lsn - lsn % WAL_BLOCK_SIZE
        while True:
            self._load(page_lsn)
            header = unpack_page_header(self._page)
            if not header.info & FIRST_IS_CONTRECORD:
                return page_lsn + header.size
            if align8(header.remaining) < WAL_BLOCK_SIZE - header.size:
                return page_lsn + header.size + align8(header.remaining)
            page_lsn += WAL_BLOCK_SIZE

    # the whole way ------------------------------------------------------------------------------

    def _read_slowly(self) -> WalRecord | None:
        self.aborted_record_lsn = 0
        self.missing_contrecord_lsn = 0
        try:
            record = self._read_checked()
        except (_EndOfWal, WalRecordError) as end:
            self.end_of_wal = str(end)
            self._forget_page()
            return None
        self.missing_contrecord_lsn = 0
        return record

    def _read_checked(self) -> WalRecord:
        lsn = self.end_lsn
        while True:
            page_lsn = lsn - lsn % WAL_BLOCK_SIZE
            self._load(page_lsn)
            lsn = self._record_start(lsn)
            at = lsn - page_lsn
            total = _unpack_u32(self._page, at)[0]
            if at <= _LAST_WHOLE_HEADER:
                self._check_record_header(self._page[at : at + HEADER_SIZE], lsn)
            elif total < HEADER_SIZE:
                raise _EndOfWal(_invalid_length(lsn, total))
            if total <= WAL_BLOCK_SIZE - at:
                return self._accept(self._page[at : at + total], lsn, lsn + align8(total))
            try:
                raw, end = self._collect(lsn, total)
                if raw:
                    return self._accept(raw, lsn, end)
            except (_EndOfWal, WalRecordError):
                self.aborted_record_lsn = lsn
                raise
            self.overwritten_record_lsn = lsn
            self.missing_contrecord_lsn = 0
            lsn = end

    def _record_start(self, lsn: int) -> int:
        """`lsn`, or past the header when it is where the loaded page begins."""
        info = _unpack_u32(self._page)[0] >> 16
        size = LONG_HEADER_SIZE if info & LONG_HEADER else SHORT_HEADER_SIZE
        at = lsn % WAL_BLOCK_SIZE
        if at == 0:
            lsn += size
        elif at < size:
            raise _EndOfWal(f"invalid record offset at {format_lsn(lsn)}")
        if info & FIRST_IS_CONTRECORD and lsn % WAL_BLOCK_SIZE == size:
            raise _EndOfWal(f"contrecord is requested by {format_lsn(lsn)}")
        return lsn

    def _collect(self, lsn: int, total: int) -> tuple[bytes, int]:
        """The bytes of a record that crosses pages, and the LSN after it.

        No bytes when a page says that the record was given up: then the LSN is that page's.
        """
        at = lsn % WAL_BLOCK_SIZE
        page_lsn = lsn - at
        pieces = [self._page[at:]]
        have = WAL_BLOCK_SIZE - at
        checked = at <= _LAST_WHOLE_HEADER
        while True:
            page_lsn += WAL_BLOCK_SIZE
            self.missing_contrecord_lsn = page_lsn
            self._load(page_lsn)
            header = unpack_page_header(self._page)
            if header.info & FIRST_IS_OVERWRITE_CONTRECORD:
                return b"", page_lsn
            if not header.info & FIRST_IS_CONTRECORD:
                raise _EndOfWal(f"there is no contrecord flag at {format_lsn(lsn)}")
            if header.remaining == 0 or total != header.remaining + have:
                raise _EndOfWal(
                    f"invalid contrecord length {header.remaining} "
                    f"(expected {total - have}) at {format_lsn(lsn)}"
                )
            length = min(header.remaining, WAL_BLOCK_SIZE - header.size)
            pieces.append(self._page[header.size : header.size + length])
            have += length
            if not checked:
                self._check_record_header(b"".join(pieces)[:HEADER_SIZE], lsn)
                checked = True
            if have == total:
                return b"".join(pieces), page_lsn + header.size + align8(header.remaining)

    def _check_record_header(self, header: bytes, lsn: int) -> None:
        total, _, prev, _, rmid, _ = _unpack_header(header)
        if total < HEADER_SIZE:
            raise _EndOfWal(_invalid_length(lsn, total))
        if MAX_BUILTIN < rmid < MIN_CUSTOM:
            raise _EndOfWal(f"invalid resource manager ID {rmid} at {format_lsn(lsn)}")
        # A stale record in a recycled segment looks perfect but for this link. At the first record
        # there is nothing to compare with, but it must at least point back.
        wanted = self.last_record_lsn
        if prev != wanted if wanted else prev >= lsn:
            raise _EndOfWal(
                f"record with incorrect prev-link {format_lsn(prev)} at {format_lsn(lsn)}"
            )

    def _accept(self, raw: bytes, lsn: int, end: int) -> WalRecord:
        _, _, _, info, rmid, crc = _unpack_header(raw)
        if crc32c(raw[:CRC_OFFSET], crc32c(raw[HEADER_SIZE:])) != crc:
            raise _EndOfWal(
                f"incorrect resource manager data checksum in record at {format_lsn(lsn)}"
            )
        if rmid == _XLOG_RMID and info & 0xF0 == _XLOG_SWITCH:
            end += -end % self._segment_size
        try:
            record = decode_unchecked(raw, lsn, end)
        except struct.error:
            raise _EndOfWal(f"record with invalid length at {format_lsn(lsn)}") from None
        self.last_record_lsn = lsn
        self.end_lsn = end
        return record

    # pages --------------------------------------------------------------------------------------

    def _forget_page(self) -> None:
        # What was read may be overwritten before it is read again.
        self._page_lsn = -1
        self._segment = -1

    def _load(self, page_lsn: int) -> None:
        """Make the page at `page_lsn` the current one, its header checked."""
        if page_lsn == self._page_lsn:
            return
        segment, offset = divmod(page_lsn, self._segment_size)
        if segment != self._segment and offset:
            # The long header alone tells whether the file belongs here at all.
            first = page_lsn - offset
            self._check_page(unpack_page_header(self._fetch(first)), first)
        page = self._fetch(page_lsn)
        self._check_page(unpack_page_header(page), page_lsn)
        self._page = page
        self._page_lsn = page_lsn
        self._segment = segment

    def _fetch(self, page_lsn: int) -> bytes:
        try:
            page = self._read_page(page_lsn)
        except WalReadError as error:
            raise _EndOfWal(str(error)) from None
        if page is None or len(page) < WAL_BLOCK_SIZE:
            raise _EndOfWal
        return bytes(page)

    def _check_page(self, header: PageHeader, page_lsn: int) -> None:
        segment, offset = divmod(page_lsn, self._segment_size)
        name = segment_file_name(self._timeline, segment, self._segment_size)
        where = f"in log segment {name}, offset {offset}"
        if header.magic != PAGE_MAGIC:
            raise _EndOfWal(f"invalid magic number {header.magic:04X} {where}")
        if header.info & ~ALL_FLAGS:
            raise _EndOfWal(f"invalid info bits {header.info:04X} {where}")
        if header.info & LONG_HEADER:
            self._check_long_header(header)
        elif offset == 0:
            raise _EndOfWal(f"invalid info bits {header.info:04X} {where}")
        if header.address != page_lsn:
            raise _EndOfWal(f"unexpected pageaddr {format_lsn(header.address)} {where}")
        if page_lsn > self._latest_page_lsn and header.timeline < self._latest_timeline:
            raise _EndOfWal(
                f"out-of-sequence timeline ID {header.timeline} "
                f"(after {self._latest_timeline}) {where}"
            )
        self._latest_page_lsn = page_lsn
        self._latest_timeline = header.timeline

    def _check_long_header(self, header: PageHeader) -> None:
        foreign = "WAL file is from different database system: "
        expected = self._system_identifier
        if expected and header.system_identifier != expected:
            raise _EndOfWal(
                f"{foreign}WAL file database system identifier is {header.system_identifier}, "
                f"pg_control database system identifier is {expected}"
            )
        if header.segment_size != self._segment_size:
            raise _EndOfWal(f"{foreign}incorrect segment size in page header")
        if header.block_size != WAL_BLOCK_SIZE:
            raise _EndOfWal(f"{foreign}incorrect XLOG_BLCKSZ in page header")


def _invalid_length(lsn: int, total: int) -> str:
    return f"invalid record length at {format_lsn(lsn)}: wanted {HEADER_SIZE}, got {total}"
