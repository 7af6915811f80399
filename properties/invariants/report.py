"""What was found, and what was looked at to find it.

A report says as clearly what was *not* looked at as what was wrong: a check that skips in silence
passes for one that saw nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

SHOWN_PER_FILE: Final = 20
"""Problems of one invariant in one file that are told; the others are counted."""


class Problem(NamedTuple):
    """One thing that is wrong. `block` counts in the fork, `offset` is the line pointer's number;
    None where there is no such thing.
    """

    invariant: str
    path: str
    block: int | None
    offset: int | None
    message: str

    def place(self) -> str:
        """The file, and where in it."""
        text = self.path
        text += f" block {self.block}" if self.block is not None else ""
        return text + (f" item {self.offset}" if self.offset is not None else "")

    def __str__(self) -> str:
        return f"{self.place()}: {self.message} ({self.invariant})"


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a check.

    problems: in the order of the files.  left_out: how many more there are, by invariant.
    looked_at, skipped: how many of what.  unchecked: whole checks that could not be made, and why.
    notes: what is strange and allowed.
    """

    problems: tuple[Problem, ...]
    looked_at: Mapping[str, int]
    skipped: Mapping[str, int]
    left_out: Mapping[str, int]
    notes: tuple[str, ...]
    unchecked: tuple[str, ...]

    def to_object(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "problems": [problem._asdict() for problem in self.problems],
            "left_out": dict(self.left_out),
            "looked_at": dict(self.looked_at),
            "skipped": dict(self.skipped),
            "notes": list(self.notes),
            "unchecked": list(self.unchecked),
        }


@dataclass(slots=True)
class Findings:
    """A report in the making."""

    problems: list[Problem] = field(default_factory=list)
    looked_at: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    _told: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(
        self,
        invariant: str,
        path: str,
        message: str,
        block: int | None = None,
        offset: int | None = None,
    ) -> None:
        """One more problem."""
        self._told[invariant, path] += 1
        if self._told[invariant, path] > SHOWN_PER_FILE:
            self.left_out[invariant] += 1
        else:
            self.problems.append(Problem(invariant, path, block, offset, message))

    def report(self) -> Report:
        """What it has come to."""
        problems = sorted(self.problems, key=lambda found: found.path)
        return Report(
            tuple(problems),
            {kind: count for kind, count in self.looked_at.items() if count},
            {kind: count for kind, count in self.skipped.items() if count},
            dict(self.left_out),
            tuple(self.notes),
            tuple(self.unchecked),
        )
