"""All built-in functions, operators, casts and aggregates, as the analyzer looks them up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from engine.sql.functions import (
    aggregates,
    arithmetic,
    casts,
    comparison,
    mathematics,
    strings,
    system,
)
from engine.sql.functions.entries import Aggregate, Cast, Function, Operator

Named = TypeVar("Named", Function, Operator, Aggregate)


def _by_name(entries: Iterable[Named]) -> dict[str, tuple[Named, ...]]:
    grouped: dict[str, list[Named]] = {}
    for entry in entries:
        grouped.setdefault(entry.name, []).append(entry)
    return {name: tuple(found) for name, found in grouped.items()}


OPERATORS: Final = _by_name((*arithmetic.OPERATORS, *comparison.OPERATORS, *strings.OPERATORS))
"""By operator name, all signatures."""

EXACT_OPERATORS: Final[dict[tuple[str, int, int], Operator]] = {
    (entry.name, entry.left, entry.right): entry
    for entries in OPERATORS.values()
    for entry in entries
}
"""By name and both argument types (left 0 for a prefix operator)."""

FUNCTIONS: Final = _by_name((*mathematics.FUNCTIONS, *strings.FUNCTIONS, *system.FUNCTIONS))
"""By function name, all signatures."""

AGGREGATES: Final = _by_name(aggregates.AGGREGATES)
"""By name, all signatures."""

CASTS: Final[dict[tuple[int, int], Cast]] = {
    (cast.source, cast.target): cast for cast in casts.CASTS
}
"""By source and target type."""
