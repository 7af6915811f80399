"""An analyzed statement: what a parse tree means, with all names and types settled.

Ranges of rows are in `range_table`; expressions refer to them by index (`Var.entry`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.sql.analyzer.expressions import Expression, FunctionCall, SortKey, Var


@dataclass(slots=True)
class RangeColumn:
    """One column that a range table entry offers."""

    name: str
    type_oid: int
    typmod: int = -1
    attribute: int = 0


@dataclass(slots=True)
class RangeTableEntry:
    """One source of rows: exactly one of the fields below the columns is set.

    `alias` is the name that qualifies its columns.
    """

    alias: str
    columns: list[RangeColumn]
    relation: Any | None = None
    virtual: Any | None = None
    function: FunctionCall | None = None
    with_ordinality: bool = False
    values: list[list[Expression]] | None = None
    subquery: Query | None = None


@dataclass(slots=True)
class RangeReference:
    """A leaf of the FROM tree: an index into the range table."""

    entry: int


@dataclass(slots=True)
class Join:
    """A join of two FROM trees; `kind` is inner or left."""

    kind: str
    left: FromTree
    right: FromTree
    condition: Expression | None


FromTree = RangeReference | Join


@dataclass(slots=True)
class TargetEntry:
    """One output column. A `junk` one is computed for sorting only."""

    expression: Expression
    name: str
    junk: bool = False


@dataclass(slots=True)
class OutputOrder:
    """One key of ORDER BY or DISTINCT: an index into the target list."""

    target: int
    descending: bool = False
    nulls_first: bool = False


@dataclass(slots=True)
class Query:
    """A SELECT, VALUES, INSERT, UPDATE or DELETE.

    For INSERT, `targets` has one entry per column of the table in order, over the rows of `source`
    (range table entry 1) or, with `source` None, over one row of nothing. For UPDATE, `assignments`
    maps attribute numbers to expressions over the old row. `outer_references` are the columns of
    outer query levels that it reads, in it or below. `result_entry` is the range table index of the
    modified relation.
    """

    command: str
    range_table: list[RangeTableEntry] = field(default_factory=list)
    from_items: list[FromTree] = field(default_factory=list)
    where: Expression | None = None
    targets: list[TargetEntry] = field(default_factory=list)
    group_by: list[Expression] = field(default_factory=list)
    having: Expression | None = None
    has_aggregates: bool = False
    has_subqueries: bool = False
    has_set_functions: bool = False
    distinct: bool = False
    distinct_on: list[int] | None = None
    order_by: list[OutputOrder] = field(default_factory=list)
    limit: Expression | None = None
    offset: Expression | None = None
    set_operation: SetOperation | None = None
    locking: bool = False
    result_entry: int | None = None
    assignments: list[tuple[int, Expression]] = field(default_factory=list)
    returning: list[TargetEntry] = field(default_factory=list)
    returns_rows: bool = True
    outer_references: list[Var] = field(default_factory=list)

    @property
    def output(self) -> list[TargetEntry]:
        """The columns that a client sees."""
        if self.command != "select":
            return self.returning
        return [target for target in self.targets if not target.junk]


@dataclass(slots=True)
class SetOperation:
    """UNION, INTERSECT, EXCEPT of two queries; the outer query's targets are over its rows."""

    kind: str
    all: bool
    left: Query
    right: Query


__all__ = [
    "FromTree",
    "Join",
    "OutputOrder",
    "Query",
    "RangeColumn",
    "RangeReference",
    "RangeTableEntry",
    "SetOperation",
    "SortKey",
    "TargetEntry",
]
