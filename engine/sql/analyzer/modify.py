"""INSERT, UPDATE, DELETE (`transformInsertStmt`, `transformUpdateStmt`, analyze.c)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from engine.errors import SqlError, SqlState
from engine.sql import type_table as t
from engine.sql.analyzer.coercion import (
    apply_typmod,
    can_coerce,
    coerce,
    resolve_unknown,
)
from engine.sql.analyzer.context import AnalysisContext
from engine.sql.analyzer.expressions import Const, DefaultValue, Expression, Param, Var
from engine.sql.analyzer.from_clause import add_entry, find_relation, relation_columns
from engine.sql.analyzer.query import (
    Query,
    RangeColumn,
    RangeReference,
    RangeTableEntry,
    TargetEntry,
)
from engine.sql.analyzer.scope import SYSTEM_COLUMNS, Scope, item_for_entry
from engine.sql.analyzer.select import analyze_select, target_list
from engine.sql.analyzer.transform import transform_condition, transform_in
from engine.sql.parser import Node
from engine.sql.virtual_tables.definitions import VIRTUAL_TABLES
from engine.types import FIRST_NORMAL_OID

_RESULT: Final = 0


def analyze_insert(analysis: AnalysisContext, body: Node) -> Query:
    """INSERT: rows for all columns of the table in order, nulls where the statement names none."""
    for field, name in (("onConflictClause", "ON CONFLICT"), ("withClause", "WITH")):
        if field in body:
            raise analysis.not_supported(name, body[field].get("location", -1))
    query = Query("insert")
    scope = Scope(analysis, query)
    relation = _open_target(scope, body["relation"])
    attributes = _insert_columns(scope, relation, body.get("cols"))
    source = body.get("selectStmt")
    if source is None:
        _insert_values(scope, relation, [], [[]])
    else:
        select = source["SelectStmt"]
        if _is_plain_values(select):
            rows = _value_rows(scope, select)
            _check_row_widths(scope, rows)
            for row in rows:
                _check_width(scope, body.get("cols"), attributes, row)
            _insert_values(scope, relation, attributes, rows)
        else:
            _insert_select(scope, relation, attributes, body, select)
    _returning(scope, body)
    return query


def analyze_update(analysis: AnalysisContext, body: Node) -> Query:
    """UPDATE: the new value of each assigned column, over the old row."""
    for field, name in (("fromClause", "UPDATE ... FROM"), ("withClause", "WITH")):
        if body.get(field):
            raise analysis.not_supported(name)
    query = Query("update")
    scope = Scope(analysis, query)
    relation = _open_target(scope, body["relation"])
    query.from_items.append(RangeReference(_RESULT))
    seen: list[int] = []
    for node in body["targetList"]:
        item = node["ResTarget"]
        number = _attribute_number(scope, relation, item)
        if number in seen:
            raise scope.error(
                SqlState.SYNTAX_ERROR,
                f'multiple assignments to same column "{item["name"]}"',
                -1,
            )
        seen.append(number)
        expression = _assigned_source(scope, item)
        query.assignments.append((number, _assigned(scope, relation, number, expression)))
    if "whereClause" in body:
        query.where = transform_condition(scope, body["whereClause"], "WHERE")
    _returning(scope, body)
    return query


def analyze_delete(analysis: AnalysisContext, body: Node) -> Query:
    """DELETE."""
    for field, name in (("usingClause", "DELETE ... USING"), ("withClause", "WITH")):
        if body.get(field):
            raise analysis.not_supported(name)
    query = Query("delete")
    scope = Scope(analysis, query)
    _open_target(scope, body["relation"])
    query.from_items.append(RangeReference(_RESULT))
    if "whereClause" in body:
        query.where = transform_condition(scope, body["whereClause"], "WHERE")
    _returning(scope, body)
    return query


def _open_target(scope: Scope, fields: Node) -> Any:
    """The table to modify, as range table entry 0."""
    name = fields["relname"]
    location = fields.get("location", 0)
    if name in VIRTUAL_TABLES and fields.get("schemaname") in (None, "pg_catalog"):
        raise scope.error(
            SqlState.OBJECT_NOT_IN_PREREQUISITE_STATE, f'cannot change view "{name}"', location
        )
    relation = find_relation(scope, fields)
    if relation.oid < FIRST_NORMAL_OID:
        raise scope.error("42501", f"permission denied for table {name}", -1)
    if relation.kind != "r":
        raise scope.error(SqlState.WRONG_OBJECT_TYPE, f'cannot change relation "{name}"', location)
    alias = fields.get("alias", {}).get("aliasname", name)
    entry = RangeTableEntry(alias, relation_columns(relation), relation=relation)
    scope.query.result_entry = add_entry(scope, entry)
    scope.items.append(item_for_entry(entry, _RESULT))
    return relation


def _attribute_number(scope: Scope, relation: Any, item: Node) -> int:
    name, location = item["name"], item.get("location", 0)
    if name in SYSTEM_COLUMNS:
        raise scope.error(
            SqlState.FEATURE_NOT_SUPPORTED, f'cannot assign to system column "{name}"', location
        )
    for number, attribute in enumerate(relation.descriptor.attributes, 1):
        if attribute.name == name and not attribute.dropped:
            if item.get("indirection"):
                raise scope.analysis.not_supported("assignment to a part of a column", location)
            return number
    raise scope.error(
        SqlState.UNDEFINED_COLUMN,
        f'column "{name}" of relation "{relation.name}" does not exist',
        location,
    )


def _insert_columns(scope: Scope, relation: Any, nodes: Sequence[Node] | None) -> list[int]:
    if nodes is None:
        return [
            number
            for number, attribute in enumerate(relation.descriptor.attributes, 1)
            if not attribute.dropped
        ]
    numbers: list[int] = []
    for node in nodes:
        item = node["ResTarget"]
        number = _attribute_number(scope, relation, item)
        if number in numbers:
            raise scope.error(
                SqlState.DUPLICATE_COLUMN,
                f'column "{item["name"]}" specified more than once',
                item.get("location", 0),
            )
        numbers.append(number)
    return numbers


def _is_plain_values(select: Node) -> bool:
    return "valuesLists" in select and not any(
        field in select for field in ("sortClause", "limitCount", "limitOffset", "withClause")
    )


def _value_rows(scope: Scope, select: Node) -> list[list[Expression]]:
    # The table's own columns are not visible in the source.
    outside = Scope(scope.analysis, scope.query)
    return [
        [transform_in(outside, node, "VALUES") for node in item["List"]["items"]]
        for item in select["valuesLists"]
    ]


def _check_row_widths(scope: Scope, rows: list[list[Expression]]) -> None:
    for row in rows:
        if len(row) != len(rows[0]):
            raise scope.error(
                SqlState.SYNTAX_ERROR,
                "VALUES lists must all be the same length",
                row[0].location,
            )


def _check_width(
    scope: Scope, nodes: Sequence[Node] | None, attributes: list[int], row: Sequence[Expression]
) -> None:
    if len(row) > len(attributes):
        raise scope.error(
            SqlState.SYNTAX_ERROR,
            "INSERT has more expressions than target columns",
            row[len(attributes)].location,
        )
    if nodes is not None and len(row) < len(attributes):
        raise scope.error(
            SqlState.SYNTAX_ERROR,
            "INSERT has more target columns than expressions",
            nodes[len(row)]["ResTarget"].get("location", 0),
        )


def _insert_values(
    scope: Scope, relation: Any, attributes: list[int], rows: list[list[Expression]]
) -> None:
    width = len(relation.descriptor.attributes)
    complete: list[list[Expression]] = []
    for row in rows:
        values: list[Expression] = [_null(relation, number) for number in range(1, width + 1)]
        for number, expression in zip(attributes, row, strict=False):
            values[number - 1] = _assigned(scope, relation, number, expression)
        complete.append(values)
    entry = RangeTableEntry("*VALUES*", [], values=complete)
    scope.query.from_items.append(RangeReference(add_entry(scope, entry)))


def _insert_select(
    scope: Scope, relation: Any, attributes: list[int], body: Node, select: Node
) -> None:
    inner = Scope(scope.analysis, Query("select"))
    source = analyze_select(inner, select, keep_unknown=True)
    output = source.output
    _check_width(scope, body.get("cols"), attributes, [target.expression for target in output])
    columns = [
        RangeColumn(target.name, target.expression.type_oid, target.expression.typmod, number)
        for number, target in enumerate(output, 1)
    ]
    index = add_entry(scope, RangeTableEntry("*SELECT*", columns, subquery=source))
    scope.query.from_items.append(RangeReference(index))
    width = len(relation.descriptor.attributes)
    values: list[Expression] = [_null(relation, number) for number in range(1, width + 1)]
    for number, target, column in zip(attributes, output, columns, strict=False):
        expression = target.expression
        if not isinstance(expression, Const | Param) or expression.type_oid != t.UNKNOWN:
            expression = Var(
                type_oid=column.type_oid,
                typmod=column.typmod,
                entry=index,
                attribute=column.attribute,
                name=column.name,
                location=expression.location,
            )
        values[number - 1] = _assigned(scope, relation, number, expression)
    scope.query.targets = [TargetEntry(value, "") for value in values]


def _null(relation: Any, number: int) -> Expression:
    attribute = relation.descriptor.attributes[number - 1]
    return Const(type_oid=attribute.type_oid, typmod=attribute.typmod, value=None)


def _assigned_source(scope: Scope, item: Node) -> Expression:
    value = item["val"]
    if "MultiAssignRef" in value:
        reference = value["MultiAssignRef"]
        source = reference["source"]
        if "RowExpr" not in source:
            raise scope.analysis.not_supported(
                "multiple-column assignment from a subquery", item.get("location", 0)
            )
        parts = source["RowExpr"].get("args", [])
        if len(parts) != reference["ncolumns"]:
            raise scope.error(
                SqlState.SYNTAX_ERROR,
                "number of columns does not match number of values",
                source["RowExpr"].get("location", 0),
            )
        value = parts[reference["colno"] - 1]
    return transform_in(scope, value, "UPDATE")


def _assigned(scope: Scope, relation: Any, number: int, expression: Expression) -> Expression:
    """`expression` as a value of the column (`transformAssignedExpr`)."""
    attribute = relation.descriptor.attributes[number - 1]
    if isinstance(expression, DefaultValue):
        return _null(relation, number)
    if not can_coerce(expression.type_oid, attribute.type_oid, "a"):
        raise _wrong_type(scope, attribute, expression)
    value = coerce(scope.analysis, expression, attribute.type_oid, "a", implicit=True)
    return apply_typmod(value, attribute.typmod, explicit=False)


def _wrong_type(scope: Scope, attribute: Any, expression: Expression) -> SqlError:
    return scope.error(
        SqlState.DATATYPE_MISMATCH,
        f'column "{attribute.name}" is of type {t.type_display(attribute.type_oid)} '
        f"but expression is of type {t.type_display(expression.type_oid)}",
        expression.location,
        hint="You will need to rewrite or cast the expression.",
    )


def _returning(scope: Scope, body: Node) -> None:
    clause = body.get("returningClause")
    if clause is None:
        scope.query.returns_rows = False
        return
    if clause.get("options"):
        raise scope.analysis.not_supported("RETURNING WITH")
    inside = Scope(scope.analysis, scope.query, scope.items[:1])
    targets = target_list(inside, clause["exprs"], "RETURNING")
    scope.query.returning = targets
    for target in targets:
        target.expression = resolve_unknown(scope.analysis, target.expression)
