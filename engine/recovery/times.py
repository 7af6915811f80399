"""Times as the messages of recovery show them; always in UTC.

Source: PostgreSQL 15, `str_time` in xlog.c, `timestamptz_to_str`.
"""

from __future__ import annotations

from engine.wal.describe import civil_time, format_timestamp


def control_time(seconds: int) -> str:
    """Seconds since 1970 as `2022-01-31 13:37:00 UTC`."""
    year, month, day, hour, minute, second = civil_time(seconds)
    return f"{year:04d}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}:{second:02d} UTC"


def log_time(timestamp_us: int) -> str:
    """A TimestampTz as `2022-01-31 13:37:00.123456+00`."""
    return format_timestamp(timestamp_us).removesuffix(" UTC") + "+00"
