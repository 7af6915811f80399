"""What a running plan has at hand: parameters, snapshot, services."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.sql.planner.plans import Layout, Plan
from engine.sql.services import Services

Row = Sequence[Any]
Evaluate = Callable[[Row], Any]
"""A compiled expression: from an input row to a value."""


@dataclass(slots=True)
class ExecutionContext:
    """State of one execution of one statement; the plan itself never changes (SQL-1).

    `run` starts a plan: subqueries inside expressions come back through it. `processed` counts the
    rows that a modification changed; `outer` are the rows around a correlated subquery, innermost
    last.
    """

    services: Services
    parameters: Sequence[Any]
    snapshot: Any
    run: Callable[[Plan, ExecutionContext], Iterator[Row]]
    processed: int = 0
    outer: list[tuple[Layout, Row]] = field(default_factory=list)
    case_subjects: list[list[Any]] = field(default_factory=list)
