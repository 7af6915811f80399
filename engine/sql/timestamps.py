"""Timestamps: microseconds since 2000-01-01, to and from ISO text in UTC.

The session's time zone is always UTC here; other zones are not there yet, so `timestamp` and
`timestamptz` differ in their text only.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

MICROSECONDS_PER_DAY: Final = 86_400_000_000
INFINITY: Final = 0x7FFFFFFFFFFFFFFF
MINUS_INFINITY: Final = -0x8000000000000000
_EPOCH: Final = date(2000, 1, 1).toordinal()
_LAST_ORDINAL: Final = date.max.toordinal()

_TIMESTAMP: Final = re.compile(
    r"\s*(\d{4,})-(\d{1,2})-(\d{1,2})"
    r"(?:[T\s]+(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d*))?)?)?"
    r"\s*(Z|z|UTC|utc|GMT|gmt|[+-]\d{1,2}(?::?\d{2})?(?::\d{2})?)?\s*"
)


def date_text(days: int) -> str:
    """A date, from days since 2000-01-01."""
    ordinal = days + _EPOCH
    if not 1 <= ordinal <= _LAST_ORDINAL:
        return "infinity" if days > 0 else "-infinity"
    return date.fromordinal(ordinal).isoformat()


def timestamp_text(value: int) -> str:
    """`timestamp_out` in ISO style."""
    if value == INFINITY:
        return "infinity"
    if value == MINUS_INFINITY:
        return "-infinity"
    days, rest = divmod(value, MICROSECONDS_PER_DAY)
    seconds, micros = divmod(rest, 1_000_000)
    fraction = f".{micros:06d}".rstrip("0") if micros else ""
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{date_text(days)} {hour:02d}:{minute:02d}:{second:02d}{fraction}"


def timestamptz_text(value: int) -> str:
    """`timestamptz_out` with TimeZone UTC."""
    text = timestamp_text(value)
    return text if text.endswith("infinity") else text + "+00"


def parse_timestamp(text: str, *, with_zone: bool) -> int:
    """Microseconds since 2000 of an ISO text; ValueError for anything else."""
    word = text.strip().lower()
    if word in ("infinity", "+infinity"):
        return INFINITY
    if word == "-infinity":
        return MINUS_INFINITY
    if word == "epoch":
        return -_EPOCH_1970_DAYS * MICROSECONDS_PER_DAY
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(text)
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    days = date(int(year), int(month), int(day)).toordinal() - _EPOCH
    hours, minutes, seconds = int(hour or 0), int(minute or 0), int(second or 0)
    if hours > 24 or minutes > 59 or seconds > 60:
        raise ValueError(text)
    micros = int(((fraction or "") + "0000000")[:6])
    total = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + micros
    if with_zone and zone:
        total -= _zone_offset_seconds(zone) * 1_000_000
    return days * MICROSECONDS_PER_DAY + total


def parse_date(text: str) -> int:
    """Days since 2000-01-01 of an ISO date."""
    micros = parse_timestamp(text, with_zone=False)
    return micros // MICROSECONDS_PER_DAY


def _zone_offset_seconds(zone: str) -> int:
    if zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "")
    if len(digits) <= 2:
        digits = digits.rjust(2, "0") + "00"
    digits = digits.ljust(6, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:6])
    return -seconds if zone[0] == "-" else seconds


_EPOCH_1970_DAYS: Final = _EPOCH - date(1970, 1, 1).toordinal()
