"""Heap and Heap2 records as text.

Source: PostgreSQL 15, `access/heapam_xlog.h`, `rmgrdesc/heapdesc.c`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from engine.wal.record import WalRecord

_OPCODE_MASK: Final = 0x70

_HEAP: Final = {
    0x00: "INSERT",
    0x80: "INSERT+INIT",
    0x10: "DELETE",
    0x20: "UPDATE",
    0xA0: "UPDATE+INIT",
    0x30: "TRUNCATE",
    0x40: "HOT_UPDATE",
    0xC0: "HOT_UPDATE+INIT",
    0x50: "HEAP_CONFIRM",
    0x60: "LOCK",
    0x70: "INPLACE",
}
_HEAP2: Final = {
    0x00: "REWRITE",
    0x10: "PRUNE",
    0x20: "VACUUM",
    0x30: "FREEZE_PAGE",
    0x40: "VISIBLE",
    0x50: "MULTI_INSERT",
    0xD0: "MULTI_INSERT+INIT",
    0x60: "LOCK_UPDATED",
    0x70: "NEW_CID",
}
_INFOBITS: Final = (
    (0x01, "IS_MULTI "),
    (0x02, "LOCK_ONLY "),
    (0x04, "EXCL_LOCK "),
    (0x08, "KEYSHR_LOCK "),
    (0x10, "KEYS_UPDATED "),
)
_TRUNCATE_CASCADE: Final = 1
_TRUNCATE_RESTART_SEQUENCES: Final = 2

_INSERT: Final = Struct("<HB")
_DELETE: Final = Struct("<IHBB")
_UPDATE: Final = Struct("<IHBBIH")
_TRUNCATE: Final = Struct("<IIB3x")
_OFFSET: Final = Struct("<H")
_LOCK: Final = Struct("<IHBB")
_PRUNE: Final = Struct("<IHH")
_FREEZE: Final = Struct("<IH")
_VISIBLE: Final = Struct("<IB")
_MULTI_INSERT: Final = Struct("<BxH")
_NEW_CID: Final = Struct("<IIIIIIIHHH")


def identify_heap(info: int) -> str | None:
    return _HEAP.get(info & 0xF0)


def identify_heap2(info: int) -> str | None:
    return _HEAP2.get(info & 0xF0)


def describe_heap(record: WalRecord) -> str:
    main = record.main
    opcode = record.info & _OPCODE_MASK
    if opcode == 0x00:
        offset, flags = _INSERT.unpack_from(main)
        return f"off {offset} flags 0x{flags:02X}"
    if opcode == 0x10:
        _, offset, bits, flags = _DELETE.unpack_from(main)
        return f"off {offset} flags 0x{flags:02X} {_infobits(bits)}"
    if opcode in (0x20, 0x40):
        xmax, offset, bits, flags, new_xmax, new_offset = _UPDATE.unpack_from(main)
        return (
            f"off {offset} xmax {xmax} flags 0x{flags:02X} {_infobits(bits)}"
            f"; new off {new_offset} xmax {new_xmax}"
        )
    if opcode == 0x30:
        return _describe_truncate(main)
    if opcode == 0x60:
        xid, offset, bits, flags = _LOCK.unpack_from(main)
        return f"off {offset}: xid {xid}: flags 0x{flags:02X} {_infobits(bits)}"
    return f"off {_OFFSET.unpack_from(main)[0]}"


def describe_heap2(record: WalRecord) -> str:
    main = record.main
    opcode = record.info & _OPCODE_MASK
    if opcode == 0x10:
        xid, redirected, dead = _PRUNE.unpack_from(main)
        return f"latestRemovedXid {xid} nredirected {redirected} ndead {dead}"
    if opcode == 0x20:
        return f"nunused {_OFFSET.unpack_from(main)[0]}"
    if opcode == 0x30:
        cutoff, count = _FREEZE.unpack_from(main)
        return f"cutoff xid {cutoff} ntuples {count}"
    if opcode == 0x40:
        cutoff, flags = _VISIBLE.unpack_from(main)
        return f"cutoff xid {cutoff} flags 0x{flags:02X}"
    if opcode == 0x50:
        flags, count = _MULTI_INSERT.unpack_from(main)
        return f"{count} tuples flags 0x{flags:02X}"
    if opcode == 0x60:
        xmax, offset, bits, flags = _LOCK.unpack_from(main)
        return f"off {offset}: xmax {xmax}: flags 0x{flags:02X} {_infobits(bits)}"
    if opcode == 0x70:
        _, cmin, cmax, combo, tablespace, database, relation, high, low, offset = (
            _NEW_CID.unpack_from(main)
        )
        return (
            f"rel {tablespace}/{database}/{relation}; tid {high << 16 | low}/{offset}"
            f"; cmin: {cmin}, cmax: {cmax}, combo: {combo}"
        )
    return ""


def _describe_truncate(main: bytes) -> str:
    _, count, flags = _TRUNCATE.unpack_from(main)
    text = ""
    if flags & _TRUNCATE_CASCADE:
        text += "cascade "
    if flags & _TRUNCATE_RESTART_SEQUENCES:
        text += "restart_seqs "
    relations = Struct(f"<{count}I").unpack_from(main, _TRUNCATE.size)
    return f"{text}nrelids {count} relids" + "".join(f" {oid}" for oid in relations)


def _infobits(bits: int) -> str:
    return "".join(name for bit, name in _INFOBITS if bits & bit)
