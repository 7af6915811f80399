"""Subqueries in expressions: run once when first asked for, or for each row that they read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from engine.errors import SqlError, not_supported
from engine.sql.analyzer.expressions import SubqueryResult
from engine.sql.executor.context import Evaluate, ExecutionContext
from engine.sql.planner.plans import Layout

Collect = Callable[[Sequence[Any]], Any]


def compile_subquery(
    node: SubqueryResult, argument: Evaluate | None, layout: Layout, context: ExecutionContext
) -> Evaluate:
    """The closure for a scalar subquery, EXISTS, `op ANY (...)` or `op ALL (...)`."""
    if node.kind == "exists":
        return _collector(node, _exists, layout, context)
    if node.kind == "scalar":
        return _collector(node, _scalar, layout, context)
    if node.operator is None or argument is None:
        raise not_supported("this form of subquery")
    column = _collector(node, _column, layout, context)
    return _quantified(argument, column, node.operator.implementation, node.kind == "all")


def _collector(
    node: SubqueryResult,
    collect: Callable[[SubqueryResult, ExecutionContext], Any],
    layout: Layout,
    context: ExecutionContext,
) -> Evaluate:
    if not node.references:
        return _once(lambda: collect(node, context))

    def for_row(row: Sequence[Any]) -> Any:
        context.outer.append((layout, row))
        try:
            return collect(node, context)
        finally:
            context.outer.pop()

    return for_row


def _once(compute: Callable[[], Any]) -> Evaluate:
    results: list[Any] = []

    def value(row: Sequence[Any]) -> Any:
        if not results:
            results.append(compute())
        return results[0]

    return value


def _exists(node: SubqueryResult, context: ExecutionContext) -> bool:
    return any(True for _ in context.run(node.query, context))


def _scalar(node: SubqueryResult, context: ExecutionContext) -> Any:
    rows = list(islice(context.run(node.query, context), 2))
    if len(rows) > 1:
        raise SqlError("21000", "more than one row returned by a subquery used as an expression")
    return rows[0][0] if rows else None


def _column(node: SubqueryResult, context: ExecutionContext) -> list[Any]:
    return [row[0] for row in context.run(node.query, context)]


def _quantified(
    argument: Evaluate, column: Evaluate, compare: Callable[..., Any], is_all: bool
) -> Evaluate:
    """ANY is true with one true comparison, ALL is false with one false one; nulls make unknown."""

    def compute(row: Sequence[Any]) -> Any:
        values = column(row)
        if not values:
            return is_all
        value = argument(row)
        if value is None:
            return None
        result: Any = is_all
        for other in values:
            if other is None:
                result = None
            elif bool(compare(value, other)) is not is_all:
                return not is_all
        return result

    return compute
