"""Casts between the built-in types (PostgreSQL 15, `pg_cast.dat`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from engine.errors import SqlError, SqlState
from engine.sql import type_table as t
from engine.sql.functions.arithmetic import INTEGERS, out_of_range
from engine.sql.functions.entries import Cast
from engine.sql.numeric import normalized, to_integer
from engine.sql.text_io import float4_text, float8_text, name_input, numeric_input, round_to_float4
from engine.sql.timestamps import MICROSECONDS_PER_DAY

_FLOATS: Final = (t.FLOAT4, t.FLOAT8)
_ALIASES: Final = (t.REGCLASS, t.REGTYPE, t.REGPROC, t.REGNAMESPACE)


def _to_integer_type(kind: int) -> Callable[[int], int]:
    low, high = INTEGERS[kind]

    def convert(value: int) -> int:
        if low <= value <= high:
            return value
        raise out_of_range(kind)

    return convert


def _float_to_integer(kind: int) -> Callable[[float], int]:
    low, high = INTEGERS[kind]

    def convert(value: float) -> int:
        if not math.isfinite(value):
            raise out_of_range(kind)
        result = round(value)
        if low <= result <= high:
            return result
        raise out_of_range(kind)

    return convert


def _numeric_to_integer(kind: int) -> Callable[[Decimal], int]:
    low, high = INTEGERS[kind]
    return lambda value: to_integer(value, low, high, t.type_display(kind))


def _float_to_numeric(digits: int) -> Callable[[float], Decimal]:
    def convert(value: float) -> Decimal:
        if not math.isfinite(value):
            return Decimal(repr(value))
        return normalized(numeric_input(f"{value:.{digits}g}"))

    return convert


def _numeric_to_float(narrow: bool) -> Callable[[Decimal], float]:
    def convert(value: Decimal) -> float:
        result = float(value)
        return round_to_float4(result) if narrow and math.isfinite(result) else result

    return convert


def _to_oid(value: int) -> int:
    if not 0 <= value < 1 << 32:
        raise SqlError(SqlState.NUMERIC_VALUE_OUT_OF_RANGE, "OID out of range")
    return value


def _wrapped_oid(value: int) -> int:
    return value % (1 << 32)


def _oid_to_int4(value: int) -> int:
    return value - (1 << 32) if value >= 1 << 31 else value


def _integer_casts() -> list[Cast]:
    rows: list[Cast] = []
    for source in INTEGERS:
        for target in INTEGERS:
            if source == target:
                continue
            widens = INTEGERS[target][1] > INTEGERS[source][1]
            rows.append(
                Cast(source, target, "i")
                if widens
                else Cast(source, target, "a", _to_integer_type(target))
            )
        rows.append(Cast(source, t.FLOAT4, "i", lambda value: round_to_float4(float(value))))
        rows.append(Cast(source, t.FLOAT8, "i", float))
        rows.append(Cast(source, t.NUMERIC, "i", Decimal))
        to_oid = _to_oid if source == t.INT8 else _wrapped_oid
        rows += [Cast(source, target, "i", to_oid) for target in (t.OID, *_ALIASES)]
        rows += [Cast(kind, source, "a", _float_to_integer(source)) for kind in _FLOATS]
        rows.append(Cast(t.NUMERIC, source, "a", _numeric_to_integer(source)))
    return rows


def _oid_casts() -> list[Cast]:
    rows = [Cast(t.OID, t.INT8, "a"), Cast(t.OID, t.INT4, "a", _oid_to_int4)]
    for alias in _ALIASES:
        rows += [
            Cast(t.OID, alias, "i"),
            Cast(alias, t.OID, "i"),
            Cast(alias, t.INT8, "a"),
            Cast(alias, t.INT4, "a", _oid_to_int4),
        ]
    return rows


def _first_character(value: str) -> str:
    return value[:1]


def _without_padding(value: str) -> str:
    return value.rstrip(" ")


def _name_without_padding(value: str) -> str:
    return name_input(value.rstrip(" "))


def _boolean_text(value: bool) -> str:
    return "true" if value else "false"


def _char_to_int4(value: str) -> int:
    code = ord(value) & 0xFF if value else 0
    return code - 256 if code > 127 else code


def _int4_to_char(value: int) -> str:
    if not -128 <= value <= 127:
        raise SqlError(SqlState.NUMERIC_VALUE_OUT_OF_RANGE, '"char" out of range')
    return chr(value % 256) if value else ""


def _string_casts() -> list[Cast]:
    rows = [
        Cast(t.BPCHAR, t.TEXT, "i", _without_padding),
        Cast(t.BPCHAR, t.VARCHAR, "i", _without_padding),
        Cast(t.BPCHAR, t.NAME, "i", _name_without_padding),
        Cast(t.BPCHAR, t.CHAR, "a", _first_character),
        Cast(t.CHAR, t.TEXT, "i"),
        Cast(t.CHAR, t.BPCHAR, "a"),
        Cast(t.CHAR, t.VARCHAR, "a"),
        Cast(t.NAME, t.TEXT, "i"),
        Cast(t.NAME, t.BPCHAR, "a"),
        Cast(t.NAME, t.VARCHAR, "a"),
        Cast(t.INET, t.TEXT, "a"),
        Cast(t.INET, t.VARCHAR, "a"),
        Cast(t.CHAR, t.INT4, "e", _char_to_int4),
        Cast(t.INT4, t.CHAR, "e", _int4_to_char),
    ]
    for source in (t.TEXT, t.VARCHAR):
        rows += [
            Cast(source, t.BPCHAR, "i"),
            Cast(source, t.NAME, "i", name_input),
            Cast(source, t.CHAR, "a", _first_character),
        ]
    rows += [Cast(t.TEXT, t.VARCHAR, "i"), Cast(t.VARCHAR, t.TEXT, "i")]
    rows += [Cast(t.BOOL, target, "a", _boolean_text) for target in (t.TEXT, t.BPCHAR, t.VARCHAR)]
    return rows


def _same(value: Any) -> Any:
    return value


CASTS: Final = (
    *_integer_casts(),
    *_oid_casts(),
    *_string_casts(),
    Cast(t.INT4, t.BOOL, "e", bool),
    Cast(t.BOOL, t.INT4, "e", int),
    Cast(t.FLOAT4, t.FLOAT8, "i"),
    Cast(t.FLOAT8, t.FLOAT4, "a", round_to_float4),
    Cast(t.FLOAT4, t.NUMERIC, "a", _float_to_numeric(6)),
    Cast(t.FLOAT8, t.NUMERIC, "a", _float_to_numeric(15)),
    Cast(t.NUMERIC, t.FLOAT4, "i", _numeric_to_float(True)),
    Cast(t.NUMERIC, t.FLOAT8, "i", _numeric_to_float(False)),
    Cast(t.DATE, t.TIMESTAMP, "i", lambda days: days * MICROSECONDS_PER_DAY),
    Cast(t.DATE, t.TIMESTAMPTZ, "i", lambda days: days * MICROSECONDS_PER_DAY),
    Cast(t.TIMESTAMP, t.TIMESTAMPTZ, "i"),
    Cast(t.TIMESTAMPTZ, t.TIMESTAMP, "a"),
    Cast(t.TIMESTAMP, t.DATE, "a", lambda micros: micros // MICROSECONDS_PER_DAY),
    Cast(t.TIMESTAMPTZ, t.DATE, "a", lambda micros: micros // MICROSECONDS_PER_DAY),
    Cast(t.XID8, t.XID, "e", lambda value: value & 0xFFFFFFFF),
)

TEXT_OF_FLOATS: Final = {t.FLOAT4: float4_text, t.FLOAT8: float8_text}
