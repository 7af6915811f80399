"""Which function replays whose records: one row for each resource manager that this engine writes.

A record of any other resource manager belongs to another program's cluster, and ends start-up with
an error that names it. Source: PostgreSQL 15, `access/rmgrlist.h`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from engine.access.heap.redo import heap2_redo, heap_redo
from engine.datadir import relation_map_path
from engine.host.api import OpenMode
from engine.recovery.redo_services import RedoServices
from engine.recovery.redo_table import Redo, not_replayable
from engine.recovery.redo_transaction import transaction_redo
from engine.recovery.redo_xlog import xlog_redo
from engine.storage.redo import redo as storage_redo
from engine.storage.redo_context import RedoContext
from engine.wal.file_error import file_panic
from engine.wal.record import WalRecord
from engine.wal.rmgr import Rmgr
from engine.wal.segments import write_fully

CLOG_ZEROPAGE: Final = 0x00
RELMAP_UPDATE: Final = 0x00
STANDBY_LOCK: Final = 0x00
STANDBY_RUNNING_XACTS: Final = 0x10
STANDBY_INVALIDATIONS: Final = 0x20

_PAGE: Final = Struct("<i")
_RELMAP: Final = Struct("<IIi")


def redo_functions(services: RedoServices) -> dict[int, Redo]:
    """The redo functions by resource manager."""
    return {
        Rmgr.XLOG: xlog_redo(services),
        Rmgr.TRANSACTION: transaction_redo(services),
        Rmgr.STORAGE: storage_redo,
        Rmgr.CLOG: _clog_redo(services),
        Rmgr.RELMAP: _relation_map_redo(services),
        Rmgr.STANDBY: _standby_redo,
        Rmgr.HEAP2: heap2_redo,
        Rmgr.HEAP: heap_redo,
    }


def _clog_redo(services: RedoServices) -> Redo:
    def redo(record: WalRecord, context: RedoContext) -> None:
        if record.opcode != CLOG_ZEROPAGE:
            raise not_replayable(record)
        services.clog.redo_zero_page(_PAGE.unpack_from(record.main)[0])

    return redo


def _relation_map_redo(services: RedoServices) -> Redo:
    """The whole map file is in the record. It is smaller than a sector, so it is written in place,
    as PostgreSQL 15 does."""

    def redo(record: WalRecord, context: RedoContext) -> None:
        if record.opcode != RELMAP_UPDATE:
            raise not_replayable(record)
        database, _, length = _RELMAP.unpack_from(record.main)
        path = relation_map_path(database)
        host = services.host
        try:
            fd = host.open(path, OpenMode.WRITE | OpenMode.CREATE)
            try:
                write_fully(host, fd, record.main[_RELMAP.size : _RELMAP.size + length], 0)
                host.fsync(fd)
            finally:
                host.close(fd)
        except OSError as error:
            raise file_panic(error, f'could not write file "{path}"') from error

    return redo


def _standby_redo(record: WalRecord, context: RedoContext) -> None:
    """These records are for standbys: a crash recovery has no readers to keep in step."""
    if record.opcode not in (STANDBY_LOCK, STANDBY_RUNNING_XACTS, STANDBY_INVALIDATIONS):
        raise not_replayable(record)
