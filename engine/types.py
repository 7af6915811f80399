"""The field's basic quantities, as types of their own, and the sizes that the on-disk formats fix.

Source: PostgreSQL 15, `access/xlogdefs.h`, `access/transam.h`, `storage/block.h`,
`storage/relfilenode.h`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple, NewType

Lsn = NewType("Lsn", int)
"""A byte position in the WAL stream (u64); 0 is invalid."""

Xid = NewType("Xid", int)
"""A transaction id (u32), compared modulo 2^32."""

FullXid = NewType("FullXid", int)
"""A transaction id with its epoch: `epoch << 32 | xid` (u64)."""

CommandId = NewType("CommandId", int)
"""The number of a command inside its transaction (u32)."""

BlockNumber = NewType("BlockNumber", int)
"""The number of an 8 KiB block inside one relation fork (u32)."""

OffsetNumber = NewType("OffsetNumber", int)
"""The number of a line pointer on its page, from 1 (u16)."""

Oid = NewType("Oid", int)
"""An object id (u32); 0 is invalid."""

TimestampUs = NewType("TimestampUs", int)
"""Microseconds since 2000-01-01 00:00 UTC (i64)."""

BLOCK_SIZE: Final = 8192
WAL_BLOCK_SIZE: Final = 8192
BLOCKS_PER_FILE: Final = 131072
NAME_LENGTH: Final = 64

INVALID_LSN: Final = Lsn(0)
INVALID_XID: Final = Xid(0)
BOOTSTRAP_XID: Final = Xid(1)
FROZEN_XID: Final = Xid(2)
FIRST_NORMAL_XID: Final = Xid(3)
FIRST_COMMAND_ID: Final = CommandId(0)
INVALID_OID: Final = Oid(0)
FIRST_NORMAL_OID: Final = Oid(16384)
INVALID_BLOCK: Final = BlockNumber(0xFFFFFFFF)

DEFAULT_TABLESPACE: Final = Oid(1663)
GLOBAL_TABLESPACE: Final = Oid(1664)

UNIX_EPOCH_TO_2000_US: Final = 946_684_800_000_000
"""2000-01-01 00:00 UTC in microseconds since 1970-01-01 00:00 UTC."""


class RelFork(IntEnum):
    """The files that one relation consists of."""

    MAIN = 0
    FSM = 1
    VM = 2
    INIT = 3


class RelFileLocator(NamedTuple):
    """Where a relation's files are: tablespace, database (0 for shared), file number."""

    tablespace: int
    database: int
    relation: int

    def __str__(self) -> str:
        return f"{self.tablespace}/{self.database}/{self.relation}"


class Tid(NamedTuple):
    """Where a tuple is: block and line pointer (PostgreSQL's ItemPointer)."""

    block: int
    offset: int

    def __str__(self) -> str:
        return f"({self.block},{self.offset})"


def format_lsn(lsn: int) -> str:
    """`%X/%X`, as PostgreSQL's messages print an LSN."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def xid_precedes(left: int, right: int) -> bool:
    """Whether `left` is logically older than `right` (`TransactionIdPrecedes`, transam.c).

    Ids below 3 are permanent: they compare as plain numbers and precede every normal id.
    """
    if left < FIRST_NORMAL_XID or right < FIRST_NORMAL_XID:
        return left < right
    return ((left - right) & 0xFFFFFFFF) >= 0x80000000


def next_xid(xid: int) -> Xid:
    """The xid after `xid`, which skips the three permanent ones when it wraps."""
    successor = (xid + 1) & 0xFFFFFFFF
    return Xid(successor) if successor >= FIRST_NORMAL_XID else FIRST_NORMAL_XID


def align8(value: int) -> int:
    """`value` rounded up to 8 (MAXALIGN)."""
    return (value + 7) & ~7
