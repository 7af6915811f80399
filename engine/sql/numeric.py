"""PostgreSQL's numeric on Python's Decimal: scales, rounding and text as `numeric.c` has them.

A value's display scale is its negated exponent, which is never positive here: `Decimal("2.50")` is
numeric 2.50. NaN and the infinities are Decimal's.
"""

from __future__ import annotations

import struct
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Final

from engine.errors import SqlError, SqlState

MIN_SIGNIFICANT_DIGITS: Final = 16
DIGITS_PER_WORD: Final = 4
MAX_DISPLAY_SCALE: Final = 1000
MAX_PRECISION: Final = 1000
_PRECISION: Final = 150_000

CONTEXT: Final = Context(
    prec=_PRECISION, rounding=ROUND_HALF_UP, Emin=-99999, Emax=999999, traps=[InvalidOperation]
)
"""Exact for the operands that the engine meets: wide enough that + - * never round."""

_ZERO: Final = Decimal(0)
_HEADER: Final = struct.Struct("!HhHH")
_POSITIVE: Final = 0x0000
_NEGATIVE: Final = 0x4000
_NAN: Final = 0xC000
_PLUS_INFINITY: Final = 0xD000
_MINUS_INFINITY: Final = 0xF000


def scale(value: Decimal) -> int:
    """Digits after the point that are shown."""
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def with_scale(value: Decimal, digits: int, rounding: str = ROUND_HALF_UP) -> Decimal:
    """`value` rounded or padded to that many digits after the point."""
    if not value.is_finite():
        return value
    return value.quantize(Decimal((0, (1,), -digits)), rounding=rounding, context=CONTEXT)


def normalized(value: Decimal) -> Decimal:
    """A Decimal in the form kept here: no positive exponent, no negative zero."""
    if not value.is_finite():
        return value
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 0:
        value = with_scale(value, 0)
    return value.copy_abs() if value.is_zero() and value.is_signed() else value


def numeric_text(value: Decimal) -> str:
    """The text form; all digits, never an exponent."""
    if value.is_finite():
        return format(value, "f")
    if value.is_nan():
        return "NaN"
    return "-Infinity" if value < 0 else "Infinity"


def add(left: Decimal, right: Decimal) -> Decimal:
    """`numeric_add`: the larger scale of the two."""
    if not (left.is_finite() and right.is_finite()):
        return _special_sum(left, right)
    return normalized(CONTEXT.add(left, right))


def subtract(left: Decimal, right: Decimal) -> Decimal:
    """`numeric_sub`."""
    return add(left, negate(right))


def negate(value: Decimal) -> Decimal:
    """`numeric_uminus`; zero stays zero."""
    return normalized(value.copy_negate()) if not value.is_nan() else value


def multiply(left: Decimal, right: Decimal) -> Decimal:
    """`numeric_mul`: the scales add up."""
    if not (left.is_finite() and right.is_finite()):
        if left.is_nan() or right.is_nan() or left.is_zero() or right.is_zero():
            return Decimal("NaN")
        return Decimal("-Infinity" if (left < 0) != (right < 0) else "Infinity")
    return normalized(CONTEXT.multiply(left, right))


def divide(left: Decimal, right: Decimal) -> Decimal:
    """`numeric_div`, with the result scale of `select_div_scale`."""
    if left.is_nan() or right.is_nan():
        return Decimal("NaN")
    if right.is_zero():
        raise division_by_zero()
    if right.is_infinite():
        return Decimal("NaN") if left.is_infinite() else Decimal(0)
    if left.is_infinite():
        return Decimal("-Infinity" if (left < 0) != (right < 0) else "Infinity")
    digits = _division_scale(left, right)
    quotient = _divide_exactly(left, right, digits)
    return normalized(quotient)


def remainder(left: Decimal, right: Decimal) -> Decimal:
    """`numeric_mod`: the sign of the dividend, the larger scale."""
    if left.is_nan() or right.is_nan():
        return Decimal("NaN")
    if right.is_zero():
        raise division_by_zero()
    if left.is_infinite():
        return Decimal("NaN")
    if right.is_infinite():
        return left
    digits = max(scale(left), scale(right))
    return normalized(with_scale(CONTEXT.remainder(left, right), digits))


def round_to(value: Decimal, digits: int) -> Decimal:
    """`round(numeric, int)`; negative digits round before the point."""
    if not value.is_finite():
        return value
    digits = max(-MAX_DISPLAY_SCALE, min(digits, MAX_DISPLAY_SCALE))
    return normalized(with_scale(with_scale(value, digits), max(digits, 0)))


def truncate_to(value: Decimal, digits: int) -> Decimal:
    """`trunc(numeric, int)`."""
    if not value.is_finite():
        return value
    digits = max(-MAX_DISPLAY_SCALE, min(digits, MAX_DISPLAY_SCALE))
    return normalized(with_scale(with_scale(value, digits, ROUND_DOWN), max(digits, 0)))


def to_integer(value: Decimal, low: int, high: int, name: str) -> int:
    """Round half away from zero into an integer type; 22003 when it does not fit."""
    if not value.is_finite():
        kind = "NaN" if value.is_nan() else "infinity"
        raise SqlError(SqlState.FEATURE_NOT_SUPPORTED, f"cannot convert {kind} to {name}")
    result = int(with_scale(value, 0))
    if not low <= result <= high:
        raise SqlError(SqlState.NUMERIC_VALUE_OUT_OF_RANGE, f"{name} out of range")
    return result


