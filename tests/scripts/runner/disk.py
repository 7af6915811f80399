"""What lies on the disk: the product's tools as output, and damage done by hand."""

from __future__ import annotations

from pathlib import Path

from engine.cli.controldata import control_text
from engine.cli.pagedump import page_lines
from engine.cli.wal_files import SegmentPages
from engine.host.real import RealHost
from engine.recovery.control_file import ControlFile
from engine.recovery.record_text import record_line
from engine.types import BLOCK_SIZE, Lsn
from engine.wal.page import segment_file_name
from engine.wal.reader import WalReader
from engine.wal.record import WalRecord
from engine.wal.rmgr import NAMES
from tests.scripts.runner.script import ScriptError

_POSTGRES_DATABASE = 5
_FILLER = b"\xee"
_VOLATILE = ("Database system identifier", "pg_control last modified", "Mock authentication nonce")


class Disk:
    """A data directory, seen from outside."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._host = RealHost(str(data))

    def control(self) -> ControlFile:
        return ControlFile.unpack((self.data / "global" / "pg_control").read_bytes())

    def control_lines(self, words: list[str]) -> list[str]:
        """`engine controldata`, the lines with any of the words; all without words."""
        lines = []
        for line in control_text(self.control()).splitlines():
            label, _, value = line.partition(":")
            if label.startswith(_VOLATILE) or label.startswith("Time of"):
                line = line.replace(value.strip(), "<...>")
            if not words or any(word in line for word in words):
                lines.append(line)
        return lines

    def records(self, start: int) -> tuple[list[WalRecord], int]:
        """The WAL records from a place on, and where the readable WAL ends."""
        segment_size = self.control().wal_segment_size
        pages = SegmentPages(self._host, str(self.data / "pg_wal"), 1, segment_size, 0)
        reader = WalReader(pages, segment_size, timeline=1)
        if not reader.find_next(Lsn(start)):
            return [], start
        records = []
        while (record := reader.read()) is not None:
            records.append(record)
        return records, reader.end_lsn

    def wal_end(self) -> int:
        """Where the WAL ends, looked for from the last checkpoint on."""
        return self.records(self.control().checkpoint_lsn)[1]

    def page_lines(self, filenode: int, block: int, *, data: bool) -> list[str]:
        """`engine pagedump` of one block."""
        content = self._table(filenode).read_bytes()
        page = content[block * BLOCK_SIZE : (block + 1) * BLOCK_SIZE]
        return page_lines(page, block, data=data) if page else ["no such block"]

    def damage(self, filenode: int, block: int, first: int, end: int) -> None:
        """Overwrite the bytes first..end-1 of a block."""
        with self._table(filenode).open("r+b") as file:
            file.seek(block * BLOCK_SIZE + first)
            file.write(_FILLER * (end - first))

    def cut_last_record(self) -> WalRecord:
        """Let the last record end in its middle, as if the rest had never been written."""
        records, _ = self.records(self.control().checkpoint_lsn)
        last = records[-1]
        segment_size = self.control().wal_segment_size
        place = last.lsn + last.total_length // 2
        name = segment_file_name(1, place // segment_size, segment_size)
        with (self.data / "pg_wal" / name).open("r+b") as file:
            file.seek(place % segment_size)
            file.write(bytes(last.total_length - last.total_length // 2))
        return last

    def files(self, directory: str) -> list[str]:
        """The names in a directory of the cluster."""
        return sorted(path.name for path in (self.data / directory).iterdir())

    def _table(self, filenode: int) -> Path:
        return self.data / "base" / str(_POSTGRES_DATABASE) / str(filenode)


def wal_lines(records: list[WalRecord], rmgrs: list[str]) -> list[str]:
    """`engine waldump`, the records of some resource managers; all without names."""
    unknown = [name for name in rmgrs if name not in NAMES]
    if unknown:
        raise ScriptError(f"no such resource manager: {', '.join(unknown)}")
    return [record_line(record) for record in records if not rmgrs or NAMES[record.rmid] in rmgrs]
