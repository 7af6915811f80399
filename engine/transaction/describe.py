"""Transaction records: taken apart, and as text.

A commit or abort record is a time and, if info says so, a word whose bits tell which parts follow.
`parse_completion` is what redo uses too.

Source: PostgreSQL 15, `access/xact.h`, `rmgrdesc/xactdesc.c`.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from engine.types import RelFileLocator, align8, format_lsn
from engine.wal.describe import (
    INVALIDATION_SIZE,
    describe_invalidations,
    format_timestamp,
    relation_path,
)
from engine.wal.record import WalRecord

COMMIT: Final = 0x00
PREPARE: Final = 0x10
ABORT: Final = 0x20
COMMIT_PREPARED: Final = 0x30
ABORT_PREPARED: Final = 0x40
ASSIGNMENT: Final = 0x50
INVALIDATION: Final = 0x60
OPCODE_MASK: Final = 0x70
HAS_INFO: Final = 0x80
"""The info bit that says that the xinfo word is there."""

XINFO_HAS_DATABASE: Final = 1 << 0
XINFO_HAS_SUBXACTS: Final = 1 << 1
XINFO_HAS_RELATIONS: Final = 1 << 2
XINFO_HAS_INVALIDATIONS: Final = 1 << 3
XINFO_HAS_TWOPHASE: Final = 1 << 4
XINFO_HAS_ORIGIN: Final = 1 << 5
XINFO_HAS_ACCESS_EXCLUSIVE_LOCKS: Final = 1 << 6
XINFO_HAS_GID: Final = 1 << 7
XINFO_HAS_DROPPED_STATISTICS: Final = 1 << 8
XINFO_APPLY_FEEDBACK: Final = 1 << 29
XINFO_UPDATE_RELCACHE_FILE: Final = 1 << 30
XINFO_FORCE_SYNC_COMMIT: Final = 1 << 31

_NAMES: Final = {
    COMMIT: "COMMIT",
    PREPARE: "PREPARE",
    ABORT: "ABORT",
    COMMIT_PREPARED: "COMMIT_PREPARED",
    ABORT_PREPARED: "ABORT_PREPARED",
    ASSIGNMENT: "ASSIGNMENT",
    INVALIDATION: "INVALIDATION",
}
_TIME: Final = Struct("<q")
_WORD: Final = Struct("<I")
_COUNT: Final = Struct("<i")
_PAIR: Final = Struct("<II")
_TRIPLE: Final = Struct("<III")
_STATISTIC: Final = Struct("<iII")
_ORIGIN: Final = Struct("<Qq")
_ASSIGNMENT: Final = Struct("<Ii")
_PREPARE: Final = Struct("<IIIIqI6iBxHQq")


@dataclass(slots=True)
class Completion:
    """What a commit or abort record says."""

    time_us: int
    xinfo: int = 0
    database: int = 0
    tablespace: int = 0
    subxids: tuple[int, ...] = ()
    relations: tuple[RelFileLocator, ...] = ()
    """Whose files go."""
    statistics: tuple[tuple[int, int, int], ...] = ()
    invalidations: bytes = b""
    invalidation_count: int = 0
    twophase_xid: int = 0
    gid: str = ""
    origin_lsn: int = 0
    origin_time_us: int = 0


class _Cursor:
    """Reads one part after the other."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def take(self, shape: Struct) -> tuple[int, ...]:
        values = shape.unpack_from(self.data, self.at)
        self.at += shape.size
        return values

    def take_bytes(self, length: int) -> bytes:
        data = self.data[self.at : self.at + length]
        self.at += length
        return data

    def take_text(self) -> str:
        """Up to a zero byte."""
        end = self.data.index(0, self.at)
        text = self.data[self.at : end].decode(errors="replace")
        self.at = end + 1
        return text

    def xids(self, count: int) -> tuple[int, ...]:
        return self.take(Struct(f"<{count}I"))

    def locators(self, count: int) -> tuple[RelFileLocator, ...]:
        return tuple(RelFileLocator(*self.take(_TRIPLE)) for _ in range(count))

    def statistics(self, count: int) -> tuple[tuple[int, int, int], ...]:
        return tuple(_STATISTIC.iter_unpack(self.take_bytes(count * _STATISTIC.size)))

    def align(self) -> None:
        self.at = align8(self.at)


def parse_completion(record: WalRecord) -> Completion:
    """A COMMIT, ABORT, COMMIT_PREPARED or ABORT_PREPARED record."""
    main = record.main
    (time_us,) = _TIME.unpack_from(main)
    parsed = Completion(time_us)
    if not record.info & HAS_INFO:
        return parsed
    cursor = _Cursor(main, _TIME.size)
    (xinfo,) = cursor.take(_WORD)
    parsed.xinfo = xinfo
    if xinfo & XINFO_HAS_DATABASE:
        parsed.database, parsed.tablespace = cursor.take(_PAIR)
    if xinfo & XINFO_HAS_SUBXACTS:
        parsed.subxids = cursor.xids(cursor.take(_COUNT)[0])
    if xinfo & XINFO_HAS_RELATIONS:
        parsed.relations = cursor.locators(cursor.take(_COUNT)[0])
    if xinfo & XINFO_HAS_DROPPED_STATISTICS:
        parsed.statistics = cursor.statistics(cursor.take(_COUNT)[0])
    if xinfo & XINFO_HAS_INVALIDATIONS:
        (parsed.invalidation_count,) = cursor.take(_COUNT)
        parsed.invalidations = cursor.take_bytes(parsed.invalidation_count * INVALIDATION_SIZE)
    if xinfo & XINFO_HAS_TWOPHASE:
        (parsed.twophase_xid,) = cursor.take(_WORD)
    if xinfo & XINFO_HAS_GID:
        parsed.gid = cursor.take_text()
    if xinfo & XINFO_HAS_ORIGIN:
        parsed.origin_lsn, parsed.origin_time_us = cursor.take(_ORIGIN)
    return parsed


