"""The table of redo functions: which function replays the records of which resource manager.

A resource manager that is not here never writes WAL in this engine; replay of its records is refused.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from engine.access.heap.redo import heap2_redo, heap_redo
from engine.recovery.redo_services import RedoServices
from engine.recovery.redo_table import Redo, not_replayable
from engine.recovery.redo_transaction import transaction_redo
from engine.recovery.redo_xlog import xlog_redo
from engine.storage.redo import redo as storage_redo
from engine.storage.redo_context import RedoContext
from engine.wal.record import WalRecord
from engine.wal.rmgr import Rmgr

_CLOG_ZEROPAGE: Final = 0x00
_U32: Final = Struct("<I")


def redo_functions(services: RedoServices) -> dict[int, Redo]:
    """The redo functions, bound to what they work with."""

    def clog_redo(record: WalRecord, context: RedoContext) -> None:
        if record.info & 0xF0 != _CLOG_ZEROPAGE:
            raise not_replayable(record)
        services.clog.redo_zero_page(_U32.unpack_from(record.main)[0])

    return {
        Rmgr.XLOG: xlog_redo(services),
        Rmgr.TRANSACTION: transaction_redo(services),
        Rmgr.STORAGE: storage_redo,
        Rmgr.CLOG: clog_redo,
        Rmgr.STANDBY: _nothing_to_redo,
        Rmgr.HEAP: heap_redo,
        Rmgr.HEAP2: heap2_redo,
    }


def _nothing_to_redo(record: WalRecord, context: RedoContext) -> None:
    """Standby records tell a standby of locks and running transactions; there is none here."""
