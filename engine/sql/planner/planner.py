"""From a query to its plan (`planner.c`, much reduced: nothing is estimated yet).

The order is fixed: the FROM tree with the conditions as deep as they go, grouping, HAVING, the
output columns, DISTINCT, ORDER BY, LIMIT. Where an index or another join method will be a choice,
it is in `_scan` and `_join`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.errors import not_supported
from engine.sql import type_table as t
from engine.sql.analyzer.expressions import (
    AggregateCall,
    BooleanLogic,
    Const,
    Expression,
    FunctionCall,
    SubqueryResult,
    Var,
    walk,
)
from engine.sql.analyzer.query import FromTree, Join, Query, RangeReference, RangeTableEntry
from engine.sql.functions.comparison import comparison_key
from engine.sql.planner.modify import plan_modification
from engine.sql.planner.plans import (
    Aggregate,
    Filter,
    FunctionScan,
    Layout,
    Limit,
    Narrow,
    NestedLoop,
    OneRow,
    Plan,
    Project,
    ProjectSet,
    SeqScan,
    SetOperationPlan,
    Sort,
    SortColumn,
    Unique,
    ValuesScan,
    VirtualScan,
)

BOOLEAN: Final = t.BOOL


def plan_query(query: Query) -> Plan:
    """The plan of an analyzed query."""
    if query.has_subqueries:
        for expression in all_expressions(query):
            _plan_subqueries(expression)
    if query.command != "select":
        return plan_modification(query, Planner(query))
    return _plan_select(query)


def all_expressions(query: Query) -> Iterator[Expression]:
    """Every expression of this level of a query."""
    yield from (target.expression for target in (*query.targets, *query.returning))
    yield from (expression for _, expression in query.assignments)
    yield from query.group_by
    for one in (query.where, query.having, query.limit, query.offset):
        if one is not None:
            yield one
    for item in query.from_items:
        yield from _join_conditions(item)
    for entry in query.range_table:
        if entry.function is not None:
            yield entry.function
        for row in entry.values or ():
            yield from row


def _join_conditions(tree: FromTree) -> Iterator[Expression]:
    if isinstance(tree, Join):
        if tree.condition is not None:
            yield tree.condition
        yield from _join_conditions(tree.left)
        yield from _join_conditions(tree.right)


def _plan_subqueries(expression: Expression) -> None:
    for node in walk(expression):
        if isinstance(node, SubqueryResult) and isinstance(node.query, Query):
            node.query = plan_query(node.query)


def _plan_select(query: Query) -> Plan:
    planner = Planner(query)
    if query.set_operation is None:
        plan, layout = planner.plan_from()
    else:
        plan, layout = planner.plan_set_operation(), Layout({0: 0})
    if query.has_aggregates or query.group_by or query.having is not None:
        plan, layout = _aggregate(query, plan, layout)
    plan = _project(query, plan, layout)
    visible = len(query.output)
    if query.distinct:
        types = [target.expression.type_oid for target in query.output]
        plan = Unique(input=plan, keys=[comparison_key(kind) for kind in types], width=plan.width)
    if query.order_by:
        plan = Sort(input=plan, columns=_sort_columns(query), width=plan.width)
    if visible < plan.width:
        plan = Narrow(input=plan, width=visible)
    if query.limit is not None or query.offset is not None:
        plan = Limit(input=plan, limit=query.limit, offset=query.offset, width=plan.width)
    return plan


def _sort_columns(query: Query) -> list[SortColumn]:
    # Junk columns may stand between visible ones in the target list, but come last in the row.
    order = [*_positions(query, junk=False), *_positions(query, junk=True)]
    return [
        SortColumn(
            position=order.index(key.target),
            descending=key.descending,
            nulls_first=key.nulls_first,
            key=comparison_key(query.targets[key.target].expression.type_oid),
        )
        for key in query.order_by
    ]


def _positions(query: Query, *, junk: bool) -> list[int]:
    return [index for index, target in enumerate(query.targets) if target.junk == junk]


def _project(query: Query, plan: Plan, layout: Layout) -> Plan:
    order = [*_positions(query, junk=False), *_positions(query, junk=True)]
    expressions = [query.targets[index].expression for index in order]
    if query.has_set_functions and _has_set(expressions):
        return ProjectSet(
            input=plan, layout=layout, expressions=expressions, width=len(expressions)
        )
    if _is_identity(expressions, layout, plan.width):
        return plan
    return Project(input=plan, layout=layout, expressions=expressions, width=len(expressions))


def _has_set(expressions: list[Expression]) -> bool:
    """Whether output columns are sets; a set deeper inside an expression is refused."""
    sets = [one for one in expressions if _returns_set(one)]
    for expression in expressions:
        if expression not in sets and any(_returns_set(node) for node in walk(expression)):
            raise not_supported("a set-returning function inside an expression")
    return bool(sets)


def _returns_set(expression: Expression) -> bool:
    return isinstance(expression, FunctionCall) and expression.function.returns_set


def _is_identity(expressions: list[Expression], layout: Layout, width: int) -> bool:
    """Whether the output is the input row as it stands."""
    if len(expressions) != width or layout.computed:
        return False
    return all(
        isinstance(expression, Var)
        and expression.levels_up == 0
        and layout.position(expression) == index
        for index, expression in enumerate(expressions)
    )


def _aggregate(query: Query, plan: Plan, layout: Layout) -> tuple[Plan, Layout]:
    calls: list[AggregateCall] = []
    sources = [target.expression for target in query.targets]
    if query.having is not None:
        sources.append(query.having)
    for source in sources:
        for node in walk(source):
            if isinstance(node, AggregateCall) and node not in calls:
                calls.append(node)
    groups = query.group_by
    width = len(groups) + len(calls)
    grouped: Plan = Aggregate(input=plan, layout=layout, groups=groups, calls=calls, width=width)
    results: list[Expression] = [*groups, *calls]
    after = Layout(computed=[(result, index) for index, result in enumerate(results)])
    if query.having is not None:
        grouped = Filter(input=grouped, layout=after, condition=query.having, width=width)
    return grouped, after


class Planner:
    """Plans the FROM part of one query."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._used, self.system = _used_columns(query)

    def plan_from(self) -> tuple[Plan, Layout]:
        """The join of all FROM items, filtered by WHERE, and its layout."""
        query = self._query
        conditions = conjuncts(query.where)
        if not query.from_items:
            plan: Plan = OneRow(width=0)
            return self.filtered(plan, Layout(), conditions), Layout()
        plan, layout = self._tree(query.from_items[0], conditions)
        for item in query.from_items[1:]:
            right, right_layout = self._tree(item, conditions)
            plan, layout = self._join("inner", plan, layout, right, right_layout, None)
            here = [one for one in conditions if _fits(one, layout)]
            for one in here:
                conditions.remove(one)
            plan = self.filtered(plan, layout, here)
        return self.filtered(plan, layout, conditions), layout

    def plan_set_operation(self) -> Plan:
        """Both sides of a UNION, INTERSECT or EXCEPT."""
        operation = self._query.set_operation
        if operation is None:
            raise not_supported("a set operation")
        left, right = plan_query(operation.left), plan_query(operation.right)
        types = [target.expression.type_oid for target in operation.left.output]
        return SetOperationPlan(
            kind=operation.kind,
            all=operation.all,
            left=left,
            right=right,
            keys=[comparison_key(kind) for kind in types],
            width=left.width,
        )

    def _tree(self, tree: FromTree, conditions: list[Expression]) -> tuple[Plan, Layout]:
        """A FROM tree; conditions that it can judge alone are applied and taken off the list."""
        if isinstance(tree, RangeReference):
            return self.scan(tree.entry, conditions)
        # Below the nullable side of a LEFT JOIN, a WHERE condition would say something else.
        left, left_layout = self._tree(tree.left, conditions)
        below = conditions if tree.kind == "inner" else []
        right, right_layout = self._tree(tree.right, below)
        return self._join(tree.kind, left, left_layout, right, right_layout, tree.condition)

    def _join(
        self,
        kind: str,
        left: Plan,
        left_layout: Layout,
        right: Plan,
        right_layout: Layout,
        condition: Expression | None,
    ) -> tuple[Plan, Layout]:
        layout = left_layout.joined(right_layout, left.width)
        plan = NestedLoop(
            kind=kind,
            left=left,
            right=right,
            layout=layout,
            condition=condition,
            width=left.width + right.width,
        )
        return plan, layout

    def scan(self, index: int, conditions: list[Expression]) -> tuple[Plan, Layout]:
        """One range table entry, with the conditions that only it is needed for."""
        entry = self._query.range_table[index]
        width = _entry_width(entry)
        layout = Layout({index: 0}, {index: width}, self.system)
        here = [one for one in conditions if _fits(one, layout)]
        for one in here:
            conditions.remove(one)
        if entry.relation is not None:
            condition = conjunction(here)
            scan = SeqScan(
                relation=entry.relation,
                layout=layout,
                condition=condition,
                needed=self._used.get(index, 0),
                filter_needed=highest_attribute(condition),
                system=self.system,
                width=width + len(self.system),
            )
            return scan, layout
        return self.filtered(_source(entry, width), layout, here), layout

    def filtered(self, plan: Plan, layout: Layout, conditions: list[Expression]) -> Plan:
        """The plan, with a filter on top if there is anything to judge."""
        condition = conjunction(conditions)
        if condition is None:
            return plan
        return Filter(input=plan, layout=layout, condition=condition, width=plan.width)


