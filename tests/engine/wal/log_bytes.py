"""A log in memory, laid out with nothing but the format's rules, for tests of the reader."""

from __future__ import annotations

from collections.abc import Sequence

from engine.wal.page import (
    FIRST_IS_OVERWRITE_CONTRECORD,
    advance,
    pack_page_header,
    skip_header,
)
from engine.wal.record import BlockPart, assemble

SEGMENT = 1 << 20
SYSTEM = 0x1234_5678_9ABC


class LogBytes:
    """Appends records; `read_page` serves what was written, zeros after it."""

    def __init__(self, start: int = SEGMENT, timeline: int = 1) -> None:
        self.start = start
        self.end = start
        self.timeline = timeline
        self.prev = 0
        self.lsns: list[int] = []
        self.content = bytearray()

    def append(
        self, main: bytes, rmid: int = 0, info: int = 0x20, blocks: Sequence[BlockPart] = ()
    ) -> int:
        """Add a record (NOOP by default); its LSN."""
        lsn = skip_header(self.end, SEGMENT)
        record = assemble(rmid, info, 0, main, blocks, self.prev)
        self._write(record)
        self.end = (self.end + 7) & ~7
        self.prev = lsn
        self.lsns.append(lsn)
        return lsn

    def cut(self, lsn: int) -> None:
        """Everything from `lsn` on was never written."""
        del self.content[lsn - self.start :]

    def overwrite_from(self, page_lsn: int, cut_lsn: int) -> int:
        """Go on at a page after a record that was cut, as the next server start does."""
        self.cut(page_lsn)
        self.end = page_lsn
        self.prev = self.lsns[self.lsns.index(cut_lsn) - 1]
        del self.lsns[self.lsns.index(cut_lsn) :]
        self._header(page_lsn, 0, FIRST_IS_OVERWRITE_CONTRECORD | 4)
        self.end = skip_header(page_lsn, SEGMENT)
        return self.append(cut_lsn.to_bytes(8, "little") + bytes(8), 0, 0xD0)

    def end_of(self, lsn: int) -> int:
        """Where the record at `lsn` ends."""
        at = lsn - self.start
        length = int.from_bytes(self.content[at : at + 4], "little")
        return advance(lsn, length, SEGMENT)

    def read_page(self, lsn: int) -> bytes | None:
        at = lsn - self.start
        if at < 0:
            return None
        return bytes(self.content[at : at + 8192]).ljust(8192, b"\0")

    def _write(self, record: bytearray) -> None:
        done = 0
        while done < len(record):
            if self.end % 8192 == 0:
                self._header(self.end, len(record) - done if done else 0)
                self.end = skip_header(self.end, SEGMENT)
            step = min(len(record) - done, 8192 - self.end % 8192)
            self._put(self.end, record[done : done + step])
            self.end += step
            done += step

    def _header(self, lsn: int, remaining: int, info: int = 4) -> None:
        header = pack_page_header(
            lsn,
            self.timeline,
            system_identifier=SYSTEM,
            segment_size=SEGMENT,
            remaining=remaining,
            info=info,
        )
        self._put(lsn, header)

    def _put(self, lsn: int, data: bytes | bytearray) -> None:
        at = lsn - self.start
        self.content.extend(bytes(max(at + len(data) - len(self.content), 0)))
        self.content[at : at + len(data)] = data
