"""Records that a quiet server never writes are described as pg_waldump describes them.

(What a busy server writes is in tests/engine/cli/test_waldump.py.)
"""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from engine.recovery.control_file import CheckPoint
from engine.recovery.record_text import identify, is_described, record_line
from engine.types import RelFileLocator
from engine.wal.reader import WalReader
from engine.wal.record import STANDARD, BlockPart
from engine.wal.rmgr import MAX_ID, NAMES, Rmgr, by_name, is_valid, name
from tests.engine.wal.log_bytes import SEGMENT, LogBytes
from tests.postgres import require_postgres

TIME = 828_110_644_123_456
LOCATOR = RelFileLocator(1663, 5, 16384)
OTHER = RelFileLocator(1664, 0, 1262)
FAR = RelFileLocator(16999, 5, 16390)
BLOCK = BlockPart(0, LOCATOR, 0, 3)


def pack(shape: str, *values: object) -> bytes:
    return struct.pack("<" + shape, *values)


def completion(xinfo: int, *parts: bytes) -> bytes:
    return pack("qI", TIME, xinfo) + b"".join(parts)


MESSAGES = b"".join(pack("b3xII4x", kind, 5, 1259) for kind in (0, 7, 55, -1, -2, -3, -4, -5, -6))
INVALIDATIONS = pack("i", 9) + MESSAGES
DATABASE = pack("II", 5, 1663)
SUBXACTS = pack("iII", 2, 731, 732)
RELATIONS = pack("iIII", 1, *LOCATOR) + b""
THREE_RELATIONS = pack("i9I", 3, *LOCATOR, *OTHER, *FAR)
STATISTICS = pack("iiIIiII", 2, 2, 5, 16384, 1, 0, 0)
ORIGIN = pack("Qq", 0x1_0000_0028, TIME)
ALL_BITS = 1 | 2 | 4 | 8 | 32 | 256 | 1 << 29 | 1 << 30 | 1 << 31

PREPARED = (
    pack("IIIIqI6i?xHQq", 0x57F94534, 0, 740, 5, TIME, 10, 2, 1, 3, 2, 2, 9, True, 8, 0, 0)
    + b"my gid\0\0"
    + pack("II", 741, 742)
    + pack("III4x", *LOCATOR)
    + pack("9I4x", *LOCATOR, *OTHER, *FAR)
    + STATISTICS[4:]
    + STATISTICS[4:]
    + MESSAGES
)

