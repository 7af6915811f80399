"""Changes to a plan as data: whatever fields a plan has, now or later.

A *path* leads into the JSON object of a plan: names of fields, and indices of lists.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any, Final

from chaos.seeds import child_seed

Object = dict[str, Any]
Path = Sequence[str | int]

SCHEDULE_SEED: Final = ("seeds", "schedule")


def value_at(tree: Any, path: Path) -> Any:
    """What is there; None where there is nothing."""
    for step in path:
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def edited(tree: Object, *changes: tuple[Path, Any]) -> Object:
    """A copy with other values at these paths."""
    changed = copy.deepcopy(tree)
    for path, value in changes:
        inside = changed
        for step in path[:-1]:
            inside = inside[step]  # type: ignore[index]
        inside[path[-1]] = copy.deepcopy(value)  # type: ignore[index]
    return changed


def with_cycles(tree: Object, cycles: Sequence[Object]) -> Object:
    """A copy with these cycles, numbered anew."""
    numbered = [cycle | {"number": number} for number, cycle in enumerate(cycles, 1)]
    return edited(tree, (["cycles"], numbered))


def reseeded(tree: Object, number: int) -> Object:
    """The same with another seed for the schedule: number 0 is the plan as it is.

    The seed of the whole stays, and with it what is drawn for the workload.
    """
    if number == 0:
        return tree
    return edited(tree, (SCHEDULE_SEED, child_seed(tree["seed"], "schedule", number)))


def canonical(tree: Object) -> str:
    """The same text for the same plan."""
    return json.dumps(tree, sort_keys=True)
