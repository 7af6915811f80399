"""GROUP BY and aggregates, by hashing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from engine.sql.analyzer.expressions import AggregateCall
from engine.sql.executor.context import Evaluate, ExecutionContext, Row
from engine.sql.executor.expressions import compile_all, compile_expression
from engine.sql.executor.shaping import hashable, sort_rows
from engine.sql.functions.comparison import comparison_key
from engine.sql.planner.plans import Aggregate, Layout, SortColumn

Advance = Callable[[Any, Row], Any]


class _Accumulator:
    """One aggregate call: its first state, what a row does to it, and its result."""

    __slots__ = ("advance", "finish", "start")

    def __init__(self, call: AggregateCall, layout: Layout, context: ExecutionContext) -> None:
        aggregate = call.aggregate
        initial = aggregate.initial
        self.start: Callable[[], Any] = lambda: initial
        self.finish: Callable[[Any], Any] = aggregate.final or (lambda state: state)
        if call.distinct or call.order:
            self.start = list
            self.advance = _collector(call, layout, context)
            self.finish = _deferred(call)
            return
        self.advance = _advance(call, layout, context)


def _advance(call: AggregateCall, layout: Layout, context: ExecutionContext) -> Advance:
    transition, strict = call.aggregate.transition, call.aggregate.strict
    arguments = compile_all(call.arguments, layout, context)
    if not arguments:
        step: Advance = lambda state, row: transition(state)  # noqa: E731
    elif len(arguments) == 1 and strict:
        step = _advance_one(transition, arguments[0])
    else:
        step = _advance_many(transition, arguments, strict)
    if call.condition is None:
        return step
    condition = compile_expression(call.condition, layout, context)
    return lambda state, row: step(state, row) if condition(row) else state


def _advance_one(transition: Callable[..., Any], argument: Evaluate) -> Advance:
    def advance(state: Any, row: Row) -> Any:
        value = argument(row)
        return state if value is None else transition(state, value)

    return advance


def _advance_many(
    transition: Callable[..., Any], arguments: list[Evaluate], strict: bool
) -> Advance:
    def advance(state: Any, row: Row) -> Any:
        values = [argument(row) for argument in arguments]
        if strict and None in values:
            return state
        return transition(state, *values)

    return advance


def _collector(call: AggregateCall, layout: Layout, context: ExecutionContext) -> Advance:
    """DISTINCT and ORDER BY inside the call: keep the arguments, run them at the end."""
    sources = [*call.arguments, *(key.expression for key in call.order)]
    columns = compile_all(sources, layout, context)
    condition = None
    if call.condition is not None:
        condition = compile_expression(call.condition, layout, context)

    def advance(state: list[Any], row: Row) -> Any:
        if condition is None or condition(row):
            state.append([column(row) for column in columns])
        return state

    return advance


def _deferred(call: AggregateCall) -> Callable[[Any], Any]:
    aggregate, count = call.aggregate, len(call.arguments)
    keys = [comparison_key(argument.type_oid) for argument in call.arguments]
    order = [
        SortColumn(
            position=count + index,
            descending=key.descending,
            nulls_first=key.nulls_first,
            key=comparison_key(key.expression.type_oid),
        )
        for index, key in enumerate(call.order)
    ]
    if call.distinct and not order:
        order = [
            SortColumn(position=index, descending=False, nulls_first=False, key=key)
            for index, key in enumerate(keys)
        ]

    def finish(rows: list[Any]) -> Any:
        sort_rows(rows, order)
        state = aggregate.initial
        seen: set[tuple[Any, ...]] = set()
        for row in rows:
            values = row[:count]
            if aggregate.strict and None in values:
                continue
            if call.distinct:
                mark = hashable(values, keys)
                if mark in seen:
                    continue
                seen.add(mark)
            state = aggregate.transition(state, *values)
        return aggregate.final(state) if aggregate.final else state

    return finish


def aggregate_rows(plan: Aggregate, context: ExecutionContext) -> Iterator[Row]:
    """One row per group, or the one row of an aggregate without groups."""
    accumulators = [_Accumulator(call, plan.layout, context) for call in plan.calls]
    rows = context.run(plan.input, context)
    if not plan.groups:
        yield _whole(accumulators, rows)
        return
    keys = [comparison_key(group.type_oid) for group in plan.groups]
    columns = compile_all(plan.groups, plan.layout, context)
    groups: dict[tuple[Any, ...], tuple[list[Any], list[Any]]] = {}
    for row in rows:
        values = [column(row) for column in columns]
        mark = hashable(values, keys)
        found = groups.get(mark)
        if found is None:
            found = groups[mark] = (values, [one.start() for one in accumulators])
        states = found[1]
        for index, accumulator in enumerate(accumulators):
            states[index] = accumulator.advance(states[index], row)
    for values, states in groups.values():
        results = [
            accumulator.finish(state)
            for accumulator, state in zip(accumulators, states, strict=True)
        ]
        yield (*values, *results)


def _whole(accumulators: list[_Accumulator], rows: Iterator[Row]) -> Row:
    if len(accumulators) == 1:
        only = accumulators[0]
        advance, state = only.advance, only.start()
        for row in rows:
            state = advance(state, row)
        return (only.finish(state),)
    states = [accumulator.start() for accumulator in accumulators]
    for row in rows:
        for index, accumulator in enumerate(accumulators):
            states[index] = accumulator.advance(states[index], row)
    return tuple(
        [accumulator.finish(state) for accumulator, state in zip(accumulators, states, strict=True)]
    )
