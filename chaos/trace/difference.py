"""Where two runs part: the first step that is not the same in both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any, Final

from chaos.scheduler.layout import ENTRY_BYTES
from chaos.scheduler.trace import ENTRY
from chaos.trace.recording import Recording
from chaos.trace.text import lines_to

STEPS_BEFORE: Final = 5
ENDED: Final = "(ended before this step)"
UNNAMED: Final = "not named"


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step in which two traces differ, as text, and the steps before it."""

    step: int
    before: list[str]
    first: str
    second: str

    def to_object(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    def lines(self, first: str, second: str) -> list[str]:
        """For people; `first` and `second` are what the two runs are called."""
        width = max(len(first), len(second))
        return [
            *(f"  {'':<{width}}  {line}" for line in self.before),
            f"  {first:<{width}}  {self.first}",
            f"  {second:<{width}}  {self.second}",
        ]


def first_difference(first: Recording, second: Recording) -> Difference | None:
    """None when the two are the same, step for step, and refer to the same names."""
    number = _differing_entry(first, second)
    if number is None:
        return _differing_name(first, second)
    sides = [lines_to(recording, number, STEPS_BEFORE + 1) for recording in (first, second)]
    before = _shown_before(sides, number)
    shown = [_own(lines, number) for lines in sides]
    if shown[0] == shown[1]:
        shown = [f"{line}  {_raw(one, number)}" for line, one in zip(shown, (first, second),
                                                                      strict=True)]  # fmt: skip
    return Difference(number, before, shown[0], shown[1])


def _differing_entry(first: Recording, second: Recording) -> int | None:
    """The number of the step; blocks are of one size, so they can be compared as they are."""
    start = 0
    for one, other in zip_longest(first.blocks(), second.blocks(), fillvalue=b""):
        if one != other:
            for at in range(0, max(len(one), len(other)), ENTRY_BYTES):
                if one[at : at + ENTRY_BYTES] != other[at : at + ENTRY_BYTES]:
                    return max(1, (start + at) // ENTRY_BYTES)
        start += max(len(one), len(other))
    return None


def _differing_name(first: Recording, second: Recording) -> Difference | None:
    """The same numbers, but not for the same files."""
    for number, (one, other) in enumerate(_pairs(first.names, second.names), 1):
        if one != other:
            return Difference(
                0, [], f"file {number} is {one or UNNAMED}", f"file {number} is {other or UNNAMED}"
            )
    return None


def _pairs(one: tuple[str, ...], other: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    return zip_longest(one, other, fillvalue="")


def _number(line: str) -> int:
    return int(line.split(maxsplit=1)[0])


def _own(lines: list[str], number: int) -> str:
    return lines[-1] if lines and _number(lines[-1]) == number else f"{number:>9}  {ENDED}"


def _shown_before(sides: list[list[str]], number: int) -> list[str]:
    """The same in both, so of that which has them."""
    found = [[line for line in lines if _number(line) < number] for lines in sides]
    return max(found, key=len)


def _raw(recording: Recording, number: int) -> str:
    """What the words do not tell."""
    for at, entry in enumerate(recording.entries(), 1):
        if at == number:
            return str(ENTRY.pack(*entry).hex())
    return ENDED
