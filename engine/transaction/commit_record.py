"""The commit and abort records, as bytes.

Source: PostgreSQL 15, `access/xact.h` (xl_xact_commit, xl_xact_abort), `xactdesc.c`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from engine.types import RelFileLocator

RM_XACT: Final = 1
XACT_COMMIT: Final = 0x00
XACT_ABORT: Final = 0x20
XACT_OPCODE_MASK: Final = 0x70
XACT_HAS_INFO: Final = 0x80
SPECIAL_REL_UPDATE: Final = 0x01

HAS_DATABASE: Final = 1 << 0
HAS_SUBXIDS: Final = 1 << 1
HAS_RELATIONS: Final = 1 << 2
HAS_INVALIDATIONS: Final = 1 << 3
HAS_ACCESS_EXCLUSIVE_LOCKS: Final = 1 << 6

_TIME: Final = struct.Struct("<q")
_COUNT: Final = struct.Struct("<i")
_U32: Final = struct.Struct("<I")
_LOCATOR: Final = struct.Struct("<III")


def outcome_record(
    opcode: int,
    timestamp_us: int,
    dropped: Sequence[RelFileLocator] = (),
    *,
    has_exclusive_locks: bool = False,
) -> tuple[int, bytes]:
    """(info, main data) of the record that ends a transaction; `opcode` says how.

    `dropped` are the relations whose files go away with it.
    """
    extra = HAS_ACCESS_EXCLUSIVE_LOCKS if has_exclusive_locks else 0
    info = opcode
    if dropped:
        extra |= HAS_RELATIONS
        info |= SPECIAL_REL_UPDATE
    if not extra:
        return info, _TIME.pack(timestamp_us)
    parts = [_TIME.pack(timestamp_us), _U32.pack(extra)]
    if dropped:
        parts.append(_COUNT.pack(len(dropped)))
        parts += [_LOCATOR.pack(*locator) for locator in dropped]
    return info | XACT_HAS_INFO, b"".join(parts)
