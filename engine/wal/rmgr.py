"""The resource managers: whose record it is, by the number in the record's header.

Ids 128..255 belong to extensions; 22..127 are nobody's, and end the log where they appear.

Source: PostgreSQL 15, `access/rmgrlist.h`, `access/rmgr.h`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Rmgr(IntEnum):
    """PostgreSQL's built-in resource managers."""

    XLOG = 0
    TRANSACTION = 1
    STORAGE = 2
    CLOG = 3
    DATABASE = 4
    TABLESPACE = 5
    MULTIXACT = 6
    RELMAP = 7
    STANDBY = 8
    HEAP2 = 9
    HEAP = 10
    BTREE = 11
    HASH = 12
    GIN = 13
    GIST = 14
    SEQUENCE = 15
    SPGIST = 16
    BRIN = 17
    COMMIT_TS = 18
    REPLICATION_ORIGIN = 19
    GENERIC = 20
    LOGICAL_MESSAGE = 21


NAMES: Final = (
    *("XLOG", "Transaction", "Storage", "CLOG", "Database", "Tablespace", "MultiXact", "RelMap"),
    *("Standby", "Heap2", "Heap", "Btree", "Hash", "Gin", "Gist", "Sequence", "SPGist", "BRIN"),
    *("CommitTs", "ReplicationOrigin", "Generic", "LogicalMessage"),
)
MAX_BUILTIN: Final = 21
MIN_CUSTOM: Final = 128
MAX_ID: Final = 255


def is_valid(rmid: int) -> bool:
    """Whether a record may carry this id."""
    return rmid <= MAX_BUILTIN or rmid >= MIN_CUSTOM


def is_custom(rmid: int) -> bool:
    return MIN_CUSTOM <= rmid <= MAX_ID


def name(rmid: int) -> str:
    """As pg_waldump prints it; `customNNN` for an extension's."""
    return NAMES[rmid] if rmid <= MAX_BUILTIN else f"custom{rmid:03d}"


def by_name(text: str) -> int | None:
    """The id with this name, upper and lower case alike; None when there is none."""
    wanted = text.casefold()
    for rmid, known in enumerate(NAMES):
        if known.casefold() == wanted:
            return rmid
    digits = wanted.removeprefix("custom")
    if digits != wanted and len(digits) == 3 and digits.isdecimal() and is_custom(int(digits)):
        return int(digits)
    return None
