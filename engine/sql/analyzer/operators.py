"""Applying operators to analyzed operands (`parse_oper.c`)."""

from __future__ import annotations

from engine.errors import SqlState
from engine.sql import type_table as t
from engine.sql.analyzer.coercion import as_text, coerce
from engine.sql.analyzer.expressions import Expression, OperatorCall
from engine.sql.analyzer.resolution import find_operator
from engine.sql.analyzer.scope import Scope
from engine.sql.parser import Node, string_values


def binary_operator(
    scope: Scope, name: str, left: Expression | None, right: Expression, location: int
) -> Expression:
    """An operator applied to analyzed operands (`make_op`)."""
    left_type = 0 if left is None else left.type_oid
    operator = find_operator(scope.analysis, name, left_type, right.type_oid, location)
    operands: list[Expression] = []
    if left is not None:
        operands.append(_operand(scope, left, operator.left))
    operands.append(_operand(scope, right, operator.right))
    place = location if left is None else leftmost(location, left.location)
    return OperatorCall(
        type_oid=operator.result,
        operator=operator,
        arguments=tuple(operands),
        location=place,
    )


def _operand(scope: Scope, operand: Expression, declared: int) -> Expression:
    if declared == t.ANYELEMENT:
        # Only `||` takes any type, and works on its text.
        return as_text(scope.analysis, operand)
    return coerce(scope.analysis, operand, declared, "i", implicit=True)


def leftmost(one: int, other: int) -> int:
    """The earlier of two locations; -1 is none."""
    if one < 0 or other < 0:
        return max(one, other)
    return min(one, other)


def operator_name(scope: Scope, fields: Node) -> str:
    """The operator of an expression; only those of pg_catalog exist."""
    names = string_values(fields["name"])
    if len(names) > 1 and names[0] != "pg_catalog":
        raise scope.error(
            SqlState.UNDEFINED_FUNCTION,
            f"operator does not exist: {'.'.join(names)}",
            fields.get("location", 0),
        )
    return names[-1]
