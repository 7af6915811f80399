"""What a command gives back, and how commands are described: one table entry each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine.sql.parser import RawStatement
from engine.sql.services import Services


@dataclass(slots=True)
class CommandResult:
    """The tag, and the rows of those commands that have some."""

    tag: str
    rows: list[tuple[Any, ...]] = field(default_factory=list)


RunCommand = Callable[[RawStatement, Services], CommandResult]
Columns = Callable[[RawStatement, Services], tuple[tuple[str, int], ...]]


def no_columns(statement: RawStatement, services: Services) -> tuple[tuple[str, int], ...]:
    """A command without rows."""
    return ()


@dataclass(frozen=True, slots=True)
class Command:
    """How one kind of statement runs. `columns` are the names and types of its rows."""

    run: RunCommand
    columns: Columns = no_columns
    needs_snapshot: bool = False
