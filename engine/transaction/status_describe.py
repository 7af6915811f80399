"""Records of what is known of xids, as text: CLOG, CommitTs, MultiXact, Standby.

Source: PostgreSQL 15, `rmgrdesc/clogdesc.c`, `committsdesc.c`, `mxactdesc.c`, `standbydesc.c`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from engine.wal.describe import describe_invalidations
from engine.wal.record import WalRecord

CLOG_ZEROPAGE: Final = 0x00
CLOG_TRUNCATE: Final = 0x10

MULTIXACT_ZERO_OFFSETS_PAGE: Final = 0x00
MULTIXACT_ZERO_MEMBERS_PAGE: Final = 0x10
MULTIXACT_CREATE_ID: Final = 0x20
MULTIXACT_TRUNCATE_ID: Final = 0x30

STANDBY_LOCK: Final = 0x00
STANDBY_RUNNING_XACTS: Final = 0x10
STANDBY_INVALIDATIONS: Final = 0x20

RUNNING_XACTS: Final = Struct("<ii?3xIII")
"""xids, subxids, overflow, next xid, oldest running, latest completed; the xids follow."""

_MEMBER_STATUS: Final = ("keysh", "sh", "fornokeyupd", "forupd", "nokeyupd", "upd")
_PAGE: Final = Struct("<i")
_CLOG_TRUNCATE: Final = Struct("<iII")
_COMMIT_TS_TRUNCATE: Final = Struct("<iI")
_CREATE_ID: Final = Struct("<IIi")
_MEMBER: Final = Struct("<II")
_TRUNCATE_ID: Final = Struct("<IIIII")
_COUNT: Final = Struct("<i")
_LOCK: Final = Struct("<III")
_INVALIDATIONS: Final = Struct("<II?3xi")


def identify_clog(info: int) -> str | None:
    return {CLOG_ZEROPAGE: "ZEROPAGE", CLOG_TRUNCATE: "TRUNCATE"}.get(info & 0xF0)


def describe_clog(record: WalRecord) -> str:
    if record.opcode == CLOG_ZEROPAGE:
        return f"page {_PAGE.unpack_from(record.main)[0]}"
    if record.opcode == CLOG_TRUNCATE:
        page, oldest, _ = _CLOG_TRUNCATE.unpack_from(record.main)
        return f"page {page}; oldestXact {oldest}"
    return ""


def identify_commit_ts(info: int) -> str | None:
    return {0x00: "ZEROPAGE", 0x10: "TRUNCATE"}.get(info & 0xF0)


def describe_commit_ts(record: WalRecord) -> str:
    if record.opcode == 0x00:
        return f"{_PAGE.unpack_from(record.main)[0]}"
    if record.opcode == 0x10:
        page, oldest = _COMMIT_TS_TRUNCATE.unpack_from(record.main)
        return f"pageno {page}, oldestXid {oldest}"
    return ""


def identify_multixact(info: int) -> str | None:
    return {
        MULTIXACT_ZERO_OFFSETS_PAGE: "ZERO_OFF_PAGE",
        MULTIXACT_ZERO_MEMBERS_PAGE: "ZERO_MEM_PAGE",
        MULTIXACT_CREATE_ID: "CREATE_ID",
        MULTIXACT_TRUNCATE_ID: "TRUNCATE_ID",
    }.get(info & 0xF0)


def describe_multixact(record: WalRecord) -> str:
    main = record.main
    if record.opcode in (MULTIXACT_ZERO_OFFSETS_PAGE, MULTIXACT_ZERO_MEMBERS_PAGE):
        return f"{_PAGE.unpack_from(main)[0]}"
    if record.opcode == MULTIXACT_CREATE_ID:
        multi, offset, count = _CREATE_ID.unpack_from(main)
        text = f"{multi} offset {offset} nmembers {count}: "
        for at in range(count):
            xid, status = _MEMBER.unpack_from(main, _CREATE_ID.size + at * _MEMBER.size)
            name = _MEMBER_STATUS[status] if status < len(_MEMBER_STATUS) else "unk"
            text += f"{xid} ({name}) "
        return text
    if record.opcode == MULTIXACT_TRUNCATE_ID:
        _, first, last, first_member, last_member = _TRUNCATE_ID.unpack_from(main)
        return f"offsets [{first}, {last}), members [{first_member}, {last_member})"
    return ""


def identify_standby(info: int) -> str | None:
    return {
        STANDBY_LOCK: "LOCK",
        STANDBY_RUNNING_XACTS: "RUNNING_XACTS",
        STANDBY_INVALIDATIONS: "INVALIDATIONS",
    }.get(info & 0xF0)


def describe_standby(record: WalRecord) -> str:
    main = record.main
    if record.opcode == STANDBY_LOCK:
        text = ""
        for at in range(_COUNT.unpack_from(main)[0]):
            xid, database, relation = _LOCK.unpack_from(main, _COUNT.size + at * _LOCK.size)
            text += f"xid {xid} db {database} rel {relation} "
        return text
    if record.opcode == STANDBY_RUNNING_XACTS:
        count, _, overflow, following, oldest, latest = RUNNING_XACTS.unpack_from(main)
        text = f"nextXid {following} latestCompletedXid {latest} oldestRunningXid {oldest}"
        if count > 0:
            xids = Struct(f"<{count}I").unpack_from(main, RUNNING_XACTS.size)
            text += f"; {count} xacts:" + "".join(f" {xid}" for xid in xids)
        return text + ("; subxid ovf" if overflow else "")
    if record.opcode == STANDBY_INVALIDATIONS:
        database, tablespace, init_file, count = _INVALIDATIONS.unpack_from(main)
        data = main[_INVALIDATIONS.size :]
        return describe_invalidations(data, count, database, tablespace, init_file)
    return ""
