"""Which function or operator a name and argument types mean (`parse_func.c`, `parse_oper.c`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from engine.errors import SqlError, SqlState
from engine.sql import type_table as t
from engine.sql.analyzer.coercion import can_coerce
from engine.sql.analyzer.context import AnalysisContext
from engine.sql.functions.entries import Operator
from engine.sql.functions.lookup import EXACT_OPERATORS, OPERATORS


class Candidate(Protocol):
    """Something callable with declared argument types."""

    @property
    def name(self) -> str: ...


Found = TypeVar("Found", bound=Candidate)
Signature = tuple[int, ...]


def choose(candidates: Sequence[tuple[Signature, Found]], types: Sequence[int]) -> Found | None:
    """`func_select_candidate`: the best of the candidates that accept the types, None for a tie."""
    remaining = list(candidates)
    remaining = _best(remaining, [_exact_matches(signature, types) for signature, _ in remaining])
    if len(remaining) == 1:
        return remaining[0][1]
    remaining = _best(
        remaining, [_exact_or_preferred(signature, types) for signature, _ in remaining]
    )
    if len(remaining) == 1:
        return remaining[0][1]
    unknown = [index for index, kind in enumerate(types) if kind == t.UNKNOWN]
    if not unknown:
        return None
    remaining = _by_category(remaining, unknown)
    if len(remaining) == 1:
        return remaining[0][1]
    return _as_known_type(remaining, types)


def _best(
    candidates: list[tuple[Signature, Found]], scores: list[int]
) -> list[tuple[Signature, Found]]:
    top = max(scores)
    return [candidate for candidate, score in zip(candidates, scores, strict=True) if score == top]


def _exact_matches(signature: Signature, types: Sequence[int]) -> int:
    return sum(
        kind != t.UNKNOWN and declared == kind
        for declared, kind in zip(signature, types, strict=True)
    )


def _exact_or_preferred(signature: Signature, types: Sequence[int]) -> int:
    return sum(
        kind != t.UNKNOWN
        and (
            declared == kind
            or (t.is_preferred(declared) and t.type_category(declared) == t.type_category(kind))
        )
        for declared, kind in zip(signature, types, strict=True)
    )


def _by_category(
    candidates: list[tuple[Signature, Found]], unknown: list[int]
) -> list[tuple[Signature, Found]]:
    """Settle the category of each unknown argument; strings win, else all must agree."""
    wanted: dict[int, tuple[str, bool]] = {}
    for index in unknown:
        categories = [t.type_category(signature[index]) for signature, _ in candidates]
        if "S" in categories:
            category = "S"
        elif len(dict.fromkeys(categories)) == 1:
            category = categories[0]
        else:
            return candidates
        has_preferred = any(
            t.type_category(signature[index]) == category and t.is_preferred(signature[index])
            for signature, _ in candidates
        )
        wanted[index] = category, has_preferred
    kept = [
        (signature, found)
        for signature, found in candidates
        if all(
            t.type_category(signature[index]) == category
            and (not preferred or t.is_preferred(signature[index]))
            for index, (category, preferred) in wanted.items()
        )
    ]
    return kept or candidates


def _as_known_type(candidates: list[tuple[Signature, Found]], types: Sequence[int]) -> Found | None:
    """Last resort: the unknown arguments have the type that all known ones share."""
    known = list(dict.fromkeys(kind for kind in types if kind != t.UNKNOWN))
    if len(known) != 1:
        return None
    fitting = [
        found
        for signature, found in candidates
        if all(can_coerce(known[0], declared, "i") for declared in signature)
    ]
    return fitting[0] if len(fitting) == 1 else None


def accepts(signature: Signature, types: Sequence[int]) -> bool:
    """Whether the arguments can be coerced implicitly to the declared types."""
    return len(signature) == len(types) and all(
        can_coerce(kind, declared, "i") for kind, declared in zip(types, signature, strict=True)
    )


def find_operator(
    analysis: AnalysisContext, name: str, left: int, right: int, location: int
) -> Operator:
    """The operator for these operand types; `left` 0 for a prefix one. 42883 without one."""
    exact = _exact_operator(name, left, right)
    if exact is not None:
        return exact
    is_prefix = left == 0
    types = (right,) if is_prefix else (left, right)
    candidates = [
        ((entry.right,) if is_prefix else (entry.left, entry.right), entry)
        for entry in OPERATORS.get(name, ())
        if (entry.left == 0) == is_prefix
    ]
    fitting = [candidate for candidate in candidates if accepts(candidate[0], types)]
    if len(fitting) == 1:
        return fitting[0][1]
    chosen = choose(fitting, types) if fitting else None
    if chosen is None:
        raise _no_operator(analysis, name, types, location, ambiguous=bool(fitting))
    return chosen


def _exact_operator(name: str, left: int, right: int) -> Operator | None:
    found = EXACT_OPERATORS.get((name, left, right))
    if found is None and left != 0:
        if left == t.UNKNOWN and right != t.UNKNOWN:
            found = EXACT_OPERATORS.get((name, right, right))
        elif right == t.UNKNOWN and left != t.UNKNOWN:
            found = EXACT_OPERATORS.get((name, left, left))
    return found


def _no_operator(
    analysis: AnalysisContext, name: str, types: Sequence[int], location: int, *, ambiguous: bool
) -> SqlError:
    shown = [t.type_display(kind) for kind in types]
    signature = f"{name} {shown[0]}" if len(shown) == 1 else f"{shown[0]} {name} {shown[1]}"
    if ambiguous:
        return analysis.error(
            SqlState.AMBIGUOUS_FUNCTION,
            f"operator is not unique: {signature}",
            location,
            hint="Could not choose a best candidate operator. "
            "You might need to add explicit type casts.",
        )
    hint = (
        "No operator matches the given name and argument type. "
        "You might need to add an explicit type cast."
        if len(shown) == 1
        else "No operator matches the given name and argument types. "
        "You might need to add explicit type casts."
    )
    return analysis.error(
        SqlState.UNDEFINED_FUNCTION, f"operator does not exist: {signature}", location, hint=hint
    )
