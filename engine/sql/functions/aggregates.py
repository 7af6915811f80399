"""The aggregates: count, sum, avg, min, max, string_agg, bool_and, bool_or, bit_and, bit_or."""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from engine.sql import numeric
from engine.sql import type_table as t
from engine.sql.functions.arithmetic import (
    INTEGERS,
    float_result,
    interval_missing,
    out_of_range,
)
from engine.sql.functions.comparison import comparison_key
from engine.sql.functions.entries import Aggregate
from engine.sql.text_io import round_to_float4


def _count_row(state: int, *_: Any) -> int:
    return state + 1


def _sum_integers(state: int | None, value: int) -> int:
    return value if state is None else state + value


def _bigint_total(state: int | None) -> int | None:
    if state is not None and not INTEGERS[t.INT8][0] <= state <= INTEGERS[t.INT8][1]:
        raise out_of_range(t.INT8)
    return state


def _numeric_total(state: int | None) -> Decimal | None:
    return None if state is None else Decimal(state)


def _sum_numerics(state: Decimal | None, value: Decimal) -> Decimal:
    return value if state is None else numeric.add(state, value)


def _sum_floats(state: float | None, value: float) -> float:
    return value if state is None else float_result(state + value, state, value)


def _sum_float4(state: float | None, value: float) -> float:
    return value if state is None else round_to_float4(state + value)


def _count_and_sum(state: tuple[int, Any], value: Any) -> tuple[int, Any]:
    count, total = state
    return count + 1, total + value


def _count_and_numeric_sum(state: tuple[int, Decimal], value: Decimal) -> tuple[int, Decimal]:
    count, total = state
    return count + 1, numeric.add(total, value)


def _numeric_average(state: tuple[int, Any]) -> Decimal | None:
    count, total = state
    return None if count == 0 else numeric.divide(Decimal(total), Decimal(count))


def _float_average(state: tuple[int, float]) -> float | None:
    count, total = state
    return None if count == 0 else total / count


def _extreme(kind: int, better: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    key = comparison_key(kind)

    def plain(state: Any, value: Any) -> Any:
        return value if state is None or better(value, state) else state

    def keyed(state: Any, value: Any) -> Any:
        if state is None or (key is not None and better(key(value), key(state))):
            return value
        return state

    return plain if key is None else keyed


def _extremes() -> list[Aggregate]:
    oids = {
        t.INT8: (2115, 2131), t.INT2: (2117, 2133), t.INT4: (2116, 2132), t.TEXT: (2129, 2145),
        t.OID: (2118, 2134), t.TID: (2797, 2798), t.FLOAT4: (2119, 2135), t.FLOAT8: (2120, 2136),
        t.BPCHAR: (2244, 2245), t.DATE: (2122, 2138), t.TIMESTAMP: (2126, 2142),
        t.TIMESTAMPTZ: (2127, 2143), t.NUMERIC: (2130, 2146), t.PG_LSN: (4189, 4190),
        t.XID8: (5099, 5100),
    }  # fmt: skip
    rows: list[Aggregate] = []
    for kind, (largest, smallest) in oids.items():
        rows.append(Aggregate(largest, "max", (kind,), kind, None, _extreme(kind, operator.gt)))
        rows.append(Aggregate(smallest, "min", (kind,), kind, None, _extreme(kind, operator.lt)))
    return rows


def _first_or(combine: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda state, value: value if state is None else combine(state, value)


def _append(state: list[str] | None, value: str | None, delimiter: str | None) -> list[str] | None:
    if value is None:
        return state
    if state is None:
        return [value]
    state += [delimiter or "", value]
    return state


def _joined(state: list[str] | None) -> str | None:
    return None if state is None else "".join(state)


_EMPTY: Final = (0, 0)
_EMPTY_NUMERIC: Final = (0, Decimal(0))
_AND: Final = _first_or(operator.and_)
_OR: Final = _first_or(operator.or_)

AGGREGATES: Final = (
    Aggregate(2803, "count", (), t.INT8, 0, _count_row),
    Aggregate(2147, "count", (t.ANY,), t.INT8, 0, _count_row),
    Aggregate(2109, "sum", (t.INT2,), t.INT8, None, _sum_integers, _bigint_total),
    Aggregate(2108, "sum", (t.INT4,), t.INT8, None, _sum_integers, _bigint_total),
    Aggregate(2107, "sum", (t.INT8,), t.NUMERIC, None, _sum_integers, _numeric_total),
    Aggregate(2110, "sum", (t.FLOAT4,), t.FLOAT4, None, _sum_float4),
    Aggregate(2111, "sum", (t.FLOAT8,), t.FLOAT8, None, _sum_floats),
    Aggregate(2114, "sum", (t.NUMERIC,), t.NUMERIC, None, _sum_numerics),
    Aggregate(2102, "avg", (t.INT2,), t.NUMERIC, _EMPTY, _count_and_sum, _numeric_average),
    Aggregate(2101, "avg", (t.INT4,), t.NUMERIC, _EMPTY, _count_and_sum, _numeric_average),
    Aggregate(2100, "avg", (t.INT8,), t.NUMERIC, _EMPTY, _count_and_sum, _numeric_average),
    Aggregate(2104, "avg", (t.FLOAT4,), t.FLOAT8, _EMPTY, _count_and_sum, _float_average),
    Aggregate(2105, "avg", (t.FLOAT8,), t.FLOAT8, _EMPTY, _count_and_sum, _float_average),
    Aggregate(
        2103, "avg", (t.NUMERIC,), t.NUMERIC,
        _EMPTY_NUMERIC, _count_and_numeric_sum, _numeric_average,
    ),
    Aggregate(2113, "sum", (t.INTERVAL,), t.INTERVAL, None, interval_missing),
    Aggregate(2106, "avg", (t.INTERVAL,), t.INTERVAL, None, interval_missing),
    *_extremes(),
    Aggregate(2517, "bool_and", (t.BOOL,), t.BOOL, None, _AND),
    Aggregate(2518, "bool_or", (t.BOOL,), t.BOOL, None, _OR),
    Aggregate(2519, "every", (t.BOOL,), t.BOOL, None, _AND),
    *(Aggregate(oid, "bit_and", (kind,), kind, None, _AND)
      for oid, kind in ((2236, t.INT2), (2238, t.INT4), (2240, t.INT8))),
    *(Aggregate(oid, "bit_or", (kind,), kind, None, _OR)
      for oid, kind in ((2237, t.INT2), (2239, t.INT4), (2241, t.INT8))),
    Aggregate(
        3538, "string_agg", (t.TEXT, t.TEXT), t.TEXT, None, _append, _joined, strict=False
    ),
)  # fmt: skip
