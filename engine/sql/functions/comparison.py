"""Comparison operators, and the keys by which values are sorted and grouped.

Strings compare by code point, which is the order of their UTF-8 bytes (collation "C"). NaN equals
NaN and is greater than any other number.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from engine.sql import type_table as t
from engine.sql.functions.entries import Operator
from engine.sql.numeric import sort_key as numeric_key

Key = Callable[[Any], Any]

COMPARISONS: Final[tuple[tuple[str, Callable[[Any, Any], bool]], ...]] = (
    ("=", operator.eq),
    ("<>", operator.ne),
    ("<", operator.lt),
    ("<=", operator.le),
    (">", operator.gt),
    (">=", operator.ge),
)
_INTEGERS: Final = (t.INT2, t.INT4, t.INT8)
_FLOATS: Final = (t.FLOAT4, t.FLOAT8)
_PLAIN: Final = (
    *((left, right) for left in _INTEGERS for right in _INTEGERS),
    (t.BOOL, t.BOOL), (t.BYTEA, t.BYTEA), (t.CHAR, t.CHAR), (t.NAME, t.NAME), (t.NAME, t.TEXT),
    (t.TEXT, t.NAME), (t.TEXT, t.TEXT), (t.OID, t.OID), (t.TID, t.TID), (t.DATE, t.DATE),
    (t.TIMESTAMP, t.TIMESTAMP), (t.TIMESTAMPTZ, t.TIMESTAMPTZ), (t.PG_LSN, t.PG_LSN),
    (t.XID8, t.XID8),
)  # fmt: skip
_EQUALITY_ONLY: Final = ((t.XID, t.XID), (t.XID, t.INT4), (t.CID, t.CID))


def _float_key(value: float) -> tuple[bool, float]:
    return (True, 0.0) if value != value else (False, value)


def _padded_key(value: str) -> str:
    return value.rstrip(" ")


_KEYS: Final[dict[int, Key]] = {
    t.FLOAT4: _float_key,
    t.FLOAT8: _float_key,
    t.NUMERIC: numeric_key,
    t.BPCHAR: _padded_key,
}

NOT_SORTABLE: Final = frozenset({t.XID, t.CID, t.VOID})
NOT_COMPARABLE: Final = frozenset({t.VOID})


def comparison_key(type_oid: int) -> Key | None:
    """What to sort and group values of this type by; None: the value itself."""
    return _KEYS.get(type_oid)


def _by_key(compare: Callable[[Any, Any], bool], key: Key) -> Callable[[Any, Any], bool]:
    return lambda left, right: compare(key(left), key(right))


def _operators() -> list[Operator]:
    rows: list[Operator] = []
    for name, compare in COMPARISONS:
        rows += [Operator(name, left, right, t.BOOL, compare) for left, right in _PLAIN]
        rows += [
            Operator(name, left, right, t.BOOL, _by_key(compare, _float_key))
            for left in _FLOATS
            for right in _FLOATS
        ]
        for kind, key in ((t.NUMERIC, numeric_key), (t.BPCHAR, _padded_key)):
            rows.append(Operator(name, kind, kind, t.BOOL, _by_key(compare, key)))
        if name in ("=", "<>"):
            rows += [Operator(name, left, right, t.BOOL, compare) for left, right in _EQUALITY_ONLY]
    return rows


OPERATORS: Final = tuple(_operators())
