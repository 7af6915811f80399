"""What several kinds of record share when they are shown as text, and how times are shown.

Each package describes its own records: `describe(record)` gives the text after the name of the
operation, `identify(info)` that name, both as pg_waldump 15 prints them.

Differences: times are always shown in UTC; pg_waldump uses the time zone of its process.

Source: PostgreSQL 15, `rmgrdesc/standbydesc.c`, `rmgrdesc/logicalmsgdesc.c`, `pg_waldump/compat.c`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from engine.datadir import database_directory
from engine.types import UNIX_EPOCH_TO_2000_US, RelFork
from engine.wal.record import WalRecord

INVALIDATION_SIZE: Final = 16
_INVALIDATION: Final = Struct("<b3xII4x")
_INVALIDATION_TEXT: Final = {
    -1: " catalog {1}",
    -2: " relcache {1}",
    -3: " smgr",
    -4: " relmap db {0}",
    -5: " snapshot {1}",
}

_MESSAGE: Final = Struct("<I?3xQQ")


def civil_time(seconds: int) -> tuple[int, int, int, int, int, int]:
    """(year, month, day, hour, minute, second) in UTC of seconds since 1970.

    Source: Howard Hinnant, "chrono-compatible low-level date algorithms" (civil_from_days).
    """
    days, of_day = divmod(seconds, 86400)
    days += 719468
    era, day_of_era = divmod(days, 146097)
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    year = year_of_era + era * 400 + (month <= 2)
    return year, month, day, of_day // 3600, of_day // 60 % 60, of_day % 60


def format_timestamp(timestamp_us: int) -> str:
    """A TimestampTz as pg_waldump shows it: `2022-01-31 13:37:00.000000 UTC`."""
    seconds, fraction = divmod(timestamp_us + UNIX_EPOCH_TO_2000_US, 1_000_000)
    year, month, day, hour, minute, second = civil_time(seconds)
    return (
        f"{year:04d}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}:{second:02d}.{fraction:06d} UTC"
    )


def relation_path(tablespace: int, database: int, relation: int, fork: int = 0) -> str:
    """The path of a relation's first file below the data directory."""
    suffix = f"_{fork_name(fork)}" if fork else ""
    return f"{database_directory(tablespace, database)}/{relation}{suffix}"


def fork_name(fork: int) -> str:
    """main, fsm, vm or init."""
    return RelFork(fork).name.lower()


def describe_invalidations(
    data: bytes, count: int, database: int, tablespace: int, init_file: bool
) -> str:
    """The cache invalidation messages of a record; nothing when there are none."""
    if count <= 0:
        return ""
    text = ""
    if init_file:
        text = f"; relcache init file inval dbid {database} tsid {tablespace}"
    text += "; inval msgs:"
    for at in range(0, count * INVALIDATION_SIZE, INVALIDATION_SIZE):
        kind, first, second = _INVALIDATION.unpack_from(data, at)
        if kind >= 0:
            text += f" catcache {kind}"
        else:
            shape = _INVALIDATION_TEXT.get(kind, f" unrecognized id {kind}")
            text += shape.format(first, second)
    return text


def identify_logical_message(info: int) -> str | None:
    return "MESSAGE" if info & 0xF0 == 0 else None


def describe_logical_message(record: WalRecord) -> str:
    _, transactional, prefix_length, size = _MESSAGE.unpack_from(record.main)
    begin = _MESSAGE.size
    prefix = record.main[begin : begin + prefix_length].rstrip(b"\x00").decode(errors="replace")
    payload = record.main[begin + prefix_length : begin + prefix_length + size]
    kind = "transactional" if transactional else "non-transactional"
    return f'{kind}, prefix "{prefix}"; payload ({size} bytes): ' + payload.hex(" ").upper()
