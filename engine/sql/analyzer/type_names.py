"""Type names of the grammar to type oids and typmods (`parse_type.c`)."""

from __future__ import annotations

from typing import Final

from engine.errors import SqlState
from engine.sql import type_table as t
from engine.sql.analyzer.context import AnalysisContext
from engine.sql.parser import Node, string_values

_MISSING: Final = frozenset(
    (
        "aclitem", "anyarray", "anyenum", "anynonarray", "anyrange", "bit", "box", "cidr",
        "circle", "daterange", "int2vector", "int4range", "int8range", "internal", "interval",
        "json", "jsonb", "jsonpath", "line", "lseg", "macaddr", "macaddr8", "money", "numrange",
        "oidvector", "path", "pg_node_tree", "pg_snapshot", "point", "polygon", "refcursor",
        "regcollation", "regconfig", "regdictionary", "regoper", "regoperator", "regprocedure",
        "regrole", "time", "timetz", "trigger", "tsquery", "tsrange", "tstzrange", "tsvector",
        "txid_snapshot", "uuid", "varbit", "xml", "bigserial", "serial", "serial2", "serial4",
        "serial8", "smallserial",
    )
)  # fmt: skip
"""Types of PostgreSQL 15 that the engine does not have yet."""

_LARGEST_STRING: Final = 10485760


def resolve_type(analysis: AnalysisContext, node: Node) -> tuple[int, int]:
    """The oid and typmod of a TypeName; 42704 for none of that name."""
    location = node.get("location", 0)
    names = string_values(node["names"])
    if node.get("setof"):
        raise analysis.not_supported("SETOF", location)
    if node.get("pct_type"):
        raise analysis.not_supported("%TYPE", location)
    if node.get("arrayBounds"):
        raise analysis.not_supported(f"type {names[-1]}[]", location)
    is_builtin = len(names) == 1 or names[-2] == "pg_catalog"
    info = t.BY_NAME.get(names[-1]) if is_builtin and names[-1] not in _MISSING else None
    if info is None:
        shown = ".".join(names)
        if names[-1] in _MISSING or names[-1].lstrip("_") in t.BY_NAME:
            raise analysis.not_supported(f"type {names[-1]}", location)
        raise analysis.error(SqlState.UNDEFINED_OBJECT, f'type "{shown}" does not exist', location)
    if info.oid in (t.ANY, t.ANYELEMENT):
        raise analysis.not_supported(f"pseudo-type {info.name}", location)
    return info.oid, _typmod(analysis, info, node, location)


def _typmod(analysis: AnalysisContext, info: t.TypeInfo, node: Node, location: int) -> int:
    modifiers = node.get("typmods")
    if not modifiers:
        return -1
    numbers: list[int] = []
    for modifier in modifiers:
        constant = modifier.get("A_Const", {})
        if "ival" not in constant:
            raise analysis.error(
                SqlState.SYNTAX_ERROR,
                "type modifiers must be simple constants or identifiers",
                location,
            )
        numbers.append(constant["ival"].get("ival", 0))
    if info.oid in (t.VARCHAR, t.BPCHAR):
        return _string_typmod(analysis, info, numbers, location)
    if info.oid == t.NUMERIC:
        return _numeric_typmod(analysis, numbers, location)
    if info.oid in (t.TIMESTAMP, t.TIMESTAMPTZ):
        raise analysis.not_supported(f"precision of type {info.name}", location)
    raise analysis.error(
        SqlState.SYNTAX_ERROR,
        f'type modifier is not allowed for type "{info.name}"',
        location,
    )


def _string_typmod(
    analysis: AnalysisContext, info: t.TypeInfo, numbers: list[int], location: int
) -> int:
    name = "char" if info.oid == t.BPCHAR else "varchar"
    if len(numbers) != 1:
        raise analysis.error(SqlState.INVALID_PARAMETER_VALUE, "invalid type modifier", location)
    if numbers[0] < 1:
        raise analysis.error(
            SqlState.INVALID_PARAMETER_VALUE,
            f"length for type {name} must be at least 1",
            location,
        )
    if numbers[0] > _LARGEST_STRING:
        raise analysis.error(
            SqlState.INVALID_PARAMETER_VALUE,
            f"length for type {name} cannot exceed {_LARGEST_STRING}",
            location,
        )
    return numbers[0] + 4


def _numeric_typmod(analysis: AnalysisContext, numbers: list[int], location: int) -> int:
    if len(numbers) > 2:
        raise analysis.error(
            SqlState.INVALID_PARAMETER_VALUE, "invalid NUMERIC type modifier", location
        )
    precision, scale = numbers[0], numbers[1] if len(numbers) == 2 else 0
    if not 1 <= precision <= 1000:
        raise analysis.error(
            SqlState.INVALID_PARAMETER_VALUE,
            f"NUMERIC precision {precision} must be between 1 and 1000",
            location,
        )
    if not -1000 <= scale <= 1000:
        raise analysis.error(
            SqlState.INVALID_PARAMETER_VALUE,
            f"NUMERIC scale {scale} must be between -1000 and 1000",
            location,
        )
    return (precision << 16 | scale & 0x7FF) + 4
