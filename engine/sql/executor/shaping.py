"""Rows into other rows: filters, projections, joins, sorting, limits, set operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from engine.errors import SqlError, SqlState
from engine.sql.analyzer.expressions import Expression, FunctionCall
from engine.sql.executor.context import Evaluate, ExecutionContext, Row
from engine.sql.executor.expressions import compile_all, compile_expression, evaluate_once
from engine.sql.functions.comparison import Key
from engine.sql.planner.plans import (
    Filter,
    Layout,
    Limit,
    Narrow,
    NestedLoop,
    Project,
    ProjectSet,
    SetOperationPlan,
    Sort,
    SortColumn,
    Unique,
)

_LARGEST_COUNT = 2**63 - 1


def filter_rows(plan: Filter, context: ExecutionContext) -> Iterator[Row]:
    """The rows for which the condition is true."""
    qualifies = compile_expression(plan.condition, plan.layout, context)
    return (row for row in context.run(plan.input, context) if qualifies(row))


def project(plan: Project, context: ExecutionContext) -> Iterator[Row]:
    """Each row's output columns."""
    columns = compile_all(plan.expressions, plan.layout, context)
    rows = context.run(plan.input, context)
    if len(columns) == 1:
        only = columns[0]
        return ((only(row),) for row in rows)
    if len(columns) == 2:
        first, second = columns
        return ((first(row), second(row)) for row in rows)
    return (tuple([column(row) for column in columns]) for row in rows)


def project_set(plan: ProjectSet, context: ExecutionContext) -> Iterator[Row]:
    """For each row as many as its longest set has; shorter sets are filled up with nulls."""
    columns: list[tuple[bool, Any]] = []
    for expression in plan.expressions:
        if isinstance(expression, FunctionCall) and expression.function.returns_set:
            columns.append((True, _set_of(expression, plan.layout, context)))
        else:
            columns.append((False, compile_expression(expression, plan.layout, context)))
    for row in context.run(plan.input, context):
        sets = [make(row) for is_set, make in columns if is_set]
        while True:
            parts = [next(one, None) for one in sets]
            if all(part is None for part in parts):
                break
            context.services.interrupts.check()
            values = iter(parts)
            yield tuple(
                [_set_value(next(values)) if is_set else make(row) for is_set, make in columns]
            )


def _set_value(part: Sequence[Any] | None) -> Any:
    return None if part is None else part[0]


def _set_of(
    call: FunctionCall, layout: Layout, context: ExecutionContext
) -> Callable[[Row], Iterator[Row]]:
    arguments = compile_all(call.arguments, layout, context)
    function = call.function

    def make(row: Row) -> Iterator[Row]:
        values = [argument(row) for argument in arguments]
        if function.strict and None in values:
            return iter(())
        rows: Iterator[Row] = iter(function.implementation(*values))
        return rows

    return make


def nested_loop(plan: NestedLoop, context: ExecutionContext) -> Iterator[Row]:
    """Each left row beside each right one that matches; the right side is read once and kept."""
    right = [tuple(row) for row in _complete(plan.right.width, context.run(plan.right, context))]
    matches: Evaluate | None = None
    if plan.condition is not None:
        matches = compile_expression(plan.condition, plan.layout, context)
    nulls = (None,) * plan.right.width
    for left in _complete(plan.left.width, context.run(plan.left, context)):
        context.services.interrupts.check()
        base = tuple(left)
        found = False
        for other in right:
            row = base + other
            if matches is None or matches(row):
                found = True
                yield row
        if not found and plan.kind == "left":
            yield base + nulls


def _complete(width: int, rows: Iterator[Row]) -> Iterator[Row]:
    """Rows of full width: a scan leaves out the trailing columns that nobody reads."""
    for row in rows:
        missing = width - len(row)
        yield (*row, *(None,) * missing) if missing else row


def sort(plan: Sort, context: ExecutionContext) -> Iterator[Row]:
    """All rows in order; stable, by one key after the other from the last."""
    rows = list(context.run(plan.input, context))
    sort_rows(rows, plan.columns)
    return iter(rows)


