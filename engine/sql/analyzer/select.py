"""SELECT and VALUES (`transformSelectStmt`, `transformValuesClause`, analyze.c)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.errors import SqlState
from engine.sql import type_table as t
from engine.sql.analyzer.coercion import (
    can_coerce,
    coerce,
    coerce_to_common,
    common_type,
    common_typmod,
    resolve_unknown,
)
from engine.sql.analyzer.expressions import (
    AggregateCall,
    DefaultValue,
    Expression,
    Var,
    walk,
)
from engine.sql.analyzer.from_clause import add_entry, analyze_from
from engine.sql.analyzer.grouping import check_grouped
from engine.sql.analyzer.naming import column_name
from engine.sql.analyzer.query import (
    Query,
    RangeColumn,
    RangeReference,
    RangeTableEntry,
    SetOperation,
    TargetEntry,
)
from engine.sql.analyzer.scope import Scope, at_location, item_for_entry
from engine.sql.analyzer.sorting import check_groupable, find_target, order_by
from engine.sql.analyzer.transform import transform_condition, transform_in
from engine.sql.parser import Node, kind_and_fields

_MISSING_CLAUSES: Final = (
    ("intoClause", "SELECT INTO"),
    ("withClause", "WITH"),
    ("windowClause", "WINDOW"),
    ("lockingClause", "SELECT ... FOR UPDATE/SHARE"),
    ("groupDistinct", "GROUP BY DISTINCT"),
)


def analyze_select(scope: Scope, body: Node, *, keep_unknown: bool = False) -> Query:
    """A SELECT, VALUES or set operation, into the scope's empty query.

    With `keep_unknown`, output columns of unknown type stay so: INSERT settles them.
    """
    for field, name in _MISSING_CLAUSES:
        if body.get(field):
            raise scope.analysis.not_supported(name, _clause_location(body[field]))
    if body.get("limitOption") == "LIMIT_OPTION_WITH_TIES":
        raise scope.analysis.not_supported("FETCH ... WITH TIES")
    if body.get("op", "SETOP_NONE") != "SETOP_NONE":
        return _set_operation(scope, body)
    if "valuesLists" in body:
        return _values(scope, body, keep_unknown=keep_unknown)
    return _plain_select(scope, body, keep_unknown=keep_unknown)


def analyze_subquery(outer: Scope, node: Node) -> Query:
    """A query inside another one."""
    kind, body = kind_and_fields(node)
    if kind != "SelectStmt":
        raise outer.analysis.not_supported(f"{kind} as a subquery")
    scope = Scope(outer.analysis, Query("select"), parent=outer)
    query = analyze_select(scope, body)
    query.outer_references = scope.outer_references
    return query


def _clause_location(clause: object) -> int:
    if isinstance(clause, dict):
        location: int = clause.get("location", -1)
        return location
    return -1


def _plain_select(scope: Scope, body: Node, *, keep_unknown: bool) -> Query:
    query = scope.query
    analyze_from(scope, body.get("fromClause", []))
    query.targets = target_list(scope, body.get("targetList", []), "SELECT")
    if "whereClause" in body:
        query.where = transform_condition(scope, body["whereClause"], "WHERE")
    if "havingClause" in body:
        query.having = transform_condition(scope, body["havingClause"], "HAVING")
    query.order_by = order_by(scope, body.get("sortClause", []), query.targets)
    query.group_by = _group_by(scope, body.get("groupClause", []))
    _distinct(scope, body)
    _limits(scope, body)
    if not keep_unknown:
        for target in query.targets:
            target.expression = resolve_unknown(scope.analysis, target.expression)
    if query.has_aggregates or query.group_by or query.having is not None:
        having = [] if query.having is None else [query.having]
        outputs = [target.expression for target in query.targets]
        check_grouped(scope, [*outputs, *having], query.group_by)
    return query


def target_list(scope: Scope, nodes: Sequence[Node], clause: str) -> list[TargetEntry]:
    """The output columns of a SELECT or RETURNING, `*` expanded."""
    targets: list[TargetEntry] = []
    for node in nodes:
        item = node["ResTarget"]
        value = item["val"]
        star = _star(value)
        if star is not None:
            targets += _expand(scope, star, value["ColumnRef"].get("location", 0))
            continue
        expression = transform_in(scope, value, clause)
        if isinstance(expression, DefaultValue):
            raise scope.error(
                SqlState.SYNTAX_ERROR,
                "DEFAULT is not allowed in this context",
                expression.location,
            )
        targets.append(TargetEntry(expression, item.get("name") or column_name(value)))
    return targets


def _star(value: Node) -> list[str] | None:
    fields = value.get("ColumnRef", {}).get("fields", [])
    if not fields or "A_Star" not in fields[-1]:
        return None
    return [field["String"]["sval"] for field in fields[:-1]]


def _expand(scope: Scope, qualifier: list[str], location: int) -> list[TargetEntry]:
    if not qualifier:
        if not scope.items:
            raise scope.error(
                SqlState.SYNTAX_ERROR, "SELECT * with no tables specified is not valid", location
            )
        columns = scope.all_columns()
    else:
        columns = scope.item(qualifier[-1], location).columns
    return [TargetEntry(at_location(expression, location), name) for name, expression in columns]


def _group_by(scope: Scope, nodes: Sequence[Node]) -> list[Expression]:
    groups: list[Expression] = []
    for node in nodes:
        if "GroupingSet" in node:
            raise scope.analysis.not_supported(
                "GROUPING SETS, ROLLUP or CUBE", node["GroupingSet"].get("location", -1)
            )
        targets = scope.query.targets
        known = len(targets)
        index = find_target(scope, node, targets, "GROUP BY")
        expression = resolve_unknown(scope.analysis, targets[index].expression)
        targets[index].expression = expression
        # A key that no output column shows needs no column of its own.
        del targets[known:]
        check_groupable(scope, expression)
        for part in walk(expression):
            if isinstance(part, AggregateCall):
                raise scope.error(
                    SqlState.GROUPING_ERROR,
                    "aggregate functions are not allowed in GROUP BY",
                    part.location,
                )
        if expression not in groups:
            groups.append(expression)
    return groups


def _distinct(scope: Scope, body: Node) -> None:
    query = scope.query
    clause = body.get("distinctClause")
    if not clause:
        return
    if clause != [{}]:
        raise scope.analysis.not_supported("SELECT DISTINCT ON")
    query.distinct = True
    for target in query.targets:
        check_groupable(scope, target.expression)
        if target.junk:
            raise scope.error(
                SqlState.INVALID_COLUMN_REFERENCE,
                "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
                target.expression.location,
            )


def _limits(scope: Scope, body: Node) -> None:
    scope.query.limit = _limit(scope, body.get("limitCount"), "LIMIT")
    scope.query.offset = _limit(scope, body.get("limitOffset"), "OFFSET")


def _limit(scope: Scope, node: Node | None, clause: str) -> Expression | None:
    if node is None:
        return None
    expression = transform_in(scope, node, clause)
    if not can_coerce(expression.type_oid, t.INT8, "a"):
        raise scope.error(
            SqlState.DATATYPE_MISMATCH,
            f"argument of {clause} must be type bigint, "
            f"not type {t.type_display(expression.type_oid)}",
            expression.location,
        )
    expression = coerce(scope.analysis, expression, t.INT8, "a", implicit=True)
    for part in walk(expression):
        if isinstance(part, Var) and part.levels_up == 0:
            raise scope.error(
                SqlState.INVALID_COLUMN_REFERENCE,
                f"argument of {clause} must not contain variables",
                part.location,
            )
    return expression


def _values(scope: Scope, body: Node, *, keep_unknown: bool) -> Query:
    rows = [
        [transform_in(scope, node, "VALUES") for node in item["List"]["items"]]
        for item in body["valuesLists"]
    ]
    width = len(rows[0])
    for row in rows:
        if len(row) != width:
            raise scope.error(
                SqlState.SYNTAX_ERROR,
                "VALUES lists must all be the same length",
                row[0].location,
            )
        for value in row:
            if isinstance(value, DefaultValue):
                raise scope.error(
                    SqlState.SYNTAX_ERROR,
                    "DEFAULT is not allowed in this context",
                    value.location,
                )
    columns: list[RangeColumn] = []
    for index in range(width):
        column = [row[index] for row in rows]
        if keep_unknown and all(one.type_oid == t.UNKNOWN for one in column):
            columns.append(RangeColumn(f"column{index + 1}", t.UNKNOWN, -1, index + 1))
            continue
        target = common_type(scope.analysis, column, "VALUES")
        coerced = [coerce_to_common(scope.analysis, one, target, "VALUES") for one in column]
        for row, value in zip(rows, coerced, strict=True):
            row[index] = value
        columns.append(RangeColumn(f"column{index + 1}", target, common_typmod(coerced), index + 1))
    entry = RangeTableEntry("*VALUES*", columns, values=rows)
    index = add_entry(scope, entry)
    item = item_for_entry(entry, index)
    scope.items.append(item)
    query = scope.query
    query.from_items.append(RangeReference(index))
    query.targets = [TargetEntry(expression, name) for name, expression in item.columns]
    query.order_by = order_by(scope, body.get("sortClause", []), query.targets)
    _limits(scope, body)
    return query


def _set_operation(scope: Scope, body: Node) -> Query:
    """UNION, INTERSECT, EXCEPT: both sides are coerced to common column types."""
    analysis = scope.analysis
    kind = body["op"].removeprefix("SETOP_")
    left = _side(scope, body["larg"])
    right = _side(scope, body["rarg"])
    if len(left.output) != len(right.output):
        location = right.output[0].expression.location if right.output else -1
        raise scope.error(
            SqlState.SYNTAX_ERROR,
            f"each {kind} query must have the same number of columns",
            location,
        )
    columns: list[RangeColumn] = []
    for number, (one, other) in enumerate(zip(left.output, right.output, strict=True), 1):
        target = common_type(analysis, [one.expression, other.expression], kind)
        for side in (one, other):
            side.expression = coerce_to_common(analysis, side.expression, target, kind)
        typmod = common_typmod([one.expression, other.expression])
        columns.append(RangeColumn(one.name, target, typmod, number))
    query = scope.query
    query.set_operation = SetOperation(kind.lower(), bool(body.get("all")), left, right)
    entry = RangeTableEntry("*SELECT*", columns)
    index = add_entry(scope, entry)
    item = item_for_entry(entry, index)
    scope.items.append(item)
    query.from_items.append(RangeReference(index))
    query.targets = [TargetEntry(expression, name) for name, expression in item.columns]
    query.order_by = order_by(scope, body.get("sortClause", []), query.targets)
    if any(target.junk for target in query.targets):
        raise scope.error(
            SqlState.FEATURE_NOT_SUPPORTED,
            "invalid UNION/INTERSECT/EXCEPT ORDER BY clause",
            query.targets[-1].expression.location,
        )
    _limits(scope, body)
    return query


def _side(scope: Scope, body: Node) -> Query:
    side = Scope(scope.analysis, Query("select"), parent=scope.parent)
    query = analyze_select(side, body, keep_unknown=True)
    scope.outer_references += side.outer_references
    return query
