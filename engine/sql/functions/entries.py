"""What a built-in function, operator, cast or aggregate is: one row of the tables here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """One row of pg_proc, with its implementation.

    A `strict` function is not called when an argument is null: its result is null then. With
    `needs_context` the implementation gets the execution's context as first argument. `immutable`
    allows to compute a call with constant arguments once, at planning. A `variadic` function takes
    any number of further arguments of its last argument's type.
    """

    oid: int
    name: str
    arguments: tuple[int, ...]
    result: int
    implementation: Callable[..., Any]
    strict: bool = True
    immutable: bool = True
    needs_context: bool = False
    returns_set: bool = False
    variadic: bool = False
    column_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """One row of pg_operator; `left` is 0 for a prefix operator. All of them are strict."""

    name: str
    left: int
    right: int
    result: int
    implementation: Callable[..., Any]


@dataclass(frozen=True, slots=True, eq=False)
class Cast:
    """One row of pg_cast: `context` is i(mplicit), a(ssignment) or e(xplicit).

    Without an implementation the types are binary coercible: the value stays as it is.
    """

    source: int
    target: int
    context: str
    implementation: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Aggregate:
    """One row of pg_aggregate.

    `transition(state, *values)` returns the next state; a `strict` one skips rows with a null among
    its arguments. `initial` is the state before the first row, `final` turns the last state into
    the result.
    """

    oid: int
    name: str
    arguments: tuple[int, ...]
    result: int
    initial: Any
    transition: Callable[..., Any]
    final: Callable[[Any], Any] | None = None
    strict: bool = True
