"""The types that the SQL layer knows, as data (PostgreSQL 15, `pg_type.dat`).

Values travel as Python values: `bool`; `int` for the integers, oid, xid, pg_lsn (a u64) and
timestamps (microseconds since 2000-01-01, a `TimestampUs`); `str` for the string types; `float`;
`decimal.Decimal` for numeric, whose exponent is the display scale; `bytes` for bytea; None for
null.
"""

from __future__ import annotations

from typing import Final, NamedTuple

BOOL: Final = 16
BYTEA: Final = 17
CHAR: Final = 18
NAME: Final = 19
INT8: Final = 20
INT2: Final = 21
INT4: Final = 23
REGPROC: Final = 24
TEXT: Final = 25
OID: Final = 26
TID: Final = 27
XID: Final = 28
CID: Final = 29
FLOAT4: Final = 700
FLOAT8: Final = 701
UNKNOWN: Final = 705
INET: Final = 869
BPCHAR: Final = 1042
VARCHAR: Final = 1043
DATE: Final = 1082
TIMESTAMP: Final = 1114
TIMESTAMPTZ: Final = 1184
INTERVAL: Final = 1186
NUMERIC: Final = 1700
REGCLASS: Final = 2205
REGTYPE: Final = 2206
RECORD: Final = 2249
CSTRING: Final = 2275
ANY: Final = 2276
VOID: Final = 2278
ANYELEMENT: Final = 2283
PG_LSN: Final = 3220
REGNAMESPACE: Final = 4089
TEXT_ARRAY: Final = 1009
XID8: Final = 5069


class NamedOid(int):
    """A regclass or regnamespace on its way to the client: the oid, and what to show for it."""

    shown: str

    def __new__(cls, oid: int, shown: str) -> NamedOid:
        value = super().__new__(cls, oid)
        value.shown = shown
        return value


class TypeInfo(NamedTuple):
    """One type: `name` is its pg_type.typname, `display` what `format_type` says of it."""

    oid: int
    name: str
    display: str
    length: int
    category: str
    preferred: bool = False


TYPES: Final[tuple[TypeInfo, ...]] = (
    TypeInfo(BOOL, "bool", "boolean", 1, "B", True),
    TypeInfo(BYTEA, "bytea", "bytea", -1, "U"),
    TypeInfo(CHAR, "char", '"char"', 1, "Z"),
    TypeInfo(NAME, "name", "name", 64, "S"),
    TypeInfo(INT8, "int8", "bigint", 8, "N"),
    TypeInfo(INT2, "int2", "smallint", 2, "N"),
    TypeInfo(INT4, "int4", "integer", 4, "N"),
    TypeInfo(REGPROC, "regproc", "regproc", 4, "N"),
    TypeInfo(TEXT, "text", "text", -1, "S", True),
    TypeInfo(OID, "oid", "oid", 4, "N", True),
    TypeInfo(TID, "tid", "tid", 6, "U"),
    TypeInfo(XID, "xid", "xid", 4, "U"),
    TypeInfo(CID, "cid", "cid", 4, "U"),
    TypeInfo(FLOAT4, "float4", "real", 4, "N"),
    TypeInfo(FLOAT8, "float8", "double precision", 8, "N", True),
    TypeInfo(UNKNOWN, "unknown", "unknown", -2, "X"),
    TypeInfo(INET, "inet", "inet", -1, "I", True),
    TypeInfo(BPCHAR, "bpchar", "character", -1, "S"),
    TypeInfo(VARCHAR, "varchar", "character varying", -1, "S"),
    TypeInfo(DATE, "date", "date", 4, "D"),
    TypeInfo(TIMESTAMP, "timestamp", "timestamp without time zone", 8, "D"),
    TypeInfo(TIMESTAMPTZ, "timestamptz", "timestamp with time zone", 8, "D", True),
    # Only known, for its part in which function is meant; it has no values here.
    TypeInfo(INTERVAL, "interval", "interval", 16, "T", True),
    TypeInfo(NUMERIC, "numeric", "numeric", -1, "N"),
    TypeInfo(REGCLASS, "regclass", "regclass", 4, "N"),
    TypeInfo(REGTYPE, "regtype", "regtype", 4, "N"),
    TypeInfo(RECORD, "record", "record", -1, "P"),
    TypeInfo(CSTRING, "cstring", "cstring", -2, "P"),
    TypeInfo(ANY, "any", '"any"', 4, "P"),
    TypeInfo(VOID, "void", "void", 4, "P"),
    TypeInfo(ANYELEMENT, "anyelement", "anyelement", 4, "P"),
    TypeInfo(PG_LSN, "pg_lsn", "pg_lsn", 8, "U"),
    TypeInfo(REGNAMESPACE, "regnamespace", "regnamespace", 4, "N"),
    TypeInfo(XID8, "xid8", "xid8", 8, "U"),
)

BY_OID: Final[dict[int, TypeInfo]] = {info.oid: info for info in TYPES}
BY_NAME: Final[dict[str, TypeInfo]] = {info.name: info for info in TYPES}

BY_DISPLAY: Final[dict[str, TypeInfo]] = {info.display: info for info in TYPES} | {
    "int": BY_NAME["int4"],
    "decimal": BY_NAME["numeric"],
    "float": BY_NAME["float8"],
}
"""By the names that SQL has for them."""

STRING_TYPES: Final = frozenset({TEXT, VARCHAR, BPCHAR, NAME})
PSEUDO_TYPES: Final = frozenset({RECORD, CSTRING, ANY, VOID, ANYELEMENT, UNKNOWN})


def type_display(oid: int, typmod: int = -1) -> str:
    """`format_type(oid, typmod)`: the name in messages, such as `character varying(4)`."""
    info = BY_OID.get(oid)
    if info is None:
        return f"with OID {oid}" if oid else "-"
    if typmod >= 4:
        if oid in (VARCHAR, BPCHAR):
            return f"{info.display}({typmod - 4})"
        if oid == NUMERIC:
            return f"numeric({(typmod - 4) >> 16},{(typmod - 4) & 0x7FF})"
    return "bpchar" if oid == BPCHAR else info.display


def type_length(oid: int) -> int:
    """`typlen`, as a row description carries it."""
    info = BY_OID.get(oid)
    return -1 if info is None else info.length


def type_category(oid: int) -> str:
    """`typcategory`; "U" for a type that this table does not have."""
    info = BY_OID.get(oid)
    return "U" if info is None else info.category


def is_preferred(oid: int) -> bool:
    """`typispreferred`."""
    info = BY_OID.get(oid)
    return info is not None and info.preferred
