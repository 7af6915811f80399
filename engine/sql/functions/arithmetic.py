"""Arithmetic of the integer, float and numeric types, with PostgreSQL's overflow errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from engine.errors import SqlError, SqlState, not_supported
from engine.sql import numeric
from engine.sql import type_table as t
from engine.sql.functions.entries import Operator
from engine.sql.numeric_functions import power
from engine.sql.text_io import INT2_RANGE, INT4_RANGE, INT8_RANGE, round_to_float4

INTEGERS: Final = {t.INT2: INT2_RANGE, t.INT4: INT4_RANGE, t.INT8: INT8_RANGE}
WIDER: Final = {
    (left, right): max(left, right, key=lambda oid: INTEGERS[oid][1])
    for left in INTEGERS
    for right in INTEGERS
}
FLOATS: Final = (t.FLOAT4, t.FLOAT8)


def out_of_range(type_oid: int) -> SqlError:
    """22003, "integer out of range"."""
    return SqlError(SqlState.NUMERIC_VALUE_OUT_OF_RANGE, f"{t.type_display(type_oid)} out of range")


def integer_add(type_oid: int) -> Callable[[int, int], int]:
    """`int4pl` and its kin."""
    low, high = INTEGERS[type_oid]

    def add(left: int, right: int) -> int:
        result = left + right
        if low <= result <= high:
            return result
        raise out_of_range(type_oid)

    return add


def integer_subtract(type_oid: int) -> Callable[[int, int], int]:
    """`int4mi` and its kin."""
    low, high = INTEGERS[type_oid]

    def subtract(left: int, right: int) -> int:
        result = left - right
        if low <= result <= high:
            return result
        raise out_of_range(type_oid)

    return subtract


def integer_multiply(type_oid: int) -> Callable[[int, int], int]:
    """`int4mul` and its kin."""
    low, high = INTEGERS[type_oid]

    def multiply(left: int, right: int) -> int:
        result = left * right
        if low <= result <= high:
            return result
        raise out_of_range(type_oid)

    return multiply


def integer_divide(type_oid: int) -> Callable[[int, int], int]:
    """`int4div`: towards zero."""
    high = INTEGERS[type_oid][1]

    def divide(left: int, right: int) -> int:
        if right == 0:
            raise numeric.division_by_zero()
        result = abs(left) // abs(right)
        if (left < 0) != (right < 0):
            return -result
        if result > high:
            raise out_of_range(type_oid)
        return result

    return divide


def integer_remainder(left: int, right: int) -> int:
    """`int4mod`: the sign of the dividend."""
    if right == 0:
        raise numeric.division_by_zero()
    result = abs(left) % abs(right)
    return -result if left < 0 else result


def integer_negate(type_oid: int) -> Callable[[int], int]:
    """`int4um`."""
    high = INTEGERS[type_oid][1]

    def negate(value: int) -> int:
        if -value > high:
            raise out_of_range(type_oid)
        return -value

    return negate


def integer_absolute(type_oid: int) -> Callable[[int], int]:
    """`int4abs`."""
    high = INTEGERS[type_oid][1]

    def absolute(value: int) -> int:
        result = abs(value)
        if result > high:
            raise out_of_range(type_oid)
        return result

    return absolute


def _wrap(type_oid: int, value: int) -> int:
    low, high = INTEGERS[type_oid]
    span = high - low + 1
    return (value - low) % span + low


def _shift_left(type_oid: int) -> Callable[[int, int], int]:
    bits = (INTEGERS[type_oid][1]).bit_length() + 1
    mask = max(bits, 32) - 1
    return lambda value, by: _wrap(type_oid, value << (by & mask))


def _shift_right(type_oid: int) -> Callable[[int, int], int]:
    bits = (INTEGERS[type_oid][1]).bit_length() + 1
    mask = max(bits, 32) - 1
    return lambda value, by: value >> (by & mask)


def float_result(value: float, *operands: float) -> float:
    """`value`, or 22003 when finite operands overflowed."""
    if math.isinf(value) and not any(math.isinf(operand) for operand in operands):
        raise SqlError(SqlState.NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow")
    return value


def _float_operation(
    operation: Callable[[float, float], float], narrow: bool
) -> Callable[[float, float], float]:
    def compute(left: float, right: float) -> float:
        result = float_result(operation(left, right), left, right)
        return round_to_float4(result) if narrow and math.isfinite(result) else result

    return compute


def _float_multiply(left: float, right: float) -> float:
    result = left * right
    if result == 0 and left != 0 and right != 0:
        raise SqlError(SqlState.NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow")
    return result


def _float_divide(left: float, right: float) -> float:
    if right == 0:
        if math.isnan(left):
            return left
        raise numeric.division_by_zero()
    result = left / right
    if result == 0 and left != 0 and not math.isinf(right):
        raise SqlError(SqlState.NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow")
    return result


def float_power(left: float, right: float) -> float:
    """`dpow`."""
    if left == 0 and right < 0:
        raise SqlError("2201F", "zero raised to a negative power is undefined")
    if left < 0 and math.isfinite(right) and right != int(right):
        raise SqlError(
            "2201F", "a negative number raised to a non-integer power yields a complex result"
        )
    try:
        return float_result(math.pow(left, right), left, right)
    except (OverflowError, ValueError):
        raise SqlError(
            SqlState.NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow"
        ) from None


def _integer_operators() -> list[Operator]:
    rows: list[Operator] = []
    for (left, right), result in WIDER.items():
        rows += [
            Operator("+", left, right, result, integer_add(result)),
            Operator("-", left, right, result, integer_subtract(result)),
            Operator("*", left, right, result, integer_multiply(result)),
            Operator("/", left, right, result, integer_divide(result)),
        ]
    for kind in INTEGERS:
        rows += [
            Operator("%", kind, kind, kind, integer_remainder),
            Operator("&", kind, kind, kind, lambda left, right: left & right),
            Operator("|", kind, kind, kind, lambda left, right: left | right),
            Operator("#", kind, kind, kind, lambda left, right: left ^ right),
            Operator("<<", kind, t.INT4, kind, _shift_left(kind)),
            Operator(">>", kind, t.INT4, kind, _shift_right(kind)),
            Operator("~", 0, kind, kind, lambda value: ~value),
            Operator("+", 0, kind, kind, lambda value: value),
            Operator("-", 0, kind, kind, integer_negate(kind)),
            Operator("@", 0, kind, kind, integer_absolute(kind)),
        ]
    return rows


def _float_operators() -> list[Operator]:
    operations: list[tuple[str, Callable[[float, float], float]]] = [
        ("+", lambda left, right: left + right),
        ("-", lambda left, right: left - right),
        ("*", _float_multiply),
        ("/", _float_divide),
    ]
    rows: list[Operator] = []
    for left in FLOATS:
        for right in FLOATS:
            narrow = left == right == t.FLOAT4
            result = t.FLOAT4 if narrow else t.FLOAT8
            for name, operation in operations:
                rows.append(
                    Operator(name, left, right, result, _float_operation(operation, narrow))
                )
    for kind in FLOATS:
        rows += [
            Operator("+", 0, kind, kind, lambda value: value),
            Operator("-", 0, kind, kind, lambda value: -value),
            Operator("@", 0, kind, kind, abs),
        ]
    rows.append(Operator("^", t.FLOAT8, t.FLOAT8, t.FLOAT8, float_power))
    rows.append(Operator("|/", 0, t.FLOAT8, t.FLOAT8, square_root))
    return rows


def square_root(value: float) -> float:
    """`dsqrt`."""
    if value < 0:
        raise SqlError("2201F", "cannot take square root of a negative number")
    return math.sqrt(value)


def _numeric_operators() -> list[Operator]:
    binary: list[tuple[str, Callable[..., Any]]] = [
        ("+", numeric.add),
        ("-", numeric.subtract),
        ("*", numeric.multiply),
        ("/", numeric.divide),
        ("%", numeric.remainder),
    ]
    rows = [Operator(name, t.NUMERIC, t.NUMERIC, t.NUMERIC, function) for name, function in binary]
    rows += [
        Operator("+", 0, t.NUMERIC, t.NUMERIC, lambda value: value),
        Operator("-", 0, t.NUMERIC, t.NUMERIC, numeric.negate),
        Operator("@", 0, t.NUMERIC, t.NUMERIC, Decimal.copy_abs),
        Operator("^", t.NUMERIC, t.NUMERIC, t.NUMERIC, power),
        Operator("-", t.PG_LSN, t.PG_LSN, t.NUMERIC, lambda left, right: Decimal(left - right)),
        Operator("+", t.PG_LSN, t.NUMERIC, t.PG_LSN, lambda left, right: _lsn(left, int(right))),
        Operator("-", t.PG_LSN, t.NUMERIC, t.PG_LSN, lambda left, right: _lsn(left, -int(right))),
    ]
    return rows


def _lsn(value: int, change: int) -> int:
    result = value + change
    if not 0 <= result < 1 << 64:
        raise SqlError(SqlState.NUMERIC_VALUE_OUT_OF_RANGE, "pg_lsn out of range")
    return result


def interval_missing(*_: Any) -> Any:
    """In place of what works on intervals."""
    raise not_supported("type interval")


_INTERVAL_OPERATORS: Final = (Operator("-", 0, t.INTERVAL, t.INTERVAL, interval_missing),)

OPERATORS: Final = (
    *_integer_operators(),
    *_float_operators(),
    *_numeric_operators(),
    *_INTERVAL_OPERATORS,
)
