"""Text input and output functions of every type, one pair each (`int4in`, `int4out`, ...).

An input function takes the text and returns the value, or raises 22P02 / 22003 with PostgreSQL's
text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import numpy

from engine.catalog.text_array import unpack_text_array
from engine.errors import SqlError, SqlState
from engine.sql import type_table as t
from engine.sql.numeric import CONTEXT, normalized, numeric_text
from engine.sql.timestamps import (
    date_text,
    parse_date,
    parse_timestamp,
    timestamp_text,
    timestamptz_text,
)
from engine.types import format_lsn

INT2_RANGE: Final = (-(2**15), 2**15 - 1)
INT4_RANGE: Final = (-(2**31), 2**31 - 1)
INT8_RANGE: Final = (-(2**63), 2**63 - 1)
NAME_BYTES: Final = 63

_SPACE: Final = " \t\n\r\v\f"
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LSN: Final = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")
_SPECIAL_FLOATS: Final = {
    "nan": float("nan"),
    "infinity": float("inf"),
    "inf": float("inf"),
    "+infinity": float("inf"),
    "+inf": float("inf"),
    "-infinity": float("-inf"),
    "-inf": float("-inf"),
}
_TRUE_WORDS: Final = frozenset({"t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"})
_FALSE_WORDS: Final = frozenset({"f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"})
_HEX_BYTEA: Final = re.compile(r"\\x(?:\s*[0-9A-Fa-f]{2})*\s*")
_TID: Final = re.compile(r"\s*\(\s*([0-9]+)\s*,\s*([0-9]+)\s*\)\s*")


def invalid_syntax(display: str, text: str) -> SqlError:
    """22P02 for a text that is not one of the type's."""
    return SqlError(
        SqlState.INVALID_TEXT_REPRESENTATION, f'invalid input syntax for type {display}: "{text}"'
    )


def value_out_of_range(display: str, text: str) -> SqlError:
    """22003 for a number that the type cannot hold."""
    return SqlError(
        SqlState.NUMERIC_VALUE_OUT_OF_RANGE,
        f'value "{text}" is out of range for type {display}',
    )


