"""The write-ahead log as bytes on the disk: finds its end, and writes beyond it what a scenario
wants to be found there.

Written against PostgreSQL 15's format (`access/xlog_internal.h`, `access/xlogrecord.h`), and not
against the reader that it is to test. Checked are lengths, page headers, back links and checksums;
what a record means is nobody's business here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from crc32c import crc32c

PAGE: Final = 8192
MAGIC: Final = 0xD110
CONTINUES: Final = 1
LONG: Final = 2
PAGE_HEADER: Final = struct.Struct("<HHIQI4x")
LONG_PART: Final = struct.Struct("<QII")
RECORD_HEADER: Final = struct.Struct("<IIQBB2xI")
CONTROL: Final = struct.Struct("<Q24xQQI")
"""pg_control: the system identifier; of the last checkpoint its record, redo point, timeline."""
NOOP: Final = 0x20
SWITCH: Final = 0x40
SHORT_DATA: Final = 255
LONG_DATA: Final = 254
LONGEST_SHORT: Final = 255
SMALLEST: Final = 32
"""A whole record that carries some data, aligned."""


class NoEnd(Exception):
    """The WAL on the disk is not what a stopped server leaves."""


@dataclass(frozen=True, slots=True)
class NextPage:
    """What is wrong with the header of the page on which a record goes on."""

    magic: int = MAGIC
    address_off: int = 0
    continues: bool = True
    remaining_off: int = 0


class End(NamedTuple):
    """Where valid WAL ends, and where its last record begins."""

    lsn: int
    last: int


class WalBytes:
    """The log of one stopped server."""

    def __init__(self, data_directory: Path, segment_size: int) -> None:
        self._directory = data_directory / "pg_wal"
        self._segment_size = segment_size
        control = (data_directory / "global" / "pg_control").read_bytes()
        self._system, _, self._redo, self._timeline = CONTROL.unpack_from(control)

    # reading -------------------------------------------------------------------------------------

    def end(self) -> End:
        """Follow the records from the redo point; NoEnd if there is none."""
        lsn, last = self._redo, 0
        while True:
            start = self._after_header(lsn)
            record = self._record(start)
            if record is None or (last and record.prev != last):
                break
            last, lsn = start, record.next
        if not last:
            raise NoEnd(f"no WAL record begins at the redo point {lsn:#x}")
        return End(lsn, last)

    def _record(self, start: int) -> _Found | None:
        head = self._read(start, 4)
        if len(head) < 4 or not self._is_page(start):
            return None
        length = int.from_bytes(head, "little")
        if length < RECORD_HEADER.size:
            return None
        gathered = self._gather(start, length)
        if gathered is None:
            return None
        whole, after = gathered
        _, _, prev, info, rmid, crc = RECORD_HEADER.unpack_from(whole)
        if crc != _checksum(whole):
            return None
        if (rmid, info & 0xF0) == (0, SWITCH):
            after = -(-after // self._segment_size) * self._segment_size
        return _Found(prev, _aligned(after))

    def _gather(self, lsn: int, length: int) -> tuple[bytes, int] | None:
        """So many bytes of a record from there on, and where they end."""
        parts = []
        while True:
            room = PAGE - lsn % PAGE
            parts.append(self._read(lsn, min(room, length)))
            if length <= room:
                return b"".join(parts), lsn + length
            length -= room
            lsn += room
            if not self._is_page(lsn, length):
                return None
            lsn = self._after_header(lsn)

    def _is_page(self, lsn: int, remaining: int | None = None) -> bool:
        """Whether the page has a header of its own; and, asked so, one that a record goes on
        under.
        """
        start = lsn - lsn % PAGE
        header = self._read(start, PAGE_HEADER.size)
        if len(header) < PAGE_HEADER.size:
            return False
        magic, info, _, address, rest = PAGE_HEADER.unpack(header)
        goes_on = remaining is None or (bool(info & CONTINUES) and rest == remaining)
        return bool(magic == MAGIC and address == start and goes_on)

    def _after_header(self, lsn: int) -> int:
        """Where a record can begin: a page begins with its header."""
        return lsn if lsn % PAGE else lsn + self._header_size(lsn)

    def _header_size(self, lsn: int) -> int:
        is_first = lsn % self._segment_size == 0
        return PAGE_HEADER.size + (LONG_PART.size if is_first else 0)

    # writing -------------------------------------------------------------------------------------

    def append(self, record: bytes, page: NextPage, present: int) -> None:
        """A record at the end, of which only the first bytes may be there."""
        lsn = self.end().lsn
        if lsn % PAGE == 0:
            self._write(lsn, self._header(lsn, 0, NextPage(continues=False)))
            lsn = self._after_header(lsn)
        left = len(record)
        while left and present > 0:
            room = min(PAGE - lsn % PAGE, left)
            part = record[len(record) - left :][: min(room, present)]
            self._write(lsn, part)
            left, present, lsn = left - room, present - room, lsn + room
            if left:
                self._write(lsn, self._header(lsn, left, page))
                lsn = self._after_header(lsn)

    def record(self, length: int, prev_off: int = 0, crc_off: int = 0) -> bytes:
        """A record that says nothing (NOOP), of this length and with such errors."""
        head = RECORD_HEADER.size
        data = length - head - 2
        if data > LONGEST_SHORT:
            body = bytes([LONG_DATA]) + (data - 3).to_bytes(4, "little") + b"n" * (data - 3)
        else:
            body = bytes([SHORT_DATA, max(data, 0)]) + b"n" * data
        body = body[: max(length - head, 0)]
        prev = self.end().last + prev_off
        bare = RECORD_HEADER.pack(length, 0, prev, NOOP, 0, 0) + body
        return RECORD_HEADER.pack(length, 0, prev, NOOP, 0, _checksum(bare) ^ crc_off) + body

    def leave_room(self, room: int) -> None:
        """Valid records, until so many bytes are left on the page where the WAL ends."""
        lsn = self._after_header(self.end().lsn)
        length = PAGE - lsn % PAGE - room
        if 0 < length < SMALLEST:
            length += PAGE - self._header_size(lsn - lsn % PAGE + PAGE)
        if length < 0:
            length += PAGE - self._header_size(lsn - lsn % PAGE + PAGE)
        if length:
            self.append(self.record(length), NextPage(), length)

    def overwrite(self, data: bytes) -> None:
        """Bytes at the end, whatever they hit."""
        self._write(self.end().lsn, data)

    def _header(self, lsn: int, remaining: int, page: NextPage) -> bytes:
        is_first = lsn % self._segment_size == 0
        info = (CONTINUES if page.continues else 0) | (LONG if is_first else 0)
        address = lsn + page.address_off
        remaining += page.remaining_off
        header = PAGE_HEADER.pack(page.magic, info, self._timeline, address, remaining)
        return header + (
            LONG_PART.pack(self._system, self._segment_size, PAGE) if is_first else b""
        )

    # segments ------------------------------------------------------------------------------------

    def _segment(self, lsn: int) -> Path:
        number, per_log = lsn // self._segment_size, (1 << 32) // self._segment_size
        log, segment = divmod(number, per_log)
        return self._directory / f"{self._timeline:08X}{log:08X}{segment:08X}"

    def _read(self, lsn: int, length: int) -> bytes:
        """Bytes of one page, or fewer where the files end."""
        path = self._segment(lsn)
        if not path.exists():
            return b""
        with path.open("rb") as file:
            file.seek(lsn % self._segment_size)
            return file.read(length)

    def _write(self, lsn: int, data: bytes) -> None:
        """Bytes that may go over the end of a segment; the next is made if need be."""
        while data:
            room = self._segment_size - lsn % self._segment_size
            path = self._segment(lsn)
            if not path.exists():
                path.write_bytes(bytes(self._segment_size))
            with path.open("r+b") as file:
                file.seek(lsn % self._segment_size)
                file.write(data[:room])
            lsn, data = lsn + room, data[room:]


class _Found(NamedTuple):
    """A record that was read: its back link, and where the next one begins."""

    prev: int
    next: int


def _aligned(lsn: int) -> int:
    return -(-lsn // 8) * 8


def _checksum(record: bytes) -> int:
    """CRC-32C of what follows the header, then of the header but the CRC itself."""
    body = crc32c(record[RECORD_HEADER.size :])
    return int(crc32c(record[: RECORD_HEADER.size - 4], body))