def sort_rows(rows: list[Any], columns: Sequence[SortColumn]) -> None:
    """Sort in place."""
    for column in reversed(columns):
        rows.sort(key=_sort_key(column), reverse=column.descending)


def _sort_key(column: SortColumn) -> Callable[[Row], Any]:
    position, key = column.position, column.key
    null_sorts_last = column.descending == column.nulls_first

    def of(row: Row) -> tuple[bool, Any]:
        value = row[position]
        if value is None:
            return (null_sorts_last, 0)
        return (not null_sorts_last, value if key is None else key(value))

    return of


def hashable(row: Row, keys: Sequence[Key | None]) -> tuple[Any, ...]:
    """What makes two rows the same for DISTINCT and GROUP BY: nulls are equal."""
    return tuple(
        [
            value if key is None or value is None else key(value)
            for value, key in zip(row, keys, strict=False)
        ]
    )


def unique(plan: Unique, context: ExecutionContext) -> Iterator[Row]:
    """Each different row the first time that it comes."""
    seen: set[tuple[Any, ...]] = set()
    for row in context.run(plan.input, context):
        mark = hashable(row, plan.keys)
        if mark not in seen:
            seen.add(mark)
            yield row


def limit(plan: Limit, context: ExecutionContext) -> Iterator[Row]:
    """OFFSET rows are skipped, LIMIT rows are given."""
    skip = _count(plan.offset, "OFFSET", context) or 0
    count = _count(plan.limit, "LIMIT", context)
    stop = None if count is None else min(skip + count, _LARGEST_COUNT)
    if count == 0:
        return iter(())
    return islice(context.run(plan.input, context), min(skip, _LARGEST_COUNT), stop)


def _count(expression: Expression | None, clause: str, context: ExecutionContext) -> int | None:
    if expression is None:
        return None
    value = evaluate_once(expression, context)
    if value is None:
        return None
    if value < 0:
        is_limit = clause == "LIMIT"
        raise SqlError(
            SqlState.INVALID_ROW_COUNT_IN_LIMIT
            if is_limit
            else SqlState.INVALID_ROW_COUNT_IN_OFFSET,
            f"{clause} must not be negative",
        )
    return int(value)


def narrow(plan: Narrow, context: ExecutionContext) -> Iterator[Row]:
    """The leading columns of each row."""
    width = plan.width
    return (row[:width] for row in context.run(plan.input, context))


def set_operation(plan: SetOperationPlan, context: ExecutionContext) -> Iterator[Row]:
    """UNION, INTERSECT and EXCEPT, with and without ALL."""
    left, right = context.run(plan.left, context), context.run(plan.right, context)
    keys = plan.keys
    if plan.kind == "union":
        rows = chain(left, right)
        return rows if plan.all else _distinct(rows, keys)
    others = Counter(hashable(row, keys) for row in right)
    if plan.kind == "intersect":
        return _intersect(left, others, keys, plan.all)
    return _except(left, others, keys, plan.all)


def _distinct(rows: Iterator[Row], keys: Sequence[Key | None]) -> Iterator[Row]:
    seen: set[tuple[Any, ...]] = set()
    for row in rows:
        mark = hashable(row, keys)
        if mark not in seen:
            seen.add(mark)
            yield row


def _intersect(
    left: Iterator[Row], others: Counter[tuple[Any, ...]], keys: Sequence[Key | None], every: bool
) -> Iterator[Row]:
    for row in left:
        mark = hashable(row, keys)
        if others[mark] > 0:
            others[mark] = others[mark] - 1 if every else 0
            yield row


def _except(
    left: Iterator[Row], others: Counter[tuple[Any, ...]], keys: Sequence[Key | None], every: bool
) -> Iterator[Row]:
    for row in left:
        mark = hashable(row, keys)
        if others[mark] > 0:
            if every:
                others[mark] -= 1
            continue
        if not every:
            others[mark] = 1
        yield row
