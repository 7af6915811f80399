"""Uncorrelated subqueries inside expressions: run once, when first asked for (InitPlan)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from engine.errors import SqlError, not_supported
from engine.sql.analyzer.expressions import SubqueryResult
from engine.sql.executor.context import Evaluate, ExecutionContext


def compile_subquery(
    node: SubqueryResult, argument: Evaluate | None, context: ExecutionContext
) -> Evaluate:
    """The closure for a scalar subquery, EXISTS or `argument = ANY (subquery)`."""
    if node.kind == "exists":
        return _once(lambda: _exists(node, context))
    if node.kind == "scalar":
        return _once(lambda: _scalar(node, context))
    if node.operator is None or argument is None:
        raise not_supported("this form of subquery")
    return _any(node, argument, node.operator.implementation, context)


def _once(compute: Any) -> Evaluate:
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


def _any(
    node: SubqueryResult, argument: Evaluate, compare: Any, context: ExecutionContext
) -> Evaluate:
    column = _once(lambda: [row[0] for row in context.run(node.query, context)])

    def compute(row: Sequence[Any]) -> Any:
        values = column(())
        if not values:
            return False
        value = argument(row)
        if value is None:
            return None
        result: Any = False
        for other in values:
            if other is None:
                result = None
            elif compare(value, other):
                return True
        return result

    return compute