def _integer_input(display: str, low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        stripped = text.strip(_SPACE)
        if _INTEGER.fullmatch(stripped) is None:
            raise invalid_syntax(display, text)
        if len(stripped) > 4000:
            raise value_out_of_range(display, text)
        value = int(stripped)
        if low <= value <= high:
            return value
        raise value_out_of_range(display, text)

    return read


def _unsigned_input(display: str, bits: int) -> Callable[[str], int]:
    """oid, xid: unsigned, and a negative number is its two's complement."""
    limit = 1 << bits

    def read(text: str) -> int:
        stripped = text.strip(_SPACE)
        if _INTEGER.fullmatch(stripped) is None:
            raise invalid_syntax(display, text)
        value = int(stripped) if len(stripped) < 4000 else limit
        if -(limit >> 1) <= value < limit:
            return value % limit
        raise value_out_of_range(display, text)

    return read


def bool_input(text: str) -> bool:
    """`boolin`: any unambiguous beginning of true, false, yes, no, on, off; or 1, 0."""
    word = text.strip(_SPACE).lower()
    if word in _TRUE_WORDS:
        return True
    if word in _FALSE_WORDS:
        return False
    raise invalid_syntax("boolean", text)


def name_input(text: str) -> str:
    """Cut to 63 bytes at a character boundary."""
    if len(text) <= 15:
        return text
    encoded = text.encode()
    if len(encoded) <= NAME_BYTES:
        return text
    return encoded[:NAME_BYTES].decode(errors="ignore")


def _float8_input(text: str) -> float:
    stripped = text.strip(_SPACE)
    special = _SPECIAL_FLOATS.get(stripped.lower())
    if special is not None:
        return special
    match = _NUMBER.fullmatch(stripped)
    if match is None:
        raise invalid_syntax("double precision", text)
    value = float(stripped)
    mantissa = re.split("[eE]", stripped)[0]
    if value in (float("inf"), float("-inf")) or (value == 0 and mantissa.strip("+-0.")):
        raise SqlError(
            SqlState.NUMERIC_VALUE_OUT_OF_RANGE,
            f'"{stripped}" is out of range for type double precision',
        )
    return value


def _float4_input(text: str) -> float:
    stripped = text.strip(_SPACE)
    special = _SPECIAL_FLOATS.get(stripped.lower())
    if special is not None:
        return special
    if _NUMBER.fullmatch(stripped) is None:
        raise invalid_syntax("real", text)
    wide = float(stripped)
    try:
        return round_to_float4(wide)
    except SqlError:
        raise SqlError(
            SqlState.NUMERIC_VALUE_OUT_OF_RANGE, f'"{stripped}" is out of range for type real'
        ) from None


def round_to_float4(value: float) -> float:
    """The nearest float4; 22003 on overflow and underflow."""
    with numpy.errstate(all="ignore"):
        narrow = float(numpy.float32(value))
    if narrow in (float("inf"), float("-inf")) and value not in (float("inf"), float("-inf")):
        raise SqlError(SqlState.NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow")
    if narrow == 0 and value != 0:
        raise SqlError(SqlState.NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow")
    return narrow


def _float_text(shortest: str, value: float, last_fixed: int) -> str:
    """Lay out the shortest digits as `double_to_shortest_decimal` does."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    mantissa, _, exponent_text = shortest.partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    digits = mantissa.lstrip("-").replace(".", "").rstrip("0") or "0"
    exponent = int(exponent_text)
    if digits == "0":
        return sign + "0"
    if not -4 <= exponent < last_fixed:
        fraction = "." + digits[1:] if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    rest = digits[exponent + 1 :]
    return f"{sign}{whole}.{rest}" if rest else sign + whole


def float8_text(value: float) -> str:
    """`float8out` with extra_float_digits = 1."""
    shortest = numpy.format_float_scientific(numpy.float64(value), unique=True)
    return _float_text(shortest, value, 15)


def float4_text(value: float) -> str:
    """`float4out` with extra_float_digits = 1."""
    shortest = numpy.format_float_scientific(numpy.float32(value), unique=True)
    return _float_text(shortest, value, 6)


def numeric_input(text: str) -> Decimal:
    """`numeric_in` without a typmod."""
    stripped = text.strip(_SPACE)
    lowered = stripped.lower()
    if lowered == "nan":
        return Decimal("NaN")
    if lowered in ("infinity", "inf", "+infinity", "+inf"):
        return Decimal("Infinity")
    if lowered in ("-infinity", "-inf"):
        return Decimal("-Infinity")
    match = _NUMBER.fullmatch(stripped)
    if match is None:
        raise invalid_syntax("numeric", text)
    exponent = match.group(3)
    if exponent is not None and abs(int(exponent[1:])) > 2000:
        raise SqlError(SqlState.NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
    if len(stripped) > 3000:
        raise SqlError(SqlState.NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
    return normalized(CONTEXT.create_decimal(stripped))


def _timestamp_input(display: str, *, with_zone: bool) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            return parse_timestamp(text, with_zone=with_zone)
        except ValueError:
            raise SqlError("22007", f'invalid input syntax for type {display}: "{text}"') from None

    return read


def _date_input(text: str) -> int:
    try:
        return parse_date(text)
    except ValueError:
        raise SqlError("22007", f'invalid input syntax for type date: "{text}"') from None


def _lsn_input(text: str) -> int:
    match = _LSN.fullmatch(text)
    if match is None:
        raise invalid_syntax("pg_lsn", text)
    return int(match.group(1), 16) << 32 | int(match.group(2), 16)


def _char_input(text: str) -> str:
    return text[:1]


def _bytea_input(text: str) -> bytes:
    if text.startswith("\\x"):
        if _HEX_BYTEA.fullmatch(text) is None:
            raise SqlError(SqlState.INVALID_TEXT_REPRESENTATION, "invalid hexadecimal data")
        return bytes.fromhex(text[2:])
    if "\\" in text:
        return _escaped_bytea(text)
    return text.encode()


def _escaped_bytea(text: str) -> bytes:
    result = bytearray()
    at = 0
    while at < len(text):
        if text[at] != "\\":
            result += text[at].encode()
            at += 1
        elif text[at + 1 : at + 2] == "\\":
            result.append(0x5C)
            at += 2
        elif re.fullmatch("[0-3][0-7][0-7]", text[at + 1 : at + 4]):
            result.append(int(text[at + 1 : at + 4], 8))
            at += 4
        else:
            raise SqlError(
                SqlState.INVALID_TEXT_REPRESENTATION, "invalid input syntax for type bytea"
            )
    return bytes(result)


def _tid_input(text: str) -> tuple[int, int]:
    match = _TID.fullmatch(text)
    if match is None or int(match.group(1)) > 0xFFFFFFFF or int(match.group(2)) > 0xFFFF:
        raise invalid_syntax("tid", text)
    return int(match.group(1)), int(match.group(2))


def _regtype_input(text: str) -> int:
    """A type's name, as SQL or the catalog spells it, or its oid."""
    word = text.strip(_SPACE)
    if word.isdecimal():
        return int(word)
    info = t.BY_NAME.get(word) or t.BY_DISPLAY.get(word.lower())
    if info is None:
        raise SqlError(SqlState.UNDEFINED_OBJECT, f'type "{text}" does not exist')
    return info.oid


def _regtype_text(oid: int) -> str:
    return t.type_display(oid) if oid in t.BY_OID else str(oid)


def _named_oid_text(oid: int) -> str:
    return oid.shown if isinstance(oid, t.NamedOid) else str(oid)


def _same(text: str) -> str:
    return text


def record_text(values: tuple[Any, ...]) -> str:
    """A row as text, fields by the look of their Python values (`record_out`)."""
    return "(" + ",".join(_record_field(value) for value in values) + ")"


def _record_field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, float):
        return float8_text(value)
    if isinstance(value, Decimal):
        return numeric_text(value)
    if isinstance(value, tuple):
        text = record_text(value)
    else:
        text = str(value)
    if text == "" or any(character in ',()"\\' or character in _SPACE for character in text):
        return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'
    return text


INPUT: Final[dict[int, Callable[[str], Any]]] = {
    t.BOOL: bool_input,
    t.BYTEA: _bytea_input,
    t.CHAR: _char_input,
    t.NAME: name_input,
    t.INT8: _integer_input("bigint", *INT8_RANGE),
    t.INT2: _integer_input("smallint", *INT2_RANGE),
    t.INT4: _integer_input("integer", *INT4_RANGE),
    t.TEXT: _same,
    t.OID: _unsigned_input("oid", 32),
    t.TID: _tid_input,
    t.XID: _unsigned_input("xid", 32),
    t.CID: _unsigned_input("cid", 32),
    t.FLOAT4: _float4_input,
    t.FLOAT8: _float8_input,
    t.UNKNOWN: _same,
    t.INET: _same,
    t.BPCHAR: _same,
    t.VARCHAR: _same,
    t.DATE: _date_input,
    t.TIMESTAMP: _timestamp_input("timestamp", with_zone=False),
    t.TIMESTAMPTZ: _timestamp_input("timestamp with time zone", with_zone=True),
    t.NUMERIC: numeric_input,
    t.CSTRING: _same,
    t.PG_LSN: _lsn_input,
    t.REGCLASS: _unsigned_input("oid", 32),
    t.REGTYPE: _regtype_input,
    t.REGPROC: _unsigned_input("oid", 32),
    t.REGNAMESPACE: _unsigned_input("oid", 32),
    t.XID8: _unsigned_input("xid8", 64),
}


def _text_array_text(stored: bytes) -> str:
    """A stored text[] (`pg_class.reloptions`) as `array_out` prints it."""
    return "{" + ",".join(_array_element(item) for item in unpack_text_array(stored)) + "}"


def _array_element(text: str) -> str:
    if text and text.lower() != "null" and re.search(r'[\s{},"\\]', text) is None:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


OUTPUT: Final[dict[int, Callable[[Any], str]]] = {
    t.BOOL: lambda value: "t" if value else "f",
    t.BYTEA: lambda value: "\\x" + value.hex(),
    t.CHAR: _same,
    t.NAME: _same,
    t.INT8: str,
    t.INT2: str,
    t.INT4: str,
    t.TEXT: _same,
    t.OID: str,
    t.TID: lambda value: f"({value[0]},{value[1]})",
    t.XID: str,
    t.CID: str,
    t.FLOAT4: float4_text,
    t.FLOAT8: float8_text,
    t.UNKNOWN: _same,
    t.INET: _same,
    t.BPCHAR: _same,
    t.VARCHAR: _same,
    t.DATE: date_text,
    t.TIMESTAMP: timestamp_text,
    t.TIMESTAMPTZ: timestamptz_text,
    t.NUMERIC: numeric_text,
    t.CSTRING: _same,
    t.PG_LSN: format_lsn,
    t.REGCLASS: _named_oid_text,
    t.REGTYPE: _regtype_text,
    t.REGPROC: str,
    t.REGNAMESPACE: _named_oid_text,
    t.RECORD: record_text,
    t.VOID: lambda value: "",
    t.XID8: str,
    t.TEXT_ARRAY: _text_array_text,
}
