"""The redo loop: read a record, replay it, and on, until the WAL ends.

Source: PostgreSQL 15, `PerformWalRecovery`, xlogrecovery.c.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from engine.errors import EngineError
from engine.host.api import Host
from engine.host.points import Point
from engine.recovery.consistency import verify_pages
from engine.recovery.redo_services import RedoServices
from engine.recovery.redo_table import Redo, not_replayable
from engine.shmem.log import Log
from engine.storage.redo_context import RedoContext
from engine.transaction.xids import NEXT_FULL_XID
from engine.types import format_lsn
from engine.wal.reader import WalReader
from engine.wal.record import CHECK_CONSISTENCY, WalRecord
from engine.wal.rmgr import MAX_ID, name

_PROGRESS_INTERVAL_US: Final = 10_000_000
_LOOK_AROUND_EVERY: Final = 1024


@dataclass
class RedoResult:
    """What was replayed. LSNs are 0 when there was nothing."""

    records: int = 0
    bytes: int = 0
    elapsed_us: int = 0
    last_record_lsn: int = 0
    end_lsn: int = 0


class RedoLoop:
    """Replays what `reader` reads. `check_interrupts` is called now and then, and may end the
    process."""

    def __init__(
        self,
        host: Host,
        log: Log,
        reader: WalReader,
        table: Mapping[int, Redo],
        services: RedoServices,
        check_interrupts: Callable[[], None],
    ) -> None:
        self._host = host
        self._log = log
        self._reader = reader
        # A list indexed by resource manager is quicker than any lookup.
        self._redo = [table.get(rmid, _refuse) for rmid in range(MAX_ID + 1)]
        self._services = services
        self._check_interrupts = check_interrupts

    def run(self, first: WalRecord) -> RedoResult:
        """Replay `first` and everything after it."""
        result = RedoResult()
        host = self._host
        start_us = host.monotonic_us()
        self._log.log(f"redo starts at {format_lsn(first.lsn)}")
        host.point(Point.RECOVERY_STARTED, first.lsn)
        last = self._replay(first, result, start_us)
        result.last_record_lsn = last.lsn
        result.end_lsn = last.end_lsn
        result.elapsed_us = host.monotonic_us() - start_us
        host.point(Point.REDO_FINISHED, last.end_lsn)
        elapsed = result.elapsed_us / 1_000_000
        self._log.log(f"redo done at {format_lsn(last.lsn)} system usage: elapsed: {elapsed:.2f} s")
        self._log.log(
            f"redo replayed {result.records} records ({result.bytes} bytes) in {elapsed:.3f} s"
        )
        return result

    def _replay(self, record: WalRecord, result: RedoResult, start_us: int) -> WalRecord:
        """The loop itself; the last record replayed."""
        redo = self._redo
        context: RedoContext = self._services.pages
        read = self._reader.read
        point = self._host.point
        advance_past = self._services.xids.advance_past
        words = self._services.xids.words
        report_us = start_us + _PROGRESS_INTERVAL_US
        count = 0
        size = 0
        following: WalRecord | None = record
        try:
            while following is not None:
                record = following
                xid = record.xid
                # REDO-4: an xid that is in the WAL is never given out again.
                if xid and (xid - words[NEXT_FULL_XID]) & 0x80000000 == 0:
                    advance_past(xid)
                redo[record.rmid](record, context)
                if record.info & CHECK_CONSISTENCY:
                    verify_pages(record, context)
                point(Point.REDO_RECORD_APPLIED, record.end_lsn)
                count += 1
                size += record.total_length
                if not count % _LOOK_AROUND_EVERY:
                    self._check_interrupts()
                    report_us = self._report_progress(record, start_us, report_us)
                following = read()
        except EngineError as error:
            error.context = f"WAL redo at {format_lsn(record.lsn)} for {name(record.rmid)}"
            raise
        result.records = count
        result.bytes = size
        if self._reader.end_of_wal:
            self._log.log(self._reader.end_of_wal)
        return record

    def _report_progress(self, record: WalRecord, start_us: int, report_us: int) -> int:
        now = self._host.monotonic_us()
        if now < report_us:
            return report_us
        elapsed = (now - start_us) / 1_000_000
        self._log.log(
            f"redo in progress, elapsed time: {elapsed:.2f} s, "
            f"current LSN: {format_lsn(record.lsn)}"
        )
        return now + _PROGRESS_INTERVAL_US


def _refuse(record: WalRecord, context: RedoContext) -> None:
    raise not_replayable(record)
