"""How checkers put what they found into words: a sentence stays short, however much is wrong."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 5


def some(items: Iterable[object]) -> str:
    """The first few of several things, and how many more there are."""
    listed = [str(item) for item in items]
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more


def transactions(ids: Iterable[int]) -> str:
    """`transaction 3` or `transactions 3, 5`, in ascending order."""
    ordered = sorted(ids)
    return f"transaction{'s' if len(ordered) != 1 else ''} {some(ordered)}"