def identify(info: int) -> str | None:
    return _NAMES.get(info & OPCODE_MASK)


def describe(record: WalRecord) -> str:
    opcode = record.info & OPCODE_MASK
    if opcode in (COMMIT, COMMIT_PREPARED):
        return _describe_commit(record)
    if opcode in (ABORT, ABORT_PREPARED):
        return _describe_abort(record)
    if opcode == PREPARE:
        return _describe_prepare(record)
    if opcode == ASSIGNMENT:
        top, count = _ASSIGNMENT.unpack_from(record.main)
        xids = Struct(f"<{count}I").unpack_from(record.main, _ASSIGNMENT.size)
        return f"xtop {top}: subxacts:" + "".join(f" {xid}" for xid in xids)
    if opcode == INVALIDATION:
        (count,) = _COUNT.unpack_from(record.main)
        return describe_invalidations(record.main[4:], count, 0, 0, False)
    return ""


def _describe_commit(record: WalRecord) -> str:
    parsed = parse_completion(record)
    text = f"{parsed.twophase_xid}: " if parsed.twophase_xid else ""
    text += format_timestamp(parsed.time_us)
    text += _relations("rels", parsed.relations)
    text += _subxacts(parsed.subxids)
    text += _statistics("", parsed.statistics)
    text += describe_invalidations(
        parsed.invalidations,
        parsed.invalidation_count,
        parsed.database,
        parsed.tablespace,
        parsed.xinfo & XINFO_UPDATE_RELCACHE_FILE != 0,
    )
    if parsed.xinfo & XINFO_APPLY_FEEDBACK:
        text += "; apply_feedback"
    if parsed.xinfo & XINFO_FORCE_SYNC_COMMIT:
        text += "; sync"
    if parsed.xinfo & XINFO_HAS_ORIGIN:
        text += _origin(record.origin, parsed.origin_lsn, parsed.origin_time_us)
    return text


def _describe_abort(record: WalRecord) -> str:
    parsed = parse_completion(record)
    text = f"{parsed.twophase_xid}: " if parsed.twophase_xid else ""
    text += format_timestamp(parsed.time_us)
    text += _relations("rels", parsed.relations)
    text += _subxacts(parsed.subxids)
    if parsed.xinfo & XINFO_HAS_ORIGIN:
        text += _origin(record.origin, parsed.origin_lsn, parsed.origin_time_us)
    return text + _statistics("", parsed.statistics)


def _describe_prepare(record: WalRecord) -> str:
    fields = _PREPARE.unpack_from(record.main)
    database, prepared_at = fields[3], fields[4]
    subxids, commit_rels, abort_rels, commit_stats, abort_stats, messages = fields[6:12]
    init_file, gid_length, origin_lsn, origin_time = fields[12:]
    cursor = _Cursor(record.main, _PREPARE.size)
    gid = cursor.take_bytes(gid_length).rstrip(b"\x00").decode(errors="replace")
    cursor.align()
    xids = cursor.xids(subxids)
    cursor.align()
    committed = cursor.locators(commit_rels)
    cursor.align()
    aborted = cursor.locators(abort_rels)
    cursor.align()
    commit_statistics = cursor.statistics(commit_stats)
    cursor.align()
    abort_statistics = cursor.statistics(abort_stats)
    cursor.align()
    invalidations = cursor.take_bytes(messages * INVALIDATION_SIZE)
    text = f"gid {gid}: " + format_timestamp(prepared_at)
    text += _relations("rels(commit)", committed)
    text += _relations("rels(abort)", aborted)
    text += _statistics("commit ", commit_statistics)
    text += _statistics("abort ", abort_statistics)
    text += _subxacts(xids)
    text += describe_invalidations(invalidations, messages, database, 0, init_file != 0)
    if record.origin:
        text += _origin(record.origin, origin_lsn, origin_time)
    return text


def _relations(label: str, relations: tuple[RelFileLocator, ...]) -> str:
    if not relations:
        return ""
    return f"; {label}:" + "".join(f" {relation_path(*locator)}" for locator in relations)


def _subxacts(xids: tuple[int, ...]) -> str:
    return "; subxacts:" + "".join(f" {xid}" for xid in xids) if xids else ""


def _statistics(label: str, items: tuple[tuple[int, int, int], ...]) -> str:
    if not items:
        return ""
    shown = "".join(f" {kind}/{database}/{item}" for kind, database, item in items)
    return f"; {label}dropped stats:{shown}"


def _origin(node: int, lsn: int, time_us: int) -> str:
    return f"; origin: node {node}, lsn {format_lsn(lsn)}, at {format_timestamp(time_us)}"
