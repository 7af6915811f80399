"""FROM: tables, functions, VALUES, subqueries and joins (`parse_clause.c`, `parse_relation.c`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.errors import SqlState
from engine.sql import type_table as t
from engine.sql.analyzer.coercion import coerce_to_common, common_type
from engine.sql.analyzer.expressions import BooleanLogic, Expression, FunctionCall
from engine.sql.analyzer.operators import binary_operator
from engine.sql.analyzer.query import (
    FromTree,
    Join,
    Query,
    RangeColumn,
    RangeReference,
    RangeTableEntry,
)
from engine.sql.analyzer.scope import NamespaceItem, Scope, check_alias, item_for_entry
from engine.sql.analyzer.transform import transform_condition, transform_in
from engine.sql.parser import Node, kind_and_fields, string_values
from engine.sql.virtual_tables.definitions import VIRTUAL_TABLES


@dataclass(slots=True)
class FromPart:
    """One analyzed item of FROM: its tree, and the names that it offers."""

    tree: FromTree
    items: list[NamespaceItem]
    merged: list[tuple[str, Expression]]


def analyze_from(scope: Scope, nodes: list[Node]) -> None:
    """Add the items of FROM to the query and their names to the scope."""
    for node in nodes:
        part = _from_item(scope, node)
        for item in part.items:
            check_alias(scope, [other.alias for other in scope.items], item.alias, _location(node))
            scope.items.append(item)
        scope.merged += part.merged
        scope.query.from_items.append(part.tree)


def _location(node: Node) -> int:
    _, fields = kind_and_fields(node)
    location: int = fields.get("location", -1)
    return location


def _from_item(scope: Scope, node: Node) -> FromPart:
    kind, fields = kind_and_fields(node)
    if kind == "RangeVar":
        return _leaf(scope, relation_entry(scope, fields))
    if kind == "RangeFunction":
        return _leaf(scope, _function_entry(scope, fields))
    if kind == "RangeSubselect":
        return _leaf(scope, _subquery_entry(scope, fields))
    if kind == "JoinExpr":
        return _join(scope, fields)
    names = {"RangeTableSample": "TABLESAMPLE", "RangeTableFunc": "XMLTABLE"}
    raise scope.analysis.not_supported(names.get(kind, kind), fields.get("location", -1))


def _leaf(scope: Scope, entry: RangeTableEntry) -> FromPart:
    index = add_entry(scope, entry)
    return FromPart(RangeReference(index), [item_for_entry(entry, index)], [])


def add_entry(scope: Scope, entry: RangeTableEntry) -> int:
    """Put an entry into the range table; its index."""
    scope.query.range_table.append(entry)
    return len(scope.query.range_table) - 1


def find_relation(scope: Scope, fields: Node) -> Any:
    """The relation that a RangeVar names; 42P01 without one."""
    name, schema = fields["relname"], fields.get("schemaname")
    location = fields.get("location", 0)
    with scope.analysis.at(location):
        relation = None
        if schema is None or scope.analysis.catalog.schema_oid(schema) is not None:
            relation = scope.analysis.catalog.relation_by_name(schema, name)
    if relation is None:
        shown = name if schema is None else f"{schema}.{name}"
        raise scope.error(SqlState.UNDEFINED_TABLE, f'relation "{shown}" does not exist', location)
    return relation


def relation_columns(relation: Any) -> list[RangeColumn]:
    """The columns of a relation that are not dropped."""
    return [
        RangeColumn(attribute.name, attribute.type_oid, attribute.typmod, number)
        for number, attribute in enumerate(relation.descriptor.attributes, 1)
        if not attribute.dropped
    ]


def relation_entry(scope: Scope, fields: Node) -> RangeTableEntry:
    """The entry for a table named in FROM: a stored one, or a virtual one."""
    alias = fields.get("alias", {})
    name = fields["relname"]
    if fields.get("catalogname") is not None:
        raise scope.analysis.not_supported("a name with a database", fields.get("location", 0))
    virtual = VIRTUAL_TABLES.get(name)
    if virtual is not None and fields.get("schemaname") in (None, "pg_catalog"):
        columns = [
            RangeColumn(column, type_oid, -1, number)
            for number, (column, type_oid) in enumerate(virtual.columns, 1)
        ]
        entry = RangeTableEntry(alias.get("aliasname", name), columns, virtual=virtual)
    else:
        relation = find_relation(scope, fields)
        entry = RangeTableEntry(
            alias.get("aliasname", name), relation_columns(relation), relation=relation
        )
    _rename_columns(scope, entry, alias, fields.get("location", 0))
    return entry


def _rename_columns(scope: Scope, entry: RangeTableEntry, alias: Node, location: int) -> None:
    names = string_values(alias.get("colnames", []))
    if len(names) > len(entry.columns):
        raise scope.error(
            SqlState.INVALID_COLUMN_REFERENCE,
            f'table "{entry.alias}" has {len(entry.columns)} columns available but '
            f"{len(names)} columns specified",
            location,
        )
    for column, name in zip(entry.columns, names, strict=False):
        column.name = name


def _function_entry(scope: Scope, fields: Node) -> RangeTableEntry:
    if fields.get("lateral"):
        raise scope.analysis.not_supported("LATERAL")
    if fields.get("is_rowsfrom") or len(fields["functions"]) != 1:
        raise scope.analysis.not_supported("ROWS FROM")
    if fields.get("coldeflist"):
        raise scope.analysis.not_supported("a column definition list")
    call = fields["functions"][0]["List"]["items"][0]
    outer = Scope(scope.analysis, scope.query, parent=scope.parent)
    expression = transform_in(outer, call, "FROM")
    if not isinstance(expression, FunctionCall):
        raise scope.analysis.not_supported("this expression in FROM", expression.location)
    alias = fields.get("alias", {})
    name = expression.function.name
    shown = alias.get("aliasname", name)
    columns = [RangeColumn(shown, expression.type_oid, -1, 1)]
    if fields.get("ordinality"):
        columns.append(RangeColumn("ordinality", t.INT8, -1, 2))
    entry = RangeTableEntry(
        shown,
        columns,
        function=expression,
        with_ordinality=bool(fields.get("ordinality")),
    )
    _rename_columns(scope, entry, alias, expression.location)
    return entry


def _subquery_entry(scope: Scope, fields: Node) -> RangeTableEntry:
    if fields.get("lateral"):
        raise scope.analysis.not_supported("LATERAL")
    alias = fields.get("alias", {})
    if "aliasname" not in alias:
        values = "valuesLists" in fields["subquery"].get("SelectStmt", {})
        what, example = ("VALUES", "VALUES ...") if values else ("subquery", "SELECT ...")
        raise scope.error(
            SqlState.SYNTAX_ERROR,
            f"{what} in FROM must have an alias",
            _subquery_location(fields),
            hint=f"For example, FROM ({example}) [AS] foo.",
        )
    # What stands beside the subquery in FROM is invisible in it; what surrounds the query is not.
    inside = Scope(scope.analysis, Query("select"), parent=scope.parent)
    query = scope.analysis.rules.select(inside, fields["subquery"]["SelectStmt"])
    scope.outer_references += inside.outer_references
    columns = [
        RangeColumn(target.name, target.expression.type_oid, target.expression.typmod, number)
        for number, target in enumerate(query.output, 1)
    ]
    entry = RangeTableEntry(alias["aliasname"], columns, subquery=query)
    _rename_columns(scope, entry, alias, _subquery_location(fields))
    return entry


def _subquery_location(fields: Node) -> int:
    location: int = fields.get("location", -1)
    return location


def _join(scope: Scope, fields: Node) -> FromPart:
    left = _from_item(scope, fields["larg"])
    right = _from_item(scope, fields["rarg"])
    kind = fields.get("jointype", "JOIN_INNER")
    if fields.get("alias") or fields.get("join_using_alias"):
        raise scope.analysis.not_supported("an alias of a join")
    if kind == "JOIN_FULL":
        raise scope.analysis.not_supported("FULL JOIN")
    for item in right.items:
        check_alias(scope, [other.alias for other in left.items], item.alias, -1)
    inside = Scope(
        scope.analysis,
        scope.query,
        [*left.items, *right.items],
        [*left.merged, *right.merged],
        parent=scope.parent,
    )
    condition: Expression | None = None
    merged: list[tuple[str, Expression]] = []
    if fields.get("isNatural") or fields.get("usingClause"):
        names = (
            _shared_names(left, right)
            if fields.get("isNatural")
            else string_values(fields["usingClause"])
        )
        condition, merged = _using(inside, left, right, names, kind)
    elif "quals" in fields:
        condition = transform_condition(inside, fields["quals"], "JOIN/ON")
    others = [
        column
        for column in (*left.merged, *right.merged)
        if column[0] not in [name for name, _ in merged]
    ]
    tree = _join_tree(kind, left.tree, right.tree, condition)
    return FromPart(tree, [*left.items, *right.items], [*merged, *others])


def _join_tree(
    kind: str, left: FromTree, right: FromTree, condition: Expression | None
) -> FromTree:
    if kind == "JOIN_RIGHT":
        return Join("left", right, left, condition)
    return Join("left" if kind == "JOIN_LEFT" else "inner", left, right, condition)


def _names(part: FromPart) -> list[str]:
    hidden = [name for name, _ in part.merged]
    own = [name for item in part.items for name, _ in item.columns if name not in hidden]
    return [*hidden, *own]


def _shared_names(left: FromPart, right: FromPart) -> list[str]:
    others = _names(right)
    return [name for name in _names(left) if name in others]


def _using(
    scope: Scope, left: FromPart, right: FromPart, names: list[str], kind: str
) -> tuple[Expression | None, list[tuple[str, Expression]]]:
    conditions: list[Expression] = []
    merged: list[tuple[str, Expression]] = []
    for name in names:
        one = _side_column(scope, left, name, "left")
        other = _side_column(scope, right, name, "right")
        conditions.append(binary_operator(scope, "=", one, other, -1))
        target = common_type(scope.analysis, [one, other], "JOIN/USING")
        first = other if kind == "JOIN_RIGHT" else one
        merged.append((name, coerce_to_common(scope.analysis, first, target, "JOIN/USING")))
    if not conditions:
        return None, merged
    if len(conditions) == 1:
        return conditions[0], merged
    return BooleanLogic(type_oid=t.BOOL, kind="and", arguments=tuple(conditions)), merged


def _side_column(scope: Scope, part: FromPart, name: str, side: str) -> Expression:
    inside = Scope(scope.analysis, scope.query, part.items, part.merged)
    try_column = inside.column(name, -1)
    if try_column is None:
        raise scope.error(
            SqlState.UNDEFINED_COLUMN,
            f'column "{name}" specified in USING clause does not exist in {side} table',
            -1,
        )
    return try_column
