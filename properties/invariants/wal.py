"""The write-ahead log from the redo point on, and the files that it is in.

LOG-1  A record with a right CRC begins at the redo point, and at the checkpoint; every record names
       the one before it.
LOG-2  After an orderly shutdown the last record is that of the checkpoint, and says what pg_control
       says of it.
LOG-3  A WAL file is a segment of full size, a timeline's history, a backup's label or a part of
       one; a segment that is in use begins with its own address and this cluster's identifier.

The end of the WAL is behind the last record that is whole; no page has an LSN beyond it (PAGE-4).

Source: PostgreSQL 15, `access/transam/xlogreader.c`, `access/xlog_internal.h`,
`access/xlogrecord.h`.
"""

from __future__ import annotations

import re
import struct
from typing import Final, NamedTuple

from crc32c import crc32c

from properties.invariants.control import CHECKPOINT_SIZE, Control, lsn
from properties.invariants.directory import CannotCheck, Directory
from properties.invariants.report import Findings

DIRECTORY: Final = "pg_wal"
PAGE: Final = 8192
MAGIC: Final = 0xD110
CONTINUES: Final = 1
SHORT_HEADER: Final = 24
LONG_HEADER: Final = 40
RECORD: Final = struct.Struct("<IIQBB2xI")
XLOG: Final = 0
CHECKPOINT_SHUTDOWN: Final = 0x00
SWITCH: Final = 0x40
LONGEST: Final = 1 << 30
_PAGE_HEADER: Final = struct.Struct("<HHIQI")
_LONG: Final = struct.Struct("<QII")
_SEGMENT: Final = re.compile(r"[0-9A-F]{24}")
_OTHERS: Final = re.compile(
    r"[0-9A-F]{8}\.history|[0-9A-F]{24}\.partial|[0-9A-F]{24}\.[0-9A-F]{8}\.backup|archive_status"
)


class Record(NamedTuple):
    """A record that is whole: where it begins and ends, the one before, what kind, its bytes."""

    start: int
    end: int
    previous: int
    info: int
    rmid: int
    data: bytes


