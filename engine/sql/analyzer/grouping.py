"""Whether a grouped query uses ungrouped columns (`parse_agg.c`, check_ungrouped_columns)."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import SqlState
from engine.sql.analyzer.expressions import AggregateCall, Expression, SubqueryResult, Var
from engine.sql.analyzer.scope import Scope


def check_grouped(
    scope: Scope, expressions: Sequence[Expression], groups: Sequence[Expression]
) -> None:
    """42803 for a column that is neither grouped by nor inside an aggregate."""
    for expression in expressions:
        _check(scope, expression, groups)


def _check(scope: Scope, expression: Expression, groups: Sequence[Expression]) -> None:
    if any(expression == group for group in groups):
        return
    if isinstance(expression, AggregateCall):
        return
    if isinstance(expression, Var) and expression.levels_up == 0:
        entry = scope.query.range_table[expression.entry]
        raise scope.error(
            SqlState.GROUPING_ERROR,
            f'column "{entry.alias}.{expression.name}" must appear in the GROUP BY clause '
            "or be used in an aggregate function",
            expression.location,
        )
    if isinstance(expression, SubqueryResult):
        _check_references(scope, expression, groups)
        if expression.argument is not None:
            _check(scope, expression.argument, groups)
        return
    for child in expression.children():
        _check(scope, child, groups)


def _check_references(scope: Scope, subquery: SubqueryResult, groups: Sequence[Expression]) -> None:
    for var in subquery.references:
        if var.levels_up == 0 and var not in groups:
            entry = scope.query.range_table[var.entry]
            raise scope.error(
                SqlState.GROUPING_ERROR,
                f'subquery uses ungrouped column "{entry.alias}.{var.name}" from outer query',
                var.location,
            )