def _entry_width(entry: RangeTableEntry) -> int:
    if entry.relation is not None:
        return len(entry.relation.descriptor.attributes)
    return len(entry.columns)


def _source(entry: RangeTableEntry, width: int) -> Plan:
    if entry.virtual is not None:
        return VirtualScan(table=entry.virtual, width=width)
    if entry.function is not None:
        return FunctionScan(call=entry.function, with_ordinality=entry.with_ordinality, width=width)
    if entry.subquery is not None:
        return plan_query(entry.subquery)
    rows = entry.values or []
    return values_scan(rows, width)


def values_scan(rows: list[list[Expression]], width: int) -> ValuesScan:
    """A VALUES list, computed now if it is made of constants."""
    constants: list[tuple[object, ...]] = []
    for row in rows:
        values = [one.value for one in row if isinstance(one, Const)]
        if len(values) != len(row):
            return ValuesScan(rows=rows, width=width)
        constants.append(tuple(values))
    return ValuesScan(rows=rows, constants=constants, width=width)


def conjuncts(condition: Expression | None) -> list[Expression]:
    """The parts of a condition that must all be true."""
    if condition is None:
        return []
    if isinstance(condition, BooleanLogic) and condition.kind == "and":
        return [part for argument in condition.arguments for part in conjuncts(argument)]
    return [condition]


def conjunction(conditions: list[Expression]) -> Expression | None:
    """One condition for all."""
    if not conditions:
        return None
    if len(conditions) == 1:
        return conditions[0]
    return BooleanLogic(type_oid=BOOLEAN, kind="and", arguments=tuple(conditions))


def _fits(condition: Expression, layout: Layout) -> bool:
    """Whether the layout has every column that the condition reads."""
    return all(node.entry in layout.offsets for node in walk(condition) if isinstance(node, Var))


def highest_attribute(expression: Expression | None) -> int:
    """The last column that an expression over one table reads; 0 for none."""
    if expression is None:
        return 0
    return max((node.attribute for node in walk(expression) if isinstance(node, Var)), default=0)


def _used_columns(query: Query) -> tuple[dict[int, int], tuple[int, ...]]:
    """Per entry the last column that anybody reads; and the system columns that are read."""
    used: dict[int, int] = {}
    system: list[int] = []
    for expression in all_expressions(query):
        for node in walk(expression):
            if isinstance(node, Var) and node.levels_up == 0:
                if node.attribute > 0:
                    used[node.entry] = max(used.get(node.entry, 0), node.attribute)
                elif node.attribute not in system:
                    system.append(node.attribute)
    return used, tuple(system)