class WalFiles:
    """The log's bytes by LSN."""

    def __init__(self, directory: Directory, control: Control) -> None:
        self._directory = directory
        self._control = control
        self._segment: tuple[int, bytes] = (-1, b"")

    def name(self, position: int) -> str:
        """The file that a position is in."""
        per_log = (1 << 32) // self._control.segment_size
        log, number = divmod(position // self._control.segment_size, per_log)
        return f"{self._control.timeline:08X}{log:08X}{number:08X}"

    def record(self, position: int) -> Record | None:
        """The record that begins there (or behind the page's header there); None: the end."""
        start = self._after_header(position)
        head = self._bytes(start, 4)
        if len(head) < 4 or not self._is_page(start):
            return None
        length = int.from_bytes(head, "little")
        if not RECORD.size <= length <= LONGEST:
            return None
        parts = []
        at, left = start, length
        while True:
            room = PAGE - at % PAGE
            parts.append(self._bytes(at, min(room, left)))
            if left <= room:
                at += left
                break
            left -= room
            at += room
            if not self._is_page(at, left):
                return None
            at = self._after_header(at)
        data = b"".join(parts)
        if len(data) < length:
            return None
        _, _, previous, info, rmid, crc = RECORD.unpack_from(data)
        if crc32c(data[:20], crc32c(data[RECORD.size :])) != crc:
            return None
        return Record(start, -(-at // 8) * 8, previous, info, rmid, data)

    def after(self, record: Record) -> int:
        """Where the next record can be: what switches segments ends its own."""
        if (record.rmid, record.info & 0xF0) == (XLOG, SWITCH):
            size = self._control.segment_size
            return -(-record.end // size) * size
        return record.end

    def _after_header(self, position: int) -> int:
        if position % PAGE:
            return position
        is_first = position % self._control.segment_size == 0
        return position + (LONG_HEADER if is_first else SHORT_HEADER)

    def _is_page(self, position: int, remaining: int | None = None) -> bool:
        """Whether the page is this log's; and, asked so, goes on with a record."""
        start = position - position % PAGE
        header = self._bytes(start, _PAGE_HEADER.size)
        if len(header) < _PAGE_HEADER.size:
            return False
        magic, info, _, address, rest = _PAGE_HEADER.unpack(header)
        goes_on = remaining is None or (info & CONTINUES != 0 and rest == remaining)
        return bool(magic == MAGIC and address == start and goes_on)

    def _bytes(self, position: int, length: int) -> bytes:
        """Some bytes of one page; fewer if the file ends."""
        number, within = divmod(position, self._control.segment_size)
        start = within - within % PAGE
        key = number * self._control.segment_size + start
        if self._segment[0] != key:
            self._segment = key, self._page(self.name(position), start)
        return self._segment[1][within - start : within - start + length]

    def _page(self, name: str, start: int) -> bytes:
        try:
            with (self._directory.root / DIRECTORY / name).open("rb") as file:
                file.seek(start)
                return file.read(PAGE)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise CannotCheck(f'cannot read "{DIRECTORY}/{name}": {error.strerror}') from error


def check_wal(directory: Directory, control: Control, findings: Findings) -> int | None:
    """LOG-1 to LOG-3; the end of the WAL, None if it is not known."""
    files = WalFiles(directory, control)
    end = _follow(files, control, findings)
    _check_names(directory, control, end, findings)
    return end


def _follow(files: WalFiles, control: Control, findings: Findings) -> int | None:
    first = f"{DIRECTORY}/{files.name(control.redo)}"
    record = files.record(control.redo)
    if record is None:
        findings.add("LOG-1", first, f"no record begins at the redo point {lsn(control.redo)}")
        return None
    last = record
    has_checkpoint = False
    while record is not None:
        has_checkpoint = has_checkpoint or record.start == control.checkpoint
        findings.looked_at["WAL records"] += 1
        last = record
        record = files.record(files.after(last))
        # What is behind the end may be an old record of a segment that is used again.
        if record is not None and record.previous != last.start:
            record = None
    if not has_checkpoint:
        findings.add(
            "LOG-1",
            first,
            f"the records from the redo point {lsn(control.redo)} on end at {lsn(last.end)}, "
            f"before the checkpoint, {lsn(control.checkpoint)}",
        )
    elif control.is_shut_down:
        _check_shutdown(files, control, last, findings)
    return files.after(last)


def _check_shutdown(files: WalFiles, control: Control, last: Record, findings: Findings) -> None:
    """LOG-2."""
    path = f"{DIRECTORY}/{files.name(last.start)}"
    if last.start != control.checkpoint:
        findings.add(
            "LOG-2",
            path,
            f"a record at {lsn(last.start)} follows the shutdown's checkpoint, "
            f"{lsn(control.checkpoint)}",
        )
    elif (last.rmid, last.info & 0xF0) != (XLOG, CHECKPOINT_SHUTDOWN):
        said = f"the record at {lsn(last.start)} is not the checkpoint of a shutdown"
        findings.add("LOG-2", path, said)
    elif last.data[-CHECKPOINT_SIZE:] != control.checkpoint_body:
        said = f"the checkpoint at {lsn(last.start)} says something else than pg_control"
        findings.add("LOG-2", path, said)


def _check_names(
    directory: Directory, control: Control, end: int | None, findings: Findings
) -> None:
    """LOG-3. Segments behind the one in use hold what they did before they were recycled."""
    size = control.segment_size
    per_log = (1 << 32) // size
    for entry in directory.listing(DIRECTORY):
        path = f"{DIRECTORY}/{entry.name}"
        if _SEGMENT.fullmatch(entry.name) is None:
            if _OTHERS.fullmatch(entry.name) is None:
                findings.add("LOG-3", path, "it is no file of the WAL")
            continue
        findings.looked_at["WAL segments"] += 1
        if (length := directory.size(entry)) != size:
            findings.add("LOG-3", path, f"it has {length} bytes, and a segment {size}")
            continue
        timeline, log, number = (int(entry.name[at : at + 8], 16) for at in (0, 8, 16))
        start = (log * per_log + number) * size
        if end is None or start >= end or timeline != control.timeline:
            continue
        with directory.open(path) as file:
            header = file.read(LONG_HEADER)
        magic, _, _, address, _ = _PAGE_HEADER.unpack_from(header)
        system, segment_size, page_size = _LONG.unpack_from(header, SHORT_HEADER)
        said = ""
        if magic != MAGIC or address != start:
            said = f"it begins with the magic number {magic:#06x} and the address {lsn(address)}"
        elif (segment_size, page_size) != (size, PAGE):
            said = f"it is of segments of {segment_size} bytes and pages of {page_size}"
        elif system != control.system_identifier:
            said = f"it is of the cluster {system}, and this is {control.system_identifier}"
        if said:
            findings.add("LOG-3", path, said)
