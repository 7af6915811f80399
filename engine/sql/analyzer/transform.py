"""Parse expressions to typed ones: the dispatch, columns, constants, operators, casts.

Calls are in `calls.py`, CASE, COALESCE, IN and the like in `constructs.py`; all follow
`parse_expr.c`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.errors import SqlError, SqlState
from engine.sql import type_table as t
from engine.sql.analyzer.calls import function_call, sql_value_function
from engine.sql.analyzer.coercion import (
    apply_typmod,
    can_coerce,
    cannot_cast,
    coerce,
    coerce_to_boolean,
)
from engine.sql.analyzer.constructs import (
    array_comparison,
    between,
    boolean_test,
    case,
    coalesce,
    distinct,
    extreme,
    in_list,
    null_if,
    null_test,
    row,
    subquery,
)
from engine.sql.analyzer.expressions import (
    BooleanLogic,
    Const,
    DefaultValue,
    Expression,
)
from engine.sql.analyzer.operators import binary_operator, leftmost, operator_name
from engine.sql.analyzer.scope import Scope, at_location
from engine.sql.analyzer.type_names import resolve_type
from engine.sql.parser import Node, string_values
from engine.sql.text_io import INT4_RANGE, INT8_RANGE, numeric_input

Handler = Callable[[Scope, Node], Expression]


def transform(scope: Scope, node: Node) -> Expression:
    """The typed expression of a parse node, in the given scope."""
    ((kind, fields),) = node.items()
    handler = _HANDLERS.get(kind)
    if handler is None:
        raise _unsupported_node(scope, kind, fields)
    return handler(scope, fields)


def transform_in(scope: Scope, node: Node, clause: str) -> Expression:
    """`transform` inside a named clause."""
    before = scope.clause
    scope.clause = clause
    expression = transform(scope, node)
    scope.clause = before
    return expression


def transform_condition(scope: Scope, node: Node, clause: str) -> Expression:
    """A WHERE, HAVING or ON condition: a boolean."""
    return coerce_to_boolean(scope.analysis, transform_in(scope, node, clause), clause)


def _column(scope: Scope, fields: Node) -> Expression:
    location = fields.get("location", 0)
    if "A_Star" in fields["fields"][-1]:
        raise scope.analysis.not_supported("whole-row reference", location)
    names = string_values(fields["fields"])
    if len(names) == 1:
        found = scope.column(names[0], location)
        if found is None:
            raise _no_column(scope, names[0], location)
        return at_location(found, location)
    if len(names) == 2:
        return at_location(scope.qualified_column(names[0], names[1], location), location)
    if len(names) == 3:
        return at_location(scope.qualified_column(names[1], names[2], location), location)
    raise scope.error(
        SqlState.SYNTAX_ERROR,
        f"improper qualified name (too many dotted names): {'.'.join(names)}",
        location,
    )


def _no_column(scope: Scope, name: str, location: int) -> SqlError:
    if any(item.alias == name for item in scope.items):
        return scope.analysis.not_supported("whole-row reference", location)
    return scope.error(SqlState.UNDEFINED_COLUMN, f'column "{name}" does not exist', location)


def _constant(scope: Scope, fields: Node) -> Expression:
    location = fields.get("location", 0)
    if "ival" in fields:
        return Const(type_oid=t.INT4, value=fields["ival"].get("ival", 0), location=location)
    if "sval" in fields:
        return Const(type_oid=t.UNKNOWN, value=fields["sval"].get("sval", ""), location=location)
    if "fval" in fields:
        return _number(fields["fval"]["fval"], location)
    if "boolval" in fields:
        value = fields["boolval"].get("boolval", False)
        return Const(type_oid=t.BOOL, value=value, location=location)
    if fields.get("isnull"):
        return Const(type_oid=t.UNKNOWN, value=None, location=location)
    raise scope.analysis.not_supported("bit string constant", location)


def _number(text: str, location: int) -> Expression:
    """integer or bigint when it is a whole number that fits, else numeric."""
    digits = text.removeprefix("-")
    if digits.isdecimal() and INT8_RANGE[0] <= int(text) <= INT8_RANGE[1]:
        # -2147483648 comes here, because its digits alone are no integer.
        fits = INT4_RANGE[0] <= int(text) <= INT4_RANGE[1]
        return Const(type_oid=t.INT4 if fits else t.INT8, value=int(text), location=location)
    return Const(type_oid=t.NUMERIC, value=numeric_input(text), location=location)


def _parameter(scope: Scope, fields: Node) -> Expression:
    return scope.analysis.parameter(fields.get("number", 0), fields.get("location", 0))


def _operator_expression(scope: Scope, fields: Node) -> Expression:
    handler = _OPERATOR_KINDS.get(fields["kind"])
    if handler is None:
        name = fields["kind"].removeprefix("AEXPR_").replace("_", " ")
        raise scope.analysis.not_supported(f"expression {name}", fields.get("location", 0))
    return handler(scope, fields)


def _plain_operator(scope: Scope, fields: Node) -> Expression:
    location = fields.get("location", 0)
    name = operator_name(scope, fields)
    for side in ("lexpr", "rexpr"):
        if "RowExpr" in fields.get(side, {}):
            raise scope.analysis.not_supported("row comparison", location)
    left = transform(scope, fields["lexpr"]) if "lexpr" in fields else None
    return binary_operator(scope, name, left, transform(scope, fields["rexpr"]), location)


def _boolean_logic(scope: Scope, fields: Node) -> Expression:
    name = fields["boolop"].removesuffix("_EXPR")
    arguments = tuple(
        coerce_to_boolean(scope.analysis, transform(scope, node), name) for node in fields["args"]
    )
    return BooleanLogic(
        type_oid=t.BOOL, kind=name.lower(), arguments=arguments, location=fields.get("location", 0)
    )


def _type_cast(scope: Scope, fields: Node) -> Expression:
    analysis = scope.analysis
    location = fields.get("location", 0)
    target, typmod = resolve_type(analysis, fields["typeName"])
    if target in t.PSEUDO_TYPES and target != t.UNKNOWN:
        raise analysis.not_supported(f"cast to {t.type_display(target)}", location)
    argument = transform(scope, fields["arg"])
    if not can_coerce(argument.type_oid, target, "e"):
        place = argument.location if location < 0 else location
        raise analysis.error(
            SqlState.CANNOT_COERCE,
            cannot_cast(analysis, argument, target).message,
            place,
        )
    argument = _registered_name(scope, argument, target)
    coerced = coerce(analysis, argument, target, "e", implicit=False)
    coerced = apply_typmod(coerced, typmod, explicit=True)
    if coerced is not argument and not isinstance(coerced, Const):
        coerced.location = leftmost(location, argument.location)
    return coerced


def _registered_name(scope: Scope, argument: Expression, target: int) -> Expression:
    """`'name'::regclass`: look the name up while the catalog is at hand."""
    if target != t.REGCLASS or not isinstance(argument, Const) or argument.type_oid != t.UNKNOWN:
        return argument
    text = argument.value
    if text is None or text.isdecimal():
        return argument
    schema, _, name = text.rpartition(".")
    parts = [part.strip('"') if part.startswith('"') else part.lower() for part in (schema, name)]
    relation = scope.analysis.catalog.relation_by_name(parts[0] or None, parts[1])
    if relation is None:
        raise scope.error(
            SqlState.UNDEFINED_TABLE, f'relation "{text}" does not exist', argument.location
        )
    return Const(type_oid=t.REGCLASS, value=relation.oid, location=argument.location)


def _collation(scope: Scope, fields: Node) -> Expression:
    names = string_values(fields["collname"])
    location = fields.get("location", 0)
    argument = transform(scope, fields["arg"])
    if names[-1] not in ("C", "POSIX", "default", "ucs_basic"):
        raise scope.analysis.not_supported(f"collation {names[-1]}", location)
    if argument.type_oid == t.UNKNOWN:
        argument = coerce(scope.analysis, argument, t.TEXT, "i", implicit=True)
    if t.type_category(argument.type_oid) != "S":
        raise scope.error(
            SqlState.DATATYPE_MISMATCH,
            f"collations are not supported by type {t.type_display(argument.type_oid)}",
            location,
        )
    return argument


def _default(scope: Scope, fields: Node) -> Expression:
    return DefaultValue(type_oid=t.UNKNOWN, location=fields.get("location", 0))


def _unsupported_node(scope: Scope, kind: str, fields: Node) -> SqlError:
    names = {
        "A_ArrayExpr": "ARRAY",
        "A_Indirection": "subscript or field selection",
        "GroupingFunc": "GROUPING",
        "CurrentOfExpr": "WHERE CURRENT OF",
        "XmlExpr": "XML",
        "XmlSerialize": "XML",
        "JsonObjectConstructor": "JSON_OBJECT",
        "NamedArgExpr": "named argument",
    }
    return scope.analysis.not_supported(names.get(kind, kind), fields.get("location", -1))


_OPERATOR_KINDS: Final[dict[str, Handler]] = {
    "AEXPR_OP": _plain_operator,
    "AEXPR_LIKE": _plain_operator,
    "AEXPR_ILIKE": _plain_operator,
    "AEXPR_IN": in_list,
    "AEXPR_OP_ANY": array_comparison,
    "AEXPR_OP_ALL": array_comparison,
    "AEXPR_BETWEEN": between,
    "AEXPR_NOT_BETWEEN": between,
    "AEXPR_BETWEEN_SYM": between,
    "AEXPR_NOT_BETWEEN_SYM": between,
    "AEXPR_DISTINCT": distinct,
    "AEXPR_NOT_DISTINCT": distinct,
    "AEXPR_NULLIF": null_if,
}

_HANDLERS: Final[dict[str, Handler]] = {
    "ColumnRef": _column,
    "A_Const": _constant,
    "ParamRef": _parameter,
    "A_Expr": _operator_expression,
    "BoolExpr": _boolean_logic,
    "NullTest": null_test,
    "BooleanTest": boolean_test,
    "TypeCast": _type_cast,
    "CollateClause": _collation,
    "FuncCall": function_call,
    "SQLValueFunction": sql_value_function,
    "CaseExpr": case,
    "CoalesceExpr": coalesce,
    "MinMaxExpr": extreme,
    "RowExpr": row,
    "SubLink": subquery,
    "SetToDefault": _default,
}