RECORDS: list[tuple[int, int, bytes, list[BlockPart]]] = [
    (Rmgr.XLOG, 0x00, CheckPoint(redo=1 << 33, next_full_xid=3 << 32 | 9).pack(), []),
    (Rmgr.XLOG, 0x10, CheckPoint(full_page_writes=False, oldest_active_xid=4).pack(), []),
    (Rmgr.XLOG, 0x20, b"", []),
    (Rmgr.XLOG, 0x30, pack("I", 24576), []),
    (Rmgr.XLOG, 0x50, pack("Q", 0x5_0000_0028), []),
    (Rmgr.XLOG, 0x60, pack("6i??2x", 100, 8, 10, 2, 64, 0, True, False), []),
    (Rmgr.XLOG, 0x60, pack("6i??2x", 100, 8, 10, 2, 64, 2, False, True), []),
    (Rmgr.XLOG, 0x60, pack("6i??2x", 100, 8, 10, 2, 64, 7, False, True), []),
    (Rmgr.XLOG, 0x70, pack("q64s", TIME, b"the point"), []),
    (Rmgr.XLOG, 0x80, b"\1", []),
    (Rmgr.XLOG, 0x80, b"\0", []),
    (Rmgr.XLOG, 0x90, pack("qII", TIME, 2, 1), []),
    (Rmgr.XLOG, 0xD0, pack("Qq", 0x3_0000_0028, 1), []),
    (Rmgr.XLOG, 0xB0, b"", [BLOCK._replace(image=bytes(8192), flags=STANDARD)]),
    (Rmgr.XLOG, 0xE0, b"", []),
    (Rmgr.TRANSACTION, 0x00, pack("q", TIME), []),
    (Rmgr.TRANSACTION, 0x80, completion(1 << 6), []),
    (
        Rmgr.TRANSACTION,
        0x80,
        completion(
            ALL_BITS, DATABASE, SUBXACTS, THREE_RELATIONS, STATISTICS, INVALIDATIONS, ORIGIN
        ),
        [],
    ),
    (Rmgr.TRANSACTION, 0xB0, completion(16 | 128, pack("I", 740), b"the gid\0"), []),
    (Rmgr.TRANSACTION, 0x20, pack("q", TIME), []),
    (
        Rmgr.TRANSACTION,
        0xC0,
        completion(2 | 4 | 256 | 16 | 32, SUBXACTS, RELATIONS, STATISTICS, pack("I", 740), ORIGIN),
        [],
    ),
    (Rmgr.TRANSACTION, 0x10, PREPARED, []),
    (Rmgr.TRANSACTION, 0x50, pack("IiIII", 730, 3, 731, 732, 733), []),
    (Rmgr.TRANSACTION, 0x60, INVALIDATIONS, []),
    (Rmgr.TRANSACTION, 0x70, b"", []),
    (Rmgr.STORAGE, 0x10, pack("IIII", *LOCATOR, 0), []),
    (Rmgr.STORAGE, 0x10, pack("IIII", *OTHER, 1), []),
    (Rmgr.STORAGE, 0x11, pack("IIII", *FAR, 3), []),
    (Rmgr.STORAGE, 0x20, pack("IIIII", 7, *LOCATOR, 7), []),
    (Rmgr.CLOG, 0x00, pack("i", 12), []),
    (Rmgr.CLOG, 0x10, pack("iII", 12, 700, 5), []),
    (Rmgr.DATABASE, 0x00, pack("IIII", 16400, 1663, 4, 1700), []),
    (Rmgr.DATABASE, 0x10, pack("II", 16400, 1663), []),
    (Rmgr.DATABASE, 0x20, pack("IiII", 16400, 2, 1663, 1700), []),
    (Rmgr.TABLESPACE, 0x00, pack("I", 16500) + b"/some/place\0", []),
    (Rmgr.TABLESPACE, 0x10, pack("I", 16500), []),
    (Rmgr.MULTIXACT, 0x00, pack("i", 1), []),
    (Rmgr.MULTIXACT, 0x10, pack("i", 2), []),
    (
        Rmgr.MULTIXACT,
        0x20,
        pack("IIi", 9, 20, 7) + b"".join(pack("II", 800 + n, n) for n in range(7)),
        [],
    ),
    (Rmgr.MULTIXACT, 0x30, pack("IIIII", 5, 1, 2, 3, 4), []),
    (Rmgr.RELMAP, 0x00, pack("IIi", 5, 1663, 512) + bytes(512), []),
    (Rmgr.STANDBY, 0x00, pack("i6I", 2, 700, 5, 16384, 701, 5, 16385), []),
    (Rmgr.STANDBY, 0x10, pack("ii?3x3I", 0, 0, False, 703, 700, 702), []),
    (Rmgr.STANDBY, 0x10, pack("ii?3x5I", 2, 0, True, 703, 700, 702, 700, 701), []),
    (Rmgr.STANDBY, 0x20, pack("II?3xi", 5, 1663, True, 9) + MESSAGES, []),
    (Rmgr.HEAP2, 0x00, bytes(40), []),
    (Rmgr.HEAP2, 0x10, pack("IHH", 733, 2, 3), [BLOCK]),
    (Rmgr.HEAP2, 0x60, pack("IHBB", 733, 2, 0x1F, 1), [BLOCK]),
    (Rmgr.HEAP2, 0x70, pack("IIIIIIIHHH", 1, 2, 3, 4, *LOCATOR, 1, 2, 3), []),
    (Rmgr.HEAP2, 0x80, b"", []),
    (Rmgr.HEAP, 0x00, pack("HB", 4, 0x12), [BLOCK]),
    (Rmgr.HEAP, 0x10, pack("IHBB", 733, 4, 0x1F, 3), [BLOCK]),
    (Rmgr.HEAP, 0x20, pack("IHBBIH", 733, 4, 0x10, 3, 0, 5), [BLOCK]),
    (Rmgr.HEAP, 0x30, pack("IIB3xII", 5, 2, 3, 16384, 16385), []),
    (Rmgr.HEAP, 0x50, pack("H", 4), [BLOCK]),
    (Rmgr.HEAP, 0x60, pack("IHBB", 733, 4, 0x06, 0), [BLOCK]),
    (Rmgr.HEAP, 0x90, pack("IHBB", 733, 4, 0, 0), [BLOCK]),
    (Rmgr.BTREE, 0x30, pack("IHHH", 1, 20, 21, 3), [BLOCK]),
    (Rmgr.BTREE, 0x70, pack("IHH", 700, 2, 3), [BLOCK]),
    (Rmgr.BTREE, 0x90, pack("III4xQIII", 1, 2, 0, 1 << 32 | 7, 3, 4, 5), [BLOCK]),
    (Rmgr.BTREE, 0xB0, pack("H2xIIII", 9, 1, 2, 3, 0xFFFFFFFF), [BLOCK]),
    (Rmgr.BTREE, 0xD0, pack("IIIIQ", *LOCATOR, 8, 2 << 32 | 6), []),
    (Rmgr.BTREE, 0xE0, b"", [BLOCK._replace(data=pack("6I?3x", 4, 3, 1, 3, 1, 77, True))]),
    (Rmgr.BTREE, 0xF0, b"", []),
    (Rmgr.SEQUENCE, 0x00, pack("III", *LOCATOR) + bytes(40), [BLOCK]),
    (Rmgr.COMMIT_TS, 0x00, pack("i", 3), []),
    (Rmgr.COMMIT_TS, 0x10, pack("iI", 3, 700), []),
    (Rmgr.LOGICAL_MESSAGE, 0x00, pack("I?3xQQ", 5, True, 4, 3) + b"abc\0\1\2\xff", []),
    (Rmgr.LOGICAL_MESSAGE, 0x00, pack("I?3xQQ", 5, False, 1, 0) + b"\0", []),
    (200, 0x30, b"whatever", [BLOCK, BLOCK._replace(id=5, fork=2, block=7)]),
]


