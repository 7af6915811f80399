"""The RUNNING_XACTS record, which each online checkpoint leaves for standbys.

Source: PostgreSQL 15, `storage/standbydefs.h`, `LogStandbySnapshot`, standby.c.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from engine.transaction.proc_array import ProcArray
from engine.types import Lsn
from engine.wal.rmgr import Rmgr
from engine.wal.wal import Wal

RUNNING_XACTS: Final = 0x10
_HEADER: Final = Struct("<iiB3xIII")


def log_running_transactions(wal: Wal, proc_array: ProcArray) -> Lsn:
    """Log which transactions run now; the end of the record. It is no reason for a checkpoint."""
    with proc_array.running_transactions() as running:
        xids = running.xids
        main = _HEADER.pack(
            len(xids), 0, False,
            running.next_xid, running.oldest_running_xid, running.latest_completed_xid,
        ) + Struct(f"<{len(xids)}I").pack(*xids)  # fmt: skip
        lsn = wal.insert(Rmgr.STANDBY, RUNNING_XACTS, main, important=False)
    # The WAL writer gets it to the disk soon even if nothing else happens.
    wal.request_async(lsn)
    return lsn
