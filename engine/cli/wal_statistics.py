"""How much WAL each resource manager, or each kind of record, wrote: `waldump --stats`.

Source: PostgreSQL 15, `xlogstats.c`, `pg_waldump.c` (XLogDumpDisplayStats).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.recovery.record_text import identify
from engine.types import format_lsn
from engine.wal import rmgr
from engine.wal.record import WalRecord
from engine.wal.rmgr import Rmgr

_RULE: Final = "--------"


class WalStatistics:
    """Counts records; `text` is the table."""

    def __init__(self, start: int, *, per_record: bool) -> None:
        self.start = start
        self._end = 0
        self._per_record = per_record
        self._rows: dict[tuple[int, int], list[int]] = {}

    def add(self, record: WalRecord) -> None:
        """Count one record: how many, bytes without images, bytes of images."""
        operation = 0
        if self._per_record:
            # The highest bit of a transaction record's info is a flag, not part of what it does.
            mask = 0x70 if record.rmid == Rmgr.TRANSACTION else 0xF0
            operation = record.info & mask
        row = self._rows.setdefault((record.rmid, operation), [0, 0, 0])
        images = record.image_length
        row[0] += 1
        row[1] += record.total_length - images
        row[2] += images
        self._end = record.end_lsn

    def text(self) -> str:
        """All lines of the table."""
        totals = [sum(column) for column in zip([0, 0, 0], *self._rows.values(), strict=True)]
        count, record_bytes, image_bytes = totals
        total = record_bytes + image_bytes
        lines = [
            f"WAL statistics between {format_lsn(self.start)} and {format_lsn(self._end)}:",
            _heading("Type", "N", "(%)", "Record size", "FPI size", "Combined size"),
            _heading("----", "-", "---", "-----------", "--------", "-------------"),
        ]
        for name, row in self._shown_rows():
            lines.append(_row(name, [*row, row[1] + row[2]], [*totals, total]))
        lines.append(f"{'':<27} " + f" {'':8} ".join([f"{_RULE:>20}"] * 4))
        record_share = f"[{_percent(record_bytes, total):.2f}%]"
        image_share = f"[{_percent(image_bytes, total):.2f}%]"
        lines.append(
            f"{'Total':<27} {count:20d} {'':<9}{record_bytes:20d} {record_share:<9}"
            f"{image_bytes:20d} {image_share:<9}{total:20d} {'[100%]':<6}"
        )
        return "\n".join(lines) + "\n"

    def _shown_rows(self) -> Iterator[tuple[str, list[int]]]:
        if self._per_record:
            for rmid, operation in sorted(self._rows):
                name = identify(rmid, operation) or f"UNKNOWN ({operation:x})"
                yield f"{rmgr.name(rmid)}/{name}", self._rows[rmid, operation]
            return
        for rmid in range(rmgr.MAX_ID + 1):
            row = self._rows.get((rmid, 0))
            if row is not None or rmid <= rmgr.MAX_BUILTIN:
                yield rmgr.name(rmid), row or [0, 0, 0]


def _heading(kind: str, count: str, percent: str, *sizes: str) -> str:
    return f"{kind:<27} " + " ".join(f"{title:>20} {percent:>8}" for title in (count, *sizes))


def _row(name: str, values: list[int], totals: list[int]) -> str:
    return f"{name:<27} " + " ".join(
        f"{value:20d} ({_percent(value, total):6.2f})"
        for value, total in zip(values, totals, strict=True)
    )


def _percent(value: int, total: int) -> float:
    return 100 * value / total if total else 0.0
