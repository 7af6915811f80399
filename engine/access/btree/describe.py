"""Btree records as text.

Source: PostgreSQL 15, `access/nbtxlog.h`, `rmgrdesc/nbtdesc.c`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from engine.wal.record import WalRecord

_NAMES: Final = {
    0x00: "INSERT_LEAF",
    0x10: "INSERT_UPPER",
    0x20: "INSERT_META",
    0x30: "SPLIT_L",
    0x40: "SPLIT_R",
    0x50: "INSERT_POST",
    0x60: "DEDUP",
    0x70: "DELETE",
    0x80: "UNLINK_PAGE",
    0x90: "UNLINK_PAGE_META",
    0xA0: "NEWROOT",
    0xB0: "MARK_PAGE_HALFDEAD",
    0xC0: "VACUUM",
    0xD0: "REUSE_PAGE",
    0xE0: "META_CLEANUP",
}
_OFFSET: Final = Struct("<H")
_SPLIT: Final = Struct("<IHHH")
_DELETE: Final = Struct("<IHH")
_VACUUM: Final = Struct("<HH")
_HALF_DEAD: Final = Struct("<H2xIIII")
_UNLINK: Final = Struct("<III4xQIII")
_NEW_ROOT: Final = Struct("<II")
_REUSE: Final = Struct("<IIIIQ")
_METADATA: Final = Struct("<IIIIIIB3x")


def identify(info: int) -> str | None:
    return _NAMES.get(info & 0xF0)


def describe(record: WalRecord) -> str:
    main = record.main
    opcode = record.opcode
    if opcode in (0x00, 0x10, 0x20, 0x50):
        return f"off {_OFFSET.unpack_from(main)[0]}"
    if opcode in (0x30, 0x40):
        level, first_right, new_item, posting = _SPLIT.unpack_from(main)
        return (
            f"level {level}, firstrightoff {first_right}, newitemoff {new_item}, "
            f"postingoff {posting}"
        )
    if opcode == 0x60:
        return f"nintervals {_OFFSET.unpack_from(main)[0]}"
    if opcode == 0x70:
        xid, deleted, updated = _DELETE.unpack_from(main)
        return f"latestRemovedXid {xid}; ndeleted {deleted}; nupdated {updated}"
    if opcode == 0xC0:
        deleted, updated = _VACUUM.unpack_from(main)
        return f"ndeleted {deleted}; nupdated {updated}"
    return _describe_page_level(record)


def _describe_page_level(record: WalRecord) -> str:
    main = record.main
    opcode = record.opcode
    if opcode == 0xB0:
        _, leaf, left, right, top_parent = _HALF_DEAD.unpack_from(main)
        return f"topparent {top_parent}; leaf {leaf}; left {left}; right {right}"
    if opcode in (0x80, 0x90):
        left, right, level, safe, leaf_left, leaf_right, top_parent = _UNLINK.unpack_from(main)
        return (
            f"left {left}; right {right}; level {level}; safexid {_full_xid(safe)}; "
            f"leafleft {leaf_left}; leafright {leaf_right}; leaftopparent {top_parent}"
        )
    if opcode == 0xA0:
        return f"lev {_NEW_ROOT.unpack_from(main)[1]}"
    if opcode == 0xD0:
        tablespace, database, relation, _, xid = _REUSE.unpack_from(main)
        return f"rel {tablespace}/{database}/{relation}; latestRemovedXid {_full_xid(xid)}"
    if opcode == 0xE0:
        meta = record.block(0)
        if meta is not None and meta.data:
            return f"last_cleanup_num_delpages {_METADATA.unpack_from(meta.data)[5]}"
    return ""


def _full_xid(xid: int) -> str:
    return f"{xid >> 32}:{xid & 0xFFFFFFFF}"
