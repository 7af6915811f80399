"""The typed expressions that the analyzer makes, the planner rearranges and the executor compiles.

Two nodes are equal when they mean the same: locations do not count. Types are oids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.sql.functions.entries import Aggregate, Function, Operator


@dataclass(slots=True, kw_only=True)
class Expression:
    """What every expression has. `location` is the parse location, -1 when unknown."""

    type_oid: int
    typmod: int = -1
    location: int = field(default=-1, compare=False)

    def children(self) -> tuple[Expression, ...]:
        """The expressions directly below."""
        return ()


@dataclass(slots=True, kw_only=True)
class Const(Expression):
    """A value; None is null. An unknown-typed one holds the literal's text."""

    value: Any


@dataclass(slots=True, kw_only=True)
class Param(Expression):
    """`$number`, from 1."""

    number: int


@dataclass(slots=True, kw_only=True)
class Var(Expression):
    """A column of a range table entry; `attribute` counts from 1, negative for a system column.

    `levels_up` counts the query levels between the reference and the entry.
    """

    entry: int
    attribute: int
    levels_up: int = 0
    name: str = field(default="", compare=False)


@dataclass(slots=True, kw_only=True)
class InputColumn(Expression):
    """A column of the input row of a plan node; only the planner makes it."""

    index: int


@dataclass(slots=True, kw_only=True)
class FunctionCall(Expression):
    """A call of a built-in function."""

    function: Function
    arguments: tuple[Expression, ...]

    def children(self) -> tuple[Expression, ...]:
        return self.arguments


@dataclass(slots=True, kw_only=True)
class OperatorCall(Expression):
    """An operator applied to one or two arguments."""

    operator: Operator
    arguments: tuple[Expression, ...]

    def children(self) -> tuple[Expression, ...]:
        return self.arguments


@dataclass(slots=True, kw_only=True)
class BooleanLogic(Expression):
    """AND, OR, NOT in three-valued logic; `kind` is and, or, not."""

    kind: str
    arguments: tuple[Expression, ...]

    def children(self) -> tuple[Expression, ...]:
        return self.arguments


@dataclass(slots=True, kw_only=True)
class NullTest(Expression):
    """IS NULL, IS NOT NULL."""

    argument: Expression
    negated: bool

    def children(self) -> tuple[Expression, ...]:
        return (self.argument,)


@dataclass(slots=True, kw_only=True)
class BooleanTest(Expression):
    """IS [NOT] TRUE, FALSE, UNKNOWN: `tested` is the value (None: unknown)."""

    argument: Expression
    tested: bool | None
    negated: bool

    def children(self) -> tuple[Expression, ...]:
        return (self.argument,)


@dataclass(slots=True, kw_only=True)
class Case(Expression):
    """CASE; with a `subject`, conditions refer to its value as `CaseSubject`."""

    subject: Expression | None
    branches: tuple[tuple[Expression, Expression], ...]
    default: Expression

    def children(self) -> tuple[Expression, ...]:
        inside = tuple(part for branch in self.branches for part in branch)
        head = () if self.subject is None else (self.subject,)
        return (*head, *inside, self.default)


@dataclass(slots=True, kw_only=True)
class CaseSubject(Expression):
    """The value that the innermost CASE compares."""


@dataclass(slots=True, kw_only=True)
class Coalesce(Expression):
    """The first argument that is not null."""

    arguments: tuple[Expression, ...]

    def children(self) -> tuple[Expression, ...]:
        return self.arguments


@dataclass(slots=True, kw_only=True)
class Extreme(Expression):
    """GREATEST or LEAST of those that are not null."""

    greatest: bool
    arguments: tuple[Expression, ...]

    def children(self) -> tuple[Expression, ...]:
        return self.arguments


@dataclass(slots=True, kw_only=True)
class NullIf(Expression):
    """NULLIF: the first argument unless the operator says that both are equal."""

    operator: Operator
    arguments: tuple[Expression, ...]
    result: Expression

    def children(self) -> tuple[Expression, ...]:
        return (*self.arguments, self.result)


@dataclass(slots=True, kw_only=True)
class Distinct(Expression):
    """IS [NOT] DISTINCT FROM; `operator` is equality."""

    operator: Operator
    arguments: tuple[Expression, ...]
    negated: bool

    def children(self) -> tuple[Expression, ...]:
        return self.arguments


@dataclass(slots=True, kw_only=True)
class InList(Expression):
    """`argument = ANY (items)`, or with `negated` `argument <> ALL (items)`."""

    operator: Operator
    argument: Expression
    items: tuple[Expression, ...]
    negated: bool

    def children(self) -> tuple[Expression, ...]:
        return (self.argument, *self.items)


@dataclass(slots=True, kw_only=True)
class Coercion(Expression):
    """A change of type. Without `implementation` the value stays as it is.

    `takes_null` is false for all of them: null stays null. `implicit` ones do not show in names.
    """

    argument: Expression
    implementation: Callable[[Any], Any] | None
    implicit: bool = False

    def children(self) -> tuple[Expression, ...]:
        return (self.argument,)


@dataclass(slots=True, kw_only=True)
class AggregateCall(Expression):
    """A call of an aggregate over the rows of a group."""

    aggregate: Aggregate
    arguments: tuple[Expression, ...]
    distinct: bool = False
    condition: Expression | None = None
    order: tuple[SortKey, ...] = ()

    def children(self) -> tuple[Expression, ...]:
        condition = () if self.condition is None else (self.condition,)
        return (*self.arguments, *condition, *(key.expression for key in self.order))


@dataclass(slots=True, kw_only=True)
class Row(Expression):
    """ROW(...)."""

    arguments: tuple[Expression, ...]

    def children(self) -> tuple[Expression, ...]:
        return self.arguments


@dataclass(slots=True, kw_only=True)
class SubqueryResult(Expression):
    """A subquery in an expression; `kind` is scalar, exists, any or all.

    `query` is the analyzed query, and after planning its plan. `references` are the columns of this
    level that the subquery reads: with them it is run anew for each row, without them once.
    """

    kind: str
    query: Any
    operator: Operator | None = None
    argument: Expression | None = None
    references: tuple[Var, ...] = ()

    def children(self) -> tuple[Expression, ...]:
        if self.argument is None:
            return self.references
        return (self.argument, *self.references)


@dataclass(slots=True, kw_only=True)
class DefaultValue(Expression):
    """DEFAULT in VALUES or SET; replaced before planning."""


@dataclass(slots=True)
class SortKey:
    """One key of an ordering."""

    expression: Expression
    descending: bool
    nulls_first: bool


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and all below it, parents first."""
    pending = [expression]
    while pending:
        node = pending.pop()
        yield node
        children = node.children()
        if children:
            pending.extend(children[::-1])


def contains_aggregate(expression: Expression) -> bool:
    """Whether an aggregate of this query level is called inside."""
    return any(isinstance(node, AggregateCall) for node in walk(expression))
