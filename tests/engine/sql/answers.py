"""The answer to a statement in a form that two servers can be compared by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATEMENTS = Path(__file__).with_name("statements.sql")

Cells = tuple[str | None, ...]


@dataclass(frozen=True)
class Answer:
    """Either an error, or tag, column names, column types and rows."""

    tag: str = ""
    columns: tuple[str, ...] = ()
    types: tuple[int, ...] = ()
    rows: tuple[Cells, ...] = ()
    error: tuple[str, str, int | None] | None = None
    """SQLSTATE, message, position."""


def statements() -> list[str]:
    """The statements of the script, in order."""
    lines = STATEMENTS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("--")]


def in_order(statement: str, rows: Sequence[Cells]) -> tuple[Cells, ...]:
    """The rows, sorted unless the statement says in which order they come."""
    if "order by" in statement or "generate_series" in statement:
        return tuple(rows)
    return tuple(sorted(rows, key=lambda row: [cell or "" for cell in row]))


def describe(statement: str, ours: Answer, theirs: Answer) -> str:
    """The difference between two answers as a few lines of text."""
    lines = [statement]
    for name in ("tag", "columns", "types", "rows", "error"):
        mine: Any = getattr(ours, name)
        other: Any = getattr(theirs, name)
        if mine != other:
            lines.append(f"    {name}: engine {mine!r}")
            lines.append(f"    {' ' * len(name)}  PostgreSQL {other!r}")
    return "\n".join(lines)
