"""Records about files as text: Storage, Database, Tablespace, RelMap.

Source: PostgreSQL 15, `rmgrdesc/smgrdesc.c`, `dbasedesc.c`, `tblspcdesc.c`, `relmapdesc.c`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from engine.wal.describe import relation_path
from engine.wal.record import WalRecord

SMGR_CREATE: Final = 0x10
SMGR_TRUNCATE: Final = 0x20
CREATE: Final = Struct("<IIII")
"""Storage CREATE: tablespace, database, relation, fork."""
TRUNCATE: Final = Struct("<IIIII")
"""Storage TRUNCATE: blocks left, tablespace, database, relation, flags."""
TRUNCATE_HEAP: Final = 1
TRUNCATE_VM: Final = 2
TRUNCATE_FSM: Final = 4
TRUNCATE_ALL: Final = 7

DATABASE_CREATE_FILE_COPY: Final = 0x00
DATABASE_CREATE_WAL_LOG: Final = 0x10
DATABASE_DROP: Final = 0x20
TABLESPACE_CREATE: Final = 0x00
TABLESPACE_DROP: Final = 0x10
RELMAP_UPDATE: Final = 0x00

_FOUR: Final = Struct("<IIII")
_TWO: Final = Struct("<II")
_ONE: Final = Struct("<I")
_DROP: Final = Struct("<Ii")
_RELMAP: Final = Struct("<IIi")


def identify_storage(info: int) -> str | None:
    return {SMGR_CREATE: "CREATE", SMGR_TRUNCATE: "TRUNCATE"}.get(info & 0xF0)


def describe_storage(record: WalRecord) -> str:
    if record.opcode == SMGR_CREATE:
        tablespace, database, relation, fork = CREATE.unpack_from(record.main)
        return relation_path(tablespace, database, relation, fork)
    if record.opcode == SMGR_TRUNCATE:
        blocks, tablespace, database, relation, flags = TRUNCATE.unpack_from(record.main)
        path = relation_path(tablespace, database, relation)
        return f"{path} to {blocks} blocks flags {flags}"
    return ""


def identify_database(info: int) -> str | None:
    return {
        DATABASE_CREATE_FILE_COPY: "CREATE_FILE_COPY",
        DATABASE_CREATE_WAL_LOG: "CREATE_WAL_LOG",
        DATABASE_DROP: "DROP",
    }.get(info & 0xF0)


def describe_database(record: WalRecord) -> str:
    main = record.main
    if record.opcode == DATABASE_CREATE_FILE_COPY:
        database, tablespace, source, source_tablespace = _FOUR.unpack_from(main)
        return f"copy dir {source_tablespace}/{source} to {tablespace}/{database}"
    if record.opcode == DATABASE_CREATE_WAL_LOG:
        database, tablespace = _TWO.unpack_from(main)
        return f"create dir {tablespace}/{database}"
    if record.opcode == DATABASE_DROP:
        database, count = _DROP.unpack_from(main)
        tablespaces = Struct(f"<{count}I").unpack_from(main, _DROP.size)
        return "dir" + "".join(f" {tablespace}/{database}" for tablespace in tablespaces)
    return ""


def identify_tablespace(info: int) -> str | None:
    return {TABLESPACE_CREATE: "CREATE", TABLESPACE_DROP: "DROP"}.get(info & 0xF0)


def describe_tablespace(record: WalRecord) -> str:
    (oid,) = _ONE.unpack_from(record.main)
    if record.opcode == TABLESPACE_CREATE:
        path = record.main[4:].split(b"\x00")[0].decode(errors="replace")
        return f'{oid} "{path}"'
    return f"{oid}" if record.opcode == TABLESPACE_DROP else ""


def identify_relmap(info: int) -> str | None:
    return "UPDATE" if info & 0xF0 == RELMAP_UPDATE else None


def describe_relmap(record: WalRecord) -> str:
    if record.opcode != RELMAP_UPDATE:
        return ""
    database, tablespace, size = _RELMAP.unpack_from(record.main)
    return f"database {database} tablespace {tablespace} size {size}"
