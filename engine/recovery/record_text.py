"""Any WAL record as text: the table of what each resource manager says of its own records.

Ids that are not in the table (those of extensions, and those whose records the engine has no layout
for) have a line too, without a name for the operation.

Source: PostgreSQL 15, `rmgrlist.h`, `pg_waldump.c` (XLogDumpDisplayRecord), `xlogdesc.c`
(XLogRecGetBlockRefInfo).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

import engine.access.btree.describe
import engine.access.heap.describe
import engine.access.sequence_describe
import engine.recovery.describe
import engine.storage.describe
import engine.transaction.describe
import engine.transaction.status_describe
from engine.types import BLOCK_SIZE, RelFork
from engine.wal import rmgr
from engine.wal.describe import describe_logical_message, fork_name, identify_logical_message
from engine.wal.record import IMAGE_COMPRESSED, WalBlock, WalRecord, image_compression
from engine.wal.rmgr import Rmgr

Identify = Callable[[int], str | None]
Describe = Callable[[WalRecord], str]

_heap = engine.access.heap.describe
_storage = engine.storage.describe
_status = engine.transaction.status_describe

_TABLE: Final[dict[int, tuple[Identify, Describe]]] = {
    Rmgr.XLOG: (engine.recovery.describe.identify, engine.recovery.describe.describe),
    Rmgr.TRANSACTION: (engine.transaction.describe.identify, engine.transaction.describe.describe),
    Rmgr.STORAGE: (_storage.identify_storage, _storage.describe_storage),
    Rmgr.CLOG: (_status.identify_clog, _status.describe_clog),
    Rmgr.DATABASE: (_storage.identify_database, _storage.describe_database),
    Rmgr.TABLESPACE: (_storage.identify_tablespace, _storage.describe_tablespace),
    Rmgr.MULTIXACT: (_status.identify_multixact, _status.describe_multixact),
    Rmgr.RELMAP: (_storage.identify_relmap, _storage.describe_relmap),
    Rmgr.STANDBY: (_status.identify_standby, _status.describe_standby),
    Rmgr.HEAP2: (_heap.identify_heap2, _heap.describe_heap2),
    Rmgr.HEAP: (_heap.identify_heap, _heap.describe_heap),
    Rmgr.BTREE: (engine.access.btree.describe.identify, engine.access.btree.describe.describe),
    Rmgr.SEQUENCE: (
        engine.access.sequence_describe.identify,
        engine.access.sequence_describe.describe,
    ),
    Rmgr.COMMIT_TS: (_status.identify_commit_ts, _status.describe_commit_ts),
    Rmgr.LOGICAL_MESSAGE: (identify_logical_message, describe_logical_message),
}


def is_described(rmid: int) -> bool:
    """Whether records of this resource manager can be named and described."""
    return rmid in _TABLE


def identify(rmid: int, info: int) -> str | None:
    """The name of the operation; None when there is none."""
    entry = _TABLE.get(rmid)
    return entry[0](info) if entry is not None else None


def describe(record: WalRecord) -> str:
    """What the record does, in the words of pg_waldump."""
    entry = _TABLE.get(record.rmid)
    if entry is None:
        return f"rmid: {record.rmid}" if rmgr.is_custom(record.rmid) else ""
    try:
        return entry[1](record)
    except struct.error:
        # pg_waldump would show whatever bytes follow; a record that lies is better called one.
        return "(record body is too short)"


def describe_block(block: WalBlock) -> str:
    """`, blkref #0: ...` of the short form."""
    text = f", blkref #{block.id}: rel {block.locator}"
    if block.fork != RelFork.MAIN:
        text += f" fork {fork_name(block.fork)}"
    text += f" blk {block.block}"
    if block.has_image:
        text += " FPW" if block.apply_image else " FPW for WAL verification"
    return text


def describe_block_in_detail(block: WalBlock) -> str:
    """The block's own line of the long form (`--bkp-details`)."""
    text = (
        f"\tblkref #{block.id}: rel {block.locator} fork {fork_name(block.fork)} blk {block.block}"
    )
    if not block.has_image:
        return text
    purpose = "" if block.apply_image else " for WAL verification"
    text += f" (FPW{purpose}); hole: offset: {block.hole_offset}, length: {block.hole_length}"
    if block.image_info & IMAGE_COMPRESSED:
        saved = BLOCK_SIZE - block.hole_length - block.image_length
        text += f", compression saved: {saved}, method: {image_compression(block.image_info)}"
    return text


def record_line(record: WalRecord, *, block_details: bool = False) -> str:
    """The record as pg_waldump prints it; with `block_details` one more line per block."""
    name = identify(record.rmid, record.info)
    shown = name if name is not None else f"UNKNOWN ({record.opcode:x})"
    lsn, prev = record.lsn, record.prev
    line = (
        f"rmgr: {rmgr.name(record.rmid):<11} "
        f"len (rec/tot): {record.total_length - record.image_length:6d}/"
        f"{record.total_length:6d}, "
        f"tx: {record.xid:10d}, lsn: {lsn >> 32:X}/{lsn & 0xFFFFFFFF:08X}, "
        f"prev {prev >> 32:X}/{prev & 0xFFFFFFFF:08X}, desc: {shown} {describe(record)}"
    )
    if block_details:
        return "\n".join([line, *map(describe_block_in_detail, record.blocks)])
    return line + "".join(map(describe_block, record.blocks))
