"""ORDER BY, GROUP BY and DISTINCT: which output column each item means (`parse_clause.c`)."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import SqlError, SqlState
from engine.sql import type_table as t
from engine.sql.analyzer.coercion import resolve_unknown
from engine.sql.analyzer.expressions import Expression
from engine.sql.analyzer.query import OutputOrder, TargetEntry
from engine.sql.analyzer.scope import Scope
from engine.sql.functions.comparison import NOT_COMPARABLE, NOT_SORTABLE
from engine.sql.parser import Node


def sort_direction(scope: Scope, item: Node) -> tuple[bool, bool]:
    """(descending, nulls first) of a SortBy; nulls are the largest values by default."""
    direction = item.get("sortby_dir", "SORTBY_DEFAULT")
    descending = direction == "SORTBY_DESC"
    if direction == "SORTBY_USING":
        operator = item["useOp"][-1]["String"]["sval"]
        if operator not in ("<", ">"):
            raise scope.error(
                SqlState.WRONG_OBJECT_TYPE,
                f"operator {operator} is not a valid ordering operator",
                item.get("location", -1),
                hint='Ordering operators must be "<" or ">" members of btree operator families.',
            )
        descending = operator == ">"
    nulls = item.get("sortby_nulls", "SORTBY_NULLS_DEFAULT")
    if nulls == "SORTBY_NULLS_DEFAULT":
        return descending, descending
    return descending, nulls == "SORTBY_NULLS_FIRST"


def order_by(scope: Scope, nodes: Sequence[Node], targets: list[TargetEntry]) -> list[OutputOrder]:
    """The keys of ORDER BY; expressions that are not output columns become junk targets."""
    keys: list[OutputOrder] = []
    for node in nodes:
        item = node["SortBy"]
        index = find_target(scope, item["node"], targets, "ORDER BY")
        expression = targets[index].expression
        check_sortable(scope, expression)
        descending, nulls_first = sort_direction(scope, item)
        if all(key.target != index for key in keys):
            keys.append(OutputOrder(index, descending, nulls_first))
    return keys


def find_target(scope: Scope, node: Node, targets: list[TargetEntry], clause: str) -> int:
    """The index of the target that an item of ORDER BY or GROUP BY means (SQL92 rules)."""
    named = _by_name(scope, node, targets, clause)
    if named is not None:
        return named
    if "A_Const" in node:
        return _by_position(scope, node["A_Const"], targets, clause)
    before = scope.clause
    scope.clause = clause
    expression = resolve_unknown(scope.analysis, scope.transform(node))
    scope.clause = before
    for index, target in enumerate(targets):
        if target.expression == expression:
            return index
    targets.append(TargetEntry(expression, "?column?", junk=True))
    return len(targets) - 1


def _by_name(scope: Scope, node: Node, targets: list[TargetEntry], clause: str) -> int | None:
    fields = node.get("ColumnRef", {}).get("fields", [])
    if len(fields) != 1 or "String" not in fields[0]:
        return None
    name = fields[0]["String"]["sval"]
    location = node["ColumnRef"].get("location", 0)
    if clause == "GROUP BY" and scope.column(name, location) is not None:
        return None
    found: int | None = None
    for index, target in enumerate(targets):
        if target.junk or target.name != name:
            continue
        if found is not None and targets[found].expression != target.expression:
            raise scope.error(
                SqlState.AMBIGUOUS_COLUMN, f'{clause} "{name}" is ambiguous', location
            )
        found = index if found is None else found
    return found


def _by_position(scope: Scope, constant: Node, targets: list[TargetEntry], clause: str) -> int:
    location = constant.get("location", 0)
    if "ival" not in constant:
        raise scope.error(SqlState.SYNTAX_ERROR, f"non-integer constant in {clause}", location)
    position: int = constant["ival"].get("ival", 0)
    visible = [index for index, target in enumerate(targets) if not target.junk]
    if not 1 <= position <= len(visible):
        raise scope.error(
            SqlState.INVALID_COLUMN_REFERENCE,
            f"{clause} position {position} is not in select list",
            location,
        )
    return visible[position - 1]


def check_sortable(scope: Scope, expression: Expression) -> None:
    """42883 for a type without an ordering."""
    if expression.type_oid in NOT_SORTABLE:
        raise _no_ordering(scope, expression, "an ordering")


def check_groupable(scope: Scope, expression: Expression) -> None:
    """42883 for a type without equality."""
    if expression.type_oid in NOT_COMPARABLE:
        raise _no_ordering(scope, expression, "an equality")


def _no_ordering(scope: Scope, expression: Expression, what: str) -> SqlError:
    return scope.error(
        SqlState.UNDEFINED_FUNCTION,
        f"could not identify {what} operator for type {t.type_display(expression.type_oid)}",
        expression.location,
    )
