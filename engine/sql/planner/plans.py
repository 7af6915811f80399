"""Plan nodes: how a query is run, as a tree. The executor has one function per node.

Each node hands rows up. A node's expressions are over its input's rows; its `Layout` says where in
such a row the column of a range table entry, or the value of a whole expression, is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.lmgr.modes import LockMode
from engine.sql.analyzer.expressions import AggregateCall, Expression, FunctionCall, Var
from engine.sql.functions.comparison import Key


@dataclass(slots=True)
class Layout:
    """Where expressions find their values in an input row.

    `offsets` maps a range table entry to the position of its first column; `widths` to how many
    ordinary columns it has, behind which its system columns follow in the order of `system`.
    `computed` are expressions whose values the row holds, at the positions beside them.
    """

    offsets: dict[int, int] = field(default_factory=dict)
    widths: dict[int, int] = field(default_factory=dict)
    system: tuple[int, ...] = ()
    computed: list[tuple[Expression, int]] = field(default_factory=list)

    def position(self, var: Var) -> int:
        """Where the row holds a column."""
        start = self.offsets[var.entry]
        if var.attribute > 0:
            return start + var.attribute - 1
        return start + self.widths[var.entry] + self.system.index(var.attribute)

    def computed_position(self, expression: Expression) -> int | None:
        """Where the row holds the value of a whole expression, None when it does not."""
        for known, position in self.computed:
            if known == expression:
                return position
        return None

    def joined(self, right: Layout, shift: int) -> Layout:
        """The layout of a left row followed by a right one."""
        moved = {entry: offset + shift for entry, offset in right.offsets.items()}
        return Layout(self.offsets | moved, self.widths | right.widths, self.system)


@dataclass(slots=True, kw_only=True)
class Plan:
    """A node: the width of its rows is `width`."""

    width: int


@dataclass(slots=True, kw_only=True)
class OneRow(Plan):
    """A single row without columns: a SELECT without FROM."""


@dataclass(slots=True, kw_only=True)
class SeqScan(Plan):
    """The visible rows of a table that pass the filter.

    `needed` is how many leading columns anybody looks at; `system` the system columns to append.
    """

    relation: Any
    layout: Layout
    condition: Expression | None = None
    needed: int | None = None
    filter_needed: int | None = None
    system: tuple[int, ...] = ()


@dataclass(slots=True, kw_only=True)
class VirtualScan(Plan):
    """The rows of a virtual table."""

    table: Any


@dataclass(slots=True, kw_only=True)
class FunctionScan(Plan):
    """The rows of a function call."""

    call: FunctionCall
    with_ordinality: bool


@dataclass(slots=True, kw_only=True)
class ValuesScan(Plan):
    """The rows of a VALUES list; `constants` has them when nothing is left to compute."""

    rows: Sequence[Sequence[Expression]]
    constants: list[tuple[Any, ...]] | None = None


@dataclass(slots=True, kw_only=True)
class Filter(Plan):
    """The rows that pass a condition."""

    input: Plan
    layout: Layout
    condition: Expression


@dataclass(slots=True, kw_only=True)
class Project(Plan):
    """Other columns, computed from the input's."""

    input: Plan
    layout: Layout
    expressions: list[Expression]


@dataclass(slots=True, kw_only=True)
class ProjectSet(Plan):
    """As `Project`, where some expressions yield several rows each, side by side."""

    input: Plan
    layout: Layout
    expressions: list[Expression]


@dataclass(slots=True, kw_only=True)
class NestedLoop(Plan):
    """A join: for each left row all right rows; `kind` is inner or left."""

    kind: str
    left: Plan
    right: Plan
    layout: Layout
    condition: Expression | None


@dataclass(slots=True, kw_only=True)
class SortColumn:
    """One key of a sort: a position in the row."""

    position: int
    descending: bool
    nulls_first: bool
    key: Key | None


@dataclass(slots=True, kw_only=True)
class Sort(Plan):
    """All rows in order."""

    input: Plan
    columns: list[SortColumn]


@dataclass(slots=True, kw_only=True)
class Unique(Plan):
    """Each different row once; `keys` make comparable what is not by itself."""

    input: Plan
    keys: list[Key | None]


@dataclass(slots=True, kw_only=True)
class Limit(Plan):
    """Some rows from the middle."""

    input: Plan
    limit: Expression | None
    offset: Expression | None


@dataclass(slots=True, kw_only=True)
class Narrow(Plan):
    """The leading columns of each row: without those that were only sorted by."""

    input: Plan


@dataclass(slots=True, kw_only=True)
class Aggregate(Plan):
    """One row per group: the group's keys, then the aggregates' results.

    Without groups there is exactly one row, also over no input.
    """

    input: Plan
    layout: Layout
    groups: list[Expression]
    calls: list[AggregateCall]


@dataclass(slots=True, kw_only=True)
class SetOperationPlan(Plan):
    """UNION, INTERSECT, EXCEPT."""

    kind: str
    all: bool
    left: Plan
    right: Plan
    keys: list[Key | None]


@dataclass(slots=True, kw_only=True)
class ModifyTable(Plan):
    """INSERT, UPDATE or DELETE; its rows are those of RETURNING.

    For INSERT, `input` makes complete rows; for UPDATE and DELETE it is the scan of the table.
    """

    command: str
    relation: Any
    input: Plan
    layout: Layout
    assignments: list[tuple[int, Expression]]
    returning: list[Expression] | None
    not_null: list[int]
    system: tuple[int, ...] = ()


@dataclass(slots=True)
class RelationLock:
    """A relation that must be locked before the plan runs."""

    database: int
    oid: int
    mode: LockMode