def apply_typmod(value: Decimal, typmod: int) -> Decimal:
    """Round to `numeric(precision, scale)`; 22003 when the digits before the point do not fit."""
    if typmod < 4:
        return value
    precision, digits = (typmod - 4) >> 16, (typmod - 4) & 0x7FF
    if digits >= 1024:
        digits -= 2048
    if value.is_nan():
        return value
    limit = precision - digits
    rounded = value if value.is_infinite() else round_to(value, digits)
    if rounded.is_infinite() or (rounded != _ZERO and rounded.adjusted() + 1 > limit):
        bound = "an absolute value less than 10^" if limit else "an absolute value less than "
        shown = f"{bound}{limit}" if limit else f"{bound}1"
        subject = "round to " if not rounded.is_infinite() else "hold "
        detail = f"A field with precision {precision}, scale {digits} must {subject}{shown}."
        if rounded.is_infinite():
            detail = (
                f"A field with precision {precision}, scale {digits} cannot hold an infinite value."
            )
        raise SqlError(SqlState.NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow", detail=detail)
    return rounded


def division_by_zero() -> SqlError:
    """22012, as every division raises it."""
    return SqlError(SqlState.DIVISION_BY_ZERO, "division by zero")


def sort_key(value: Decimal) -> tuple[int, Decimal]:
    """An order in which NaN equals NaN and is above everything."""
    return (1, _ZERO) if value.is_nan() else (0, value)


def _special_sum(left: Decimal, right: Decimal) -> Decimal:
    if left.is_nan() or right.is_nan():
        return Decimal("NaN")
    if left.is_infinite() and right.is_infinite() and left != right:
        return Decimal("NaN")
    return left if left.is_infinite() else right


def base_10000_weight(value: Decimal) -> int:
    """The weight of the first base-10000 digit."""
    return _weight_and_first_word(value)[0]


def _weight_and_first_word(value: Decimal) -> tuple[int, int]:
    """The base-10000 weight of the first non-zero word, and that word."""
    if value.is_zero():
        return 0, 0
    weight = value.adjusted() // DIGITS_PER_WORD
    digits = value.as_tuple().digits
    wanted = value.adjusted() - weight * DIGITS_PER_WORD + 1
    word = 0
    for index in range(wanted):
        word = word * 10 + (digits[index] if index < len(digits) else 0)
    return weight, word


def _division_scale(left: Decimal, right: Decimal) -> int:
    weight_left, first_left = _weight_and_first_word(left)
    weight_right, first_right = _weight_and_first_word(right)
    quotient_weight = weight_left - weight_right
    if first_left <= first_right:
        quotient_weight -= 1
    digits = MIN_SIGNIFICANT_DIGITS - quotient_weight * DIGITS_PER_WORD
    return min(max(digits, scale(left), scale(right), 0), MAX_DISPLAY_SCALE)


def _divide_exactly(left: Decimal, right: Decimal, digits: int) -> Decimal:
    """The quotient rounded half away from zero at that scale, by way of integers."""
    shift = digits - scale(left) + scale(right)
    numerator = abs(int(left.scaleb(scale(left), CONTEXT)))
    denominator = abs(int(right.scaleb(scale(right), CONTEXT)))
    if shift >= 0:
        numerator *= 10**shift
    else:
        denominator *= 10**-shift
    quotient = (2 * numerator + denominator) // (2 * denominator)
    sign = -1 if left.is_signed() != right.is_signed() else 1
    return Decimal(sign * quotient).scaleb(-digits, CONTEXT)


def numeric_binary(value: Decimal) -> bytes:
    """`numeric_send`: base-10000 words with weight, sign and display scale."""
    if not value.is_finite():
        sign = _NAN if value.is_nan() else (_MINUS_INFINITY if value < 0 else _PLUS_INFINITY)
        return _HEADER.pack(0, 0, sign, 0)
    digits = scale(value)
    text = format(value.copy_abs(), "f")
    whole, _, fraction = text.partition(".")
    whole = whole.lstrip("0")
    whole = whole.rjust(-(-len(whole) // DIGITS_PER_WORD) * DIGITS_PER_WORD, "0")
    fraction = fraction.ljust(-(-len(fraction) // DIGITS_PER_WORD) * DIGITS_PER_WORD, "0")
    joined = whole + fraction
    words = [int(joined[at : at + DIGITS_PER_WORD]) for at in range(0, len(joined), 4)]
    weight = len(whole) // DIGITS_PER_WORD - 1
    while words and words[0] == 0:
        del words[0]
        weight -= 1
    while words and words[-1] == 0:
        del words[-1]
    sign = _NEGATIVE if value < 0 else _POSITIVE
    header = _HEADER.pack(len(words), weight if words else 0, sign, digits)
    return header + struct.pack(f"!{len(words)}H", *words)


def numeric_from_binary(data: bytes) -> Decimal:
    """`numeric_recv`; ValueError for what it cannot be."""
    if len(data) < _HEADER.size:
        raise ValueError("short numeric")
    count, weight, sign, digits = _HEADER.unpack_from(data)
    if len(data) != _HEADER.size + 2 * count:
        raise ValueError("numeric of wrong length")
    if sign in (_NAN, _PLUS_INFINITY, _MINUS_INFINITY):
        names = {_NAN: "NaN", _PLUS_INFINITY: "Infinity", _MINUS_INFINITY: "-Infinity"}
        return Decimal(names[sign])
    if sign not in (_POSITIVE, _NEGATIVE):
        raise ValueError("numeric with a wrong sign")
    total = 0
    for word in struct.unpack_from(f"!{count}H", data, _HEADER.size):
        if word > 9999:
            raise ValueError("numeric with a wrong digit")
        total = total * 10000 + word
    value = Decimal(total).scaleb((weight - count + 1) * DIGITS_PER_WORD, CONTEXT)
    value = with_scale(value, digits & 0x3FFF, ROUND_DOWN)
    return normalized(value.copy_negate() if sign == _NEGATIVE else value)