@pytest.fixture(scope="module")
def log() -> LogBytes:
    """All of RECORDS in one segment."""
    log = LogBytes()
    for rmid, info, main, blocks in RECORDS:
        log.append(main, rmid, info, blocks)
    return log


@pytest.mark.parametrize("details", [False, True])
def test_every_kind_of_record_is_described_as_pg_waldump_does(
    log: LogBytes, tmp_path: Path, details: bool
) -> None:
    path = tmp_path / "000000010000000000000001"
    path.write_bytes(bytes(log.content).ljust(SEGMENT, b"\0"))
    command = [require_postgres("pg_waldump"), *(["-b"] if details else []), path]
    answer = subprocess.run(command, capture_output=True, check=False, env={"TZ": "UTC"})
    reader = WalReader(log.read_page, SEGMENT)
    reader.begin(SEGMENT)
    lines: list[str] = []
    while (record := reader.read()) is not None:
        lines += record_line(record, block_details=details).split("\n")
    assert reader.last_record_lsn == log.lsns[-1]
    assert lines == answer.stdout.decode().splitlines()


def test_a_body_that_is_too_short_is_called_so() -> None:
    log = LogBytes()
    log.append(b"\1", Rmgr.HEAP, 0x20)
    reader = WalReader(log.read_page, SEGMENT)
    reader.begin(SEGMENT)
    record = reader.read()
    assert record is not None
    assert record_line(record).endswith("desc: UPDATE (record body is too short)")


def test_resource_managers_have_the_names_of_postgres() -> None:
    answer = subprocess.run(
        [require_postgres("pg_waldump"), "-r", "list"], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == list(NAMES)
    assert [by_name(known.upper()) for known in NAMES] == list(range(len(NAMES)))
    assert (by_name("custom200"), by_name("custom20"), by_name("none")) == (200, None, None)
    assert name(200) == "custom200"
    assert [rmid for rmid in range(MAX_ID + 1) if not is_valid(rmid)] == list(range(22, 128))


def test_what_is_not_described_has_no_name() -> None:
    assert not is_described(Rmgr.GIN)
    assert identify(Rmgr.GIN, 0) is None
