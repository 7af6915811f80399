"""What an output column is called when the query does not say (`FigureColname`, parse_target.c)."""

from __future__ import annotations

from typing import Any, Final

from engine.sql.parser import Node, kind_and_fields, string_values

UNNAMED: Final = "?column?"

_VALUE_FUNCTIONS: Final = {
    "SVFOP_CURRENT_DATE": "current_date",
    "SVFOP_CURRENT_TIME": "current_time",
    "SVFOP_CURRENT_TIME_N": "current_time",
    "SVFOP_CURRENT_TIMESTAMP": "current_timestamp",
    "SVFOP_CURRENT_TIMESTAMP_N": "current_timestamp",
    "SVFOP_LOCALTIME": "localtime",
    "SVFOP_LOCALTIME_N": "localtime",
    "SVFOP_LOCALTIMESTAMP": "localtimestamp",
    "SVFOP_LOCALTIMESTAMP_N": "localtimestamp",
    "SVFOP_CURRENT_ROLE": "current_role",
    "SVFOP_CURRENT_USER": "current_user",
    "SVFOP_USER": "user",
    "SVFOP_SESSION_USER": "session_user",
    "SVFOP_CURRENT_CATALOG": "current_catalog",
    "SVFOP_CURRENT_SCHEMA": "current_schema",
}
_KEYWORDS: Final = {
    "CoalesceExpr": "coalesce",
    "A_ArrayExpr": "array",
    "RowExpr": "row",
    "GroupingFunc": "grouping",
}


def column_name(node: Node) -> str:
    """The name for an output expression."""
    return _figure(node)[0] or UNNAMED


def _figure(node: Any) -> tuple[str | None, int]:
    """(name, how sure): 0 nothing, 1 a last resort such as a cast's type, 2 a good name."""
    if not node:
        return None, 0
    kind, fields = kind_and_fields(node)
    if kind == "ColumnRef":
        names = [part["String"]["sval"] for part in fields["fields"] if "String" in part]
        return (names[-1], 2) if names else (None, 0)
    if kind == "FuncCall":
        return string_values(fields["funcname"])[-1], 2
    if kind == "A_Expr":
        return ("nullif", 2) if fields["kind"] == "AEXPR_NULLIF" else (None, 0)
    if kind == "CollateClause":
        return _figure(fields["arg"])
    if kind == "TypeCast":
        name, strength = _figure(fields["arg"])
        if strength <= 1:
            return string_values(fields["typeName"]["names"])[-1], 1
        return name, strength
    if kind == "CaseExpr":
        name, strength = _figure(fields.get("defresult"))
        return (name, strength) if strength > 1 else ("case", 1)
    if kind == "MinMaxExpr":
        return ("greatest" if fields.get("op") == "IS_GREATEST" else "least"), 2
    if kind == "SQLValueFunction":
        return _VALUE_FUNCTIONS.get(fields["op"]), 2
    if kind == "SubLink":
        return _subquery_name(fields)
    if kind in _KEYWORDS:
        return _KEYWORDS[kind], 2
    return None, 0


def _subquery_name(fields: Node) -> tuple[str | None, int]:
    if fields["subLinkType"] == "EXISTS_SUBLINK":
        return "exists", 2
    if fields["subLinkType"] == "EXPR_SUBLINK":
        targets = fields["subselect"].get("SelectStmt", {}).get("targetList", [])
        if targets:
            target = targets[0]["ResTarget"]
            return (target["name"], 2) if "name" in target else _figure(target.get("val"))
    return None, 0
