"""Square roots, powers, exponentials and logarithms of numeric, with numeric.c's result scales."""

from __future__ import annotations

import math
from decimal import Context, Decimal
from typing import Final

from engine.errors import SqlError, SqlState
from engine.sql.numeric import (
    DIGITS_PER_WORD,
    MAX_DISPLAY_SCALE,
    MIN_SIGNIFICANT_DIGITS,
    base_10000_weight,
    normalized,
    scale,
    with_scale,
)

_WORKING_DIGITS: Final = 60
_LARGEST_POWER_DIGITS: Final = 131072
_LOG10_E: Final = 0.434294481903252


def _working(extra: int) -> Context:
    return Context(prec=_WORKING_DIGITS + max(extra, 0), Emin=-999999, Emax=999999)


def _result(value: Decimal, digits: int, *operands: Decimal) -> Decimal:
    shown = min(max(digits, 0, *(scale(operand) for operand in operands)), MAX_DISPLAY_SCALE)
    return normalized(with_scale(value, shown))


def square_root(value: Decimal) -> Decimal:
    """`numeric_sqrt`."""
    if value.is_nan() or (value.is_infinite() and value > 0):
        return value
    if value < 0:
        raise SqlError("2201F", "cannot take square root of a negative number")
    weight = (base_10000_weight(value) + 1) * DIGITS_PER_WORD // 2 - 1
    root = _working(abs(value.adjusted())).sqrt(value)
    return _result(root, MIN_SIGNIFICANT_DIGITS - weight, value)


def power(base: Decimal, exponent: Decimal) -> Decimal:
    """`numeric_power`."""
    if not (base.is_finite() and exponent.is_finite()):
        return _special_power(base, exponent)
    if base == 0 and exponent < 0:
        raise SqlError("2201F", "zero raised to a negative power is undefined")
    is_whole = exponent == exponent.to_integral_value()
    if base < 0 and not is_whole:
        raise SqlError(
            "2201F", "a negative number raised to a non-integer power yields a complex result"
        )
    if base == 0:
        return _result(Decimal(0 if exponent > 0 else 1), MIN_SIGNIFICANT_DIGITS, base, exponent)
    if is_whole and abs(exponent) < 1 << 31:
        return _whole_power(base, int(exponent))
    digits = float(exponent) * float(abs(base).log10())
    if digits > _LARGEST_POWER_DIGITS:
        raise SqlError(SqlState.NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
    if digits < -MAX_DISPLAY_SCALE - 10:
        return _result(Decimal(0), MAX_DISPLAY_SCALE)
    raised = _working(int(abs(digits)) + MAX_DISPLAY_SCALE).power(base, exponent)
    return _result(raised, MIN_SIGNIFICANT_DIGITS - math.trunc(digits), base, exponent)


def _whole_power(base: Decimal, exponent: int) -> Decimal:
    """`power_var_int`: 16 digits after the point, or as many as the base has."""
    digits = exponent * float(abs(base).log10())
    if digits > _LARGEST_POWER_DIGITS:
        raise SqlError(SqlState.NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
    if digits < -MAX_DISPLAY_SCALE - 10:
        return _result(Decimal(0), MIN_SIGNIFICANT_DIGITS, base)
    raised = _working(int(abs(digits))).power(base, exponent)
    return _result(raised, MIN_SIGNIFICANT_DIGITS, base)


def _special_power(base: Decimal, exponent: Decimal) -> Decimal:
    if base == 1 or exponent == 0:
        return Decimal(1)
    if base.is_nan() or exponent.is_nan():
        return Decimal("NaN")
    result = math.pow(float(base), float(exponent))
    return Decimal(repr(result))


def exponential(value: Decimal) -> Decimal:
    """`numeric_exp`."""
    if not value.is_finite():
        return Decimal(0) if value.is_infinite() and value < 0 else value
    digits = float(value) * _LOG10_E
    if digits > _LARGEST_POWER_DIGITS:
        raise SqlError(SqlState.NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
    if digits < -MAX_DISPLAY_SCALE:
        return _result(Decimal(0), MAX_DISPLAY_SCALE)
    raised = _working(int(abs(digits)) + MAX_DISPLAY_SCALE).exp(value)
    return _result(raised, MIN_SIGNIFICANT_DIGITS - math.trunc(digits), value)


def natural_logarithm(value: Decimal) -> Decimal:
    """`numeric_ln`."""
    if not value.is_finite() and not (value.is_infinite() and value < 0):
        return value
    _check_logarithm(value)
    result = _working(0).ln(value)
    return _result(result, MIN_SIGNIFICANT_DIGITS - _decimal_weight(result), value)


def common_logarithm(value: Decimal) -> Decimal:
    """`log(numeric)`."""
    if not value.is_finite() and not (value.is_infinite() and value < 0):
        return value
    _check_logarithm(value)
    result = _working(0).log10(value)
    return _result(result, MIN_SIGNIFICANT_DIGITS - _decimal_weight(result), value)


def _decimal_weight(value: Decimal) -> int:
    """The decimal weight of the first digit, rounded towards zero."""
    return math.trunc(math.log10(abs(float(value)))) if value else 0


def _check_logarithm(value: Decimal) -> None:
    if value == 0:
        raise SqlError("2201E", "cannot take logarithm of zero")
    if value < 0:
        raise SqlError("2201E", "cannot take logarithm of a negative number")
