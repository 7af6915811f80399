"""Sequence records as text.

Source: PostgreSQL 15, `commands/sequence.h`, `rmgrdesc/seqdesc.c`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from engine.wal.record import WalRecord

_LOG: Final = Struct("<III")


def identify(info: int) -> str | None:
    return "LOG" if info & 0xF0 == 0 else None


def describe(record: WalRecord) -> str:
    if record.opcode:
        return ""
    return "rel {}/{}/{}".format(*_LOG.unpack_from(record.main))
