"""Replay of commit and abort records: the commit log, and the files that went with them.

Source: PostgreSQL 15, `xact_redo`, xact.c; `ParseCommitRecord`, xactdesc.c.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from engine.recovery.redo_services import RedoServices
from engine.recovery.redo_table import Redo, not_replayable
from engine.storage.redo_context import RedoContext
from engine.transaction.clog import ABORTED, COMMITTED
from engine.transaction.commit_record import (
    HAS_DATABASE,
    HAS_RELATIONS,
    HAS_SUBXIDS,
    XACT_ABORT,
    XACT_COMMIT,
    XACT_HAS_INFO,
    XACT_OPCODE_MASK,
)
from engine.types import RelFileLocator, RelFork
from engine.wal.record import WalRecord

XACT_ASSIGNMENT: Final = 0x50
XACT_INVALIDATIONS: Final = 0x60

_COUNT: Final = Struct("<i")
_U32: Final = Struct("<I")
_LOCATOR: Final = Struct("<III")


class Outcome(NamedTuple):
    """What a commit or abort record says that replay acts on."""

    subxids: tuple[int, ...] = ()
    dropped: tuple[RelFileLocator, ...] = ()


_PLAIN: Final = Outcome()


def parse_outcome(record: WalRecord) -> Outcome:
    """Take the main data of a commit or abort record apart."""
    main = record.main
    if not record.info & XACT_HAS_INFO:
        return _PLAIN
    parts = _U32.unpack_from(main, 8)[0]
    at = 12
    if parts & HAS_DATABASE:
        at += 8
    subxids: tuple[int, ...] = ()
    if parts & HAS_SUBXIDS:
        count = _COUNT.unpack_from(main, at)[0]
        subxids = Struct(f"<{count}I").unpack_from(main, at + 4)
        at += 4 + 4 * count
    dropped: tuple[RelFileLocator, ...] = ()
    if parts & HAS_RELATIONS:
        count = _COUNT.unpack_from(main, at)[0]
        dropped = tuple(
            RelFileLocator(*_LOCATOR.unpack_from(main, at + 4 + 12 * number))
            for number in range(count)
        )
    return Outcome(subxids, dropped)


def transaction_redo(services: RedoServices) -> Redo:
    """The redo function of resource manager Transaction."""
    set_status = services.clog.set_status
    advance_past = services.xids.advance_past

    def redo(record: WalRecord, context: RedoContext) -> None:
        opcode = record.info & XACT_OPCODE_MASK
        if opcode == XACT_COMMIT:
            status = COMMITTED
        elif opcode == XACT_ABORT:
            status = ABORTED
        elif opcode in (XACT_ASSIGNMENT, XACT_INVALIDATIONS):
            return
        else:
            raise not_replayable(record)
        outcome = parse_outcome(record)
        for subxid in outcome.subxids:
            advance_past(subxid)
        set_status(record.xid, outcome.subxids, status, 0)
        if outcome.dropped:
            drop_relations(services, outcome.dropped)

    return redo


def drop_relations(services: RedoServices, locators: tuple[RelFileLocator, ...]) -> None:
    """Remove the files of dropped relations, and everything that speaks of them."""
    for locator in locators:
        for fork in RelFork:
            services.pages.forget_relation(locator, fork)
    services.buffers.drop_relations(locators)
    for locator in locators:
        services.smgr.unlink_relation(locator, is_redo=True)
