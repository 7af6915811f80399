"""Where rows come from: tables, virtual tables, functions, VALUES."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from engine.access.heap.tuple import tuple_cid, tuple_xmax, tuple_xmin
from engine.sql.executor.context import ExecutionContext, Row
from engine.sql.executor.expressions import compile_all, compile_expression
from engine.sql.planner.plans import (
    FunctionScan,
    Layout,
    OneRow,
    SeqScan,
    ValuesScan,
    VirtualScan,
)
from engine.sql.services import RowVersion

ROWS_BETWEEN_INTERRUPTS: Final = 1024

_SYSTEM_VALUES: Final[dict[int, Callable[[Any, RowVersion], Any]]] = {
    -1: lambda relation, version: version.tid,
    -2: lambda relation, version: tuple_xmin(version.page, version.offset),
    -3: lambda relation, version: tuple_cid(version.page, version.offset),
    -4: lambda relation, version: tuple_xmax(version.page, version.offset),
    -5: lambda relation, version: tuple_cid(version.page, version.offset),
    -6: lambda relation, version: relation.oid,
}


def one_row(plan: OneRow, context: ExecutionContext) -> Iterator[Row]:
    """The single row of a SELECT without FROM."""
    yield ()


def seq_scan(plan: SeqScan, context: ExecutionContext) -> Iterator[Row]:
    """The visible rows of a table that pass the filter, unpacked as far as needed."""
    relation, system = plan.relation, plan.system
    pages = context.services.table.scan_pages(relation, context.snapshot)
    if system:
        yield from _with_system_columns(plan, context)
        return
    needed = plan.needed
    if plan.condition is None:
        for page in pages:
            for version in page:
                yield version.values(needed)
        return
    qualifies = compile_expression(plan.condition, plan.layout, context)
    for page in pages:
        for version in page:
            row = version.values(needed)
            if qualifies(row):
                yield row


def _with_system_columns(plan: SeqScan, context: ExecutionContext) -> Iterator[Row]:
    relation, system = plan.relation, plan.system
    qualifies = None
    if plan.condition is not None:
        qualifies = compile_expression(plan.condition, plan.layout, context)
    for page in context.services.table.scan_pages(relation, context.snapshot):
        for version in page:
            row = version.values()
            row += system_values(relation, version, system)
            if qualifies is None or qualifies(row):
                yield row


def system_values(relation: Any, version: RowVersion, system: Sequence[int]) -> list[Any]:
    """The values of system columns of a row version."""
    return [_SYSTEM_VALUES[attribute](relation, version) for attribute in system]


def qualifying_versions(plan: SeqScan, context: ExecutionContext) -> Iterator[RowVersion]:
    """The row versions that an UPDATE or DELETE is about."""
    pages = context.services.table.scan_pages(plan.relation, context.snapshot)
    if plan.condition is None:
        for page in pages:
            yield from page
        return
    qualifies = compile_expression(plan.condition, plan.layout, context)
    system, needed = plan.system, plan.filter_needed
    if system:
        for page in pages:
            for version in page:
                row = version.values() + system_values(plan.relation, version, system)
                if qualifies(row):
                    yield version
        return
    for page in pages:
        for version in page:
            if qualifies(version.values(needed)):
                yield version


def virtual_scan(plan: VirtualScan, context: ExecutionContext) -> Iterator[Row]:
    """The rows of a virtual table."""
    yield from plan.table.rows(context.services)


def function_scan(plan: FunctionScan, context: ExecutionContext) -> Iterator[Row]:
    """The rows of a function in FROM: of its set, or the one of its value."""
    rows = function_rows(plan, context)
    number = 0
    while chunk := list(islice(rows, ROWS_BETWEEN_INTERRUPTS)):
        context.services.interrupts.check()
        if not plan.with_ordinality:
            yield from chunk
            continue
        for row in chunk:
            number += 1
            yield (*row, number)


def function_rows(plan: FunctionScan, context: ExecutionContext) -> Iterator[Row]:
    """The function's rows, as it makes them."""
    function = plan.call.function
    if not function.returns_set:
        value = compile_expression(plan.call, Layout(), context)(())
        return iter([(value,)])
    arguments = [evaluate(()) for evaluate in compile_all(plan.call.arguments, Layout(), context)]
    if function.strict and None in arguments:
        return iter(())
    rows: Iterator[Row] = function.implementation(*arguments)
    return rows


def values_scan(plan: ValuesScan, context: ExecutionContext) -> Iterator[Row]:
    """The rows of a VALUES list."""
    if plan.constants is not None:
        yield from plan.constants
        return
    layout = Layout()
    for expressions in plan.rows:
        yield [evaluate(()) for evaluate in compile_all(expressions, layout, context)]
