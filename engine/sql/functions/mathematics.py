"""Functions of numbers: abs, mod, round, trunc, ceil, floor, power, ..."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

from engine.errors import SqlError, SqlState
from engine.sql import numeric, numeric_functions
from engine.sql import type_table as t
from engine.sql.functions import arithmetic
from engine.sql.functions.entries import Function


def _float_function(function: Callable[[float], float]) -> Callable[[float], float]:
    def compute(value: float) -> float:
        if not math.isfinite(value):
            return value
        return float(function(value))

    return compute


def _round_half_even(value: float) -> float:
    return float(round(value))


def _sign(value: Any) -> Any:
    return type(value)((value > 0) - (value < 0)) if value == value else value


def _logarithm(value: float, base: float | None = None) -> float:
    if value == 0:
        raise SqlError("2201E", "cannot take logarithm of zero")
    if value < 0:
        raise SqlError("2201E", "cannot take logarithm of a negative number")
    return math.log(value) if base is None else math.log10(value)


def _exponential(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        raise SqlError(
            SqlState.NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow"
        ) from None


def _numeric_whole(rounding: str) -> Callable[[Decimal], Decimal]:
    return lambda value: numeric.normalized(numeric.with_scale(value, 0, rounding))


def _integer_quotient(left: Decimal, right: Decimal) -> Decimal:
    if right == 0:
        raise numeric.division_by_zero()
    return numeric.CONTEXT.divide_int(left, right)


def integer_series(first: int, last: int, step: int = 1) -> Iterator[tuple[int]]:
    """`generate_series(first, last [, step])`."""
    if step == 0:
        raise SqlError(SqlState.INVALID_PARAMETER_VALUE, "step size cannot equal zero")
    return zip(range(first, last + 1 if step > 0 else last - 1, step), strict=False)


def numeric_series(
    first: Decimal, last: Decimal, step: Decimal = Decimal(1)
) -> Iterator[tuple[Decimal]]:
    """`generate_series(numeric, numeric [, numeric])`."""
    for value, name in ((first, "start"), (last, "stop"), (step, "step size")):
        if not value.is_finite():
            kind = "NaN" if value.is_nan() else "infinity"
            subject = f"{name} value" if name != "step size" else name
            raise SqlError(SqlState.INVALID_PARAMETER_VALUE, f"{subject} cannot be {kind}")
    if step == 0:
        raise SqlError(SqlState.INVALID_PARAMETER_VALUE, "step size cannot equal zero")

    def rows() -> Iterator[tuple[Decimal]]:
        value = first
        while value <= last if step > 0 else value >= last:
            yield (value,)
            value = numeric.add(value, step)

    return rows()


_N: Final = (t.NUMERIC,)
_F: Final = (t.FLOAT8,)

FUNCTIONS: Final = (
    *(
        Function(oid, "abs", (kind,), kind, arithmetic.integer_absolute(kind))
        for oid, kind in ((1398, t.INT2), (1397, t.INT4), (1396, t.INT8))
    ),
    Function(1394, "abs", (t.FLOAT4,), t.FLOAT4, abs),
    Function(1395, "abs", _F, t.FLOAT8, abs),
    Function(1705, "abs", _N, t.NUMERIC, Decimal.copy_abs),
    *(
        Function(oid, "mod", (kind, kind), kind, arithmetic.integer_remainder)
        for oid, kind in ((940, t.INT2), (941, t.INT4), (947, t.INT8))
    ),
    Function(1728, "mod", _N * 2, t.NUMERIC, numeric.remainder),
    Function(1973, "div", _N * 2, t.NUMERIC, _integer_quotient),
    Function(1708, "round", _N, t.NUMERIC, lambda value: numeric.round_to(value, 0)),
    Function(1707, "round", (t.NUMERIC, t.INT4), t.NUMERIC, numeric.round_to),
    Function(1342, "round", _F, t.FLOAT8, _float_function(_round_half_even)),
    Function(1710, "trunc", _N, t.NUMERIC, lambda value: numeric.truncate_to(value, 0)),
    Function(1709, "trunc", (t.NUMERIC, t.INT4), t.NUMERIC, numeric.truncate_to),
    Function(1343, "trunc", _F, t.FLOAT8, _float_function(math.trunc)),
    Function(2308, "ceil", _F, t.FLOAT8, _float_function(math.ceil)),
    Function(2320, "ceiling", _F, t.FLOAT8, _float_function(math.ceil)),
    Function(2309, "floor", _F, t.FLOAT8, _float_function(math.floor)),
    Function(1711, "ceil", _N, t.NUMERIC, _numeric_whole(ROUND_CEILING)),
    Function(2167, "ceiling", _N, t.NUMERIC, _numeric_whole(ROUND_CEILING)),
    Function(1712, "floor", _N, t.NUMERIC, _numeric_whole(ROUND_FLOOR)),
    Function(2310, "sign", _F, t.FLOAT8, _sign),
    Function(1706, "sign", _N, t.NUMERIC, _sign),
    Function(1730, "sqrt", _N, t.NUMERIC, numeric_functions.square_root),
    Function(2169, "power", _N * 2, t.NUMERIC, numeric_functions.power),
    Function(1738, "pow", _N * 2, t.NUMERIC, numeric_functions.power),
    Function(1732, "exp", _N, t.NUMERIC, numeric_functions.exponential),
    Function(1734, "ln", _N, t.NUMERIC, numeric_functions.natural_logarithm),
    Function(1741, "log", _N, t.NUMERIC, numeric_functions.common_logarithm),
    Function(1344, "sqrt", _F, t.FLOAT8, arithmetic.square_root),
    Function(1368, "power", _F * 2, t.FLOAT8, arithmetic.float_power),
    Function(1346, "pow", _F * 2, t.FLOAT8, arithmetic.float_power),
    Function(1347, "exp", _F, t.FLOAT8, _exponential),
    Function(1341, "ln", _F, t.FLOAT8, _logarithm),
    Function(1340, "log", _F, t.FLOAT8, lambda value: _logarithm(value, 10)),
    Function(1610, "pi", (), t.FLOAT8, lambda: math.pi),
    Function(5044, "gcd", (t.INT4, t.INT4), t.INT4, math.gcd),
    Function(5045, "gcd", (t.INT8, t.INT8), t.INT8, math.gcd),
    Function(
        3165, "pg_wal_lsn_diff", (t.PG_LSN, t.PG_LSN), t.NUMERIC, lambda a, b: Decimal(a - b)
    ),
    *(
        Function(oid, "generate_series", (kind,) * count, kind, integer_series, returns_set=True)
        for oid, kind, count in (
            (1067, t.INT4, 2), (1066, t.INT4, 3), (1069, t.INT8, 2), (1068, t.INT8, 3),
        )
    ),
    *(
        Function(oid, "generate_series", _N * count, t.NUMERIC, numeric_series, returns_set=True)
        for oid, count in ((3260, 2), (3259, 3))
    ),
)  # fmt: skip
