"""One function per kind of plan node, and the object that a session pulls rows from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from engine.errors import not_supported
from engine.sql.executor.aggregation import aggregate_rows
from engine.sql.executor.context import ExecutionContext, Row
from engine.sql.executor.modification import modify_table
from engine.sql.executor.scans import (
    function_scan,
    one_row,
    seq_scan,
    values_scan,
    virtual_scan,
)
from engine.sql.executor.shaping import (
    filter_rows,
    limit,
    narrow,
    nested_loop,
    project,
    project_set,
    set_operation,
    sort,
    unique,
)
from engine.sql.functions.system import OID_NAMES
from engine.sql.planner.plans import (
    Aggregate,
    Filter,
    FunctionScan,
    Limit,
    ModifyTable,
    Narrow,
    NestedLoop,
    OneRow,
    Plan,
    Project,
    ProjectSet,
    SeqScan,
    SetOperationPlan,
    Sort,
    Unique,
    ValuesScan,
    VirtualScan,
)
from engine.sql.type_table import NamedOid

NodeFunction = Callable[[Any, ExecutionContext], Iterator[Row]]

_NODES: Final[dict[type, NodeFunction]] = {
    OneRow: one_row,
    SeqScan: seq_scan,
    VirtualScan: virtual_scan,
    FunctionScan: function_scan,
    ValuesScan: values_scan,
    Filter: filter_rows,
    Project: project,
    ProjectSet: project_set,
    NestedLoop: nested_loop,
    Sort: sort,
    Unique: unique,
    Limit: limit,
    Narrow: narrow,
    Aggregate: aggregate_rows,
    SetOperationPlan: set_operation,
    ModifyTable: modify_table,
}


def run_plan(plan: Plan, context: ExecutionContext) -> Iterator[Row]:
    """Start a plan: its rows, made as they are pulled."""
    function = _NODES.get(type(plan))
    if function is None:
        raise not_supported(f"plan node {type(plan).__name__}")
    return function(plan, context)


class QueryExecution:
    """A running query. A statement that changes rows runs to its end at the first `fetch`.

    `names` are the positions and types of columns whose oids are shown as names.
    """

    def __init__(
        self,
        plan: Plan,
        command: str,
        context: ExecutionContext,
        width: int,
        names: Sequence[tuple[int, int]] = (),
    ) -> None:
        self._command = command
        self._context = context
        self._rows: Iterator[Row] | None = None
        self._plan = plan
        self._width = width
        self._names = names
        self._returns_rows = not isinstance(plan, ModifyTable) or plan.returning is not None
        self.done = False
        self.tag = ""

    def fetch(self, limit: int | None = None) -> list[tuple[Any, ...]]:
        """The next rows, at most `limit`; `done` is set when these were the last."""
        transactions = self._context.services.transactions
        transactions.set_active_snapshot(self._context.snapshot)
        try:
            return self._fetch(limit)
        finally:
            transactions.set_active_snapshot(None)

    def _fetch(self, limit: int | None) -> list[tuple[Any, ...]]:
        if self.done:
            return []
        if self._rows is None:
            self._rows = run_plan(self._plan, self._context)
            if self._command != "select":
                self._rows = iter(list(self._rows))
        if limit is None:
            fetched = list(self._rows)
            self.done = True
        else:
            fetched = list(islice(self._rows, limit))
            self.done = len(fetched) < limit
        # A scan may hand up longer rows than the query's; both are sequences.
        width = self._width
        rows = [tuple(row) if len(row) == width else tuple(row)[:width] for row in fetched]
        if self._names:
            rows = [self._with_names(row) for row in rows]
        self._finish(len(rows))
        if self.done:
            # The portal may stay open for long: what its snapshot sees need not (MVCC-4).
            self._rows = None
            self._context.snapshot = None
        return rows

    def _with_names(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        values = list(row)
        for position, type_oid in self._names:
            if values[position] is not None:
                shown = OID_NAMES[type_oid].implementation(self._context.services, values[position])
                values[position] = NamedOid(values[position], shown)
        return tuple(values)

    def _finish(self, fetched: int) -> None:
        if self._command == "select":
            self.tag = f"SELECT {fetched}"
            return
        processed = self._context.processed
        word = self._command.upper()
        self.tag = f"INSERT 0 {processed}" if word == "INSERT" else f"{word} {processed}"
        if not self._returns_rows:
            self.done = True

    def close(self) -> None:
        """Forget what is left: the portal is closed."""
        self.done = True
        self._rows = None
        self._context.snapshot = None
