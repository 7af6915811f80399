"""What can be locked, and how messages and `pg_locks` name it.

Source: PostgreSQL 15, `storage/lock.h` (LOCKTAG), `lmgr.c` (DescribeLockTag).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple


class LockTagKind(IntEnum):
    """The kinds of lockable object; the numbers are PostgreSQL's LockTagType plus one.

    (Plus one because 0 marks a free entry in the shared table.)
    """

    RELATION = 1
    RELATION_EXTEND = 2
    DATABASE_FROZEN_IDS = 3
    PAGE = 4
    TUPLE = 5
    TRANSACTION = 6
    VIRTUAL_TRANSACTION = 7
    SPECULATIVE_TOKEN = 8
    OBJECT = 9
    USER_LOCK = 10
    ADVISORY = 11


LOCK_TYPE_NAMES: Final = {
    LockTagKind.RELATION: "relation",
    LockTagKind.RELATION_EXTEND: "extend",
    LockTagKind.DATABASE_FROZEN_IDS: "frozenid",
    LockTagKind.PAGE: "page",
    LockTagKind.TUPLE: "tuple",
    LockTagKind.TRANSACTION: "transactionid",
    LockTagKind.VIRTUAL_TRANSACTION: "virtualxid",
    LockTagKind.SPECULATIVE_TOKEN: "spectoken",
    LockTagKind.OBJECT: "object",
    LockTagKind.USER_LOCK: "userlock",
    LockTagKind.ADVISORY: "advisory",
}
"""`pg_locks.locktype`, and `wait_event` of who waits."""


class LockTag(NamedTuple):
    """The name of a lockable object: a kind and up to four u32 fields."""

    kind: int
    field1: int = 0
    field2: int = 0
    field3: int = 0
    field4: int = 0

    @staticmethod
    def relation(database: int, relation: int) -> LockTag:
        """A relation; database 0 for a shared one."""
        return LockTag(1, database, relation)

    @staticmethod
    def relation_extension(database: int, relation: int) -> LockTag:
        """The right to extend a relation."""
        return LockTag(2, database, relation)

    @staticmethod
    def tuple(database: int, relation: int, block: int, offset: int) -> LockTag:
        """A row version: held while waiting for its updater, so that waiters queue up."""
        return LockTag(5, database, relation, block, offset)

    @staticmethod
    def transaction(xid: int) -> LockTag:
        """A transaction: it holds this exclusively until it ends."""
        return LockTag(6, xid)

    @staticmethod
    def object(database: int, catalog: int, oid: int, sub_object: int = 0) -> LockTag:
        """A database object that is not a relation: its catalog and its oid there."""
        return LockTag(9, database, catalog, oid, sub_object)

    @staticmethod
    def advisory(database: int, key1: int, key2: int, key_kind: int) -> LockTag:
        """A lock that means what the application says; `key_kind` is 1 or 2 keys."""
        return LockTag(11, database, key1, key2, key_kind)

    def describe(self) -> str:
        """As deadlock reports name it."""
        one, two, three, four = self.field1, self.field2, self.field3, self.field4
        match self.kind:
            case LockTagKind.RELATION:
                return f"relation {two} of database {one}"
            case LockTagKind.RELATION_EXTEND:
                return f"extension of relation {two} of database {one}"
            case LockTagKind.PAGE:
                return f"page {three} of relation {two} of database {one}"
            case LockTagKind.TUPLE:
                return f"tuple ({three},{four}) of relation {two} of database {one}"
            case LockTagKind.TRANSACTION:
                return f"transaction {one}"
            case LockTagKind.VIRTUAL_TRANSACTION:
                return f"virtual transaction {one}/{two}"
            case LockTagKind.OBJECT:
                return f"object {three} of class {two} of database {one}"
            case LockTagKind.ADVISORY:
                return f"advisory lock [{one},{two},{three},{four}]"
            case _:
                return f"unrecognized locktag type {self.kind - 1}"
