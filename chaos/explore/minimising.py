"""The one operation whose loss is enough: what is left of a choice when all that may be kept is.

First each operation that the choice does not wholly keep is tried alone, all others kept. If none
of them is enough, operations are kept one after the other as long as the same goes wrong; what
then cannot be kept is needed together. If that is more than a few, it may be shorter to say what
must be *kept* while all else is lost, which is found the same way from the other side.

What is the same is the checker and the kind of its violation, never a message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from chaos.disk.choice import Choice, Pending
from chaos.disk.model import Disk
from chaos.disk.operations import Operation
from chaos.explore.enumeration import Choices
from chaos.oracle import Violation

Signature = tuple[str, str]
Fate = Literal["lost", "torn", "kept"]
FEW: Final = 3


@dataclass(frozen=True, slots=True)
class Cause:
    """What must happen to an operation for the violation to come about."""

    operation: Operation
    fate: Fate
    atoms: int = 1
    mask: int = 0


@dataclass(frozen=True, slots=True)
class Minimal:
    """The smallest choice that was found, and what it does; no causes: it loses nothing."""

    choice: Choice
    causes: tuple[Cause, ...]
    tries: int


def signatures(violations: Sequence[Violation]) -> set[Signature]:
    """What went wrong, as it is compared."""
    return {(violation.check, violation.kind) for violation in violations}


def minimise(
    disk: Disk,
    choice: Choice,
    signature: Signature,
    check: Callable[[Choice], Sequence[Violation]],
    most_tries: int = 120,
) -> Minimal:
    """Make a choice smaller that goes wrong in this way. `disk` is where the choice was made;
    `check` recovers what it leaves.
    """
    return _Minimiser(disk, signature, check, most_tries).run(choice)


class _Minimiser:
    def __init__(
        self,
        disk: Disk,
        signature: Signature,
        check: Callable[[Choice], Sequence[Violation]],
        most_tries: int,
    ) -> None:
        self._choices = Choices(disk)
        self._pending: Sequence[Pending] = disk.pending
        self._signature = signature
        self._check = check
        self._left = most_tries
        self._tries = 0

    def run(self, choice: Choice) -> Minimal:
        masks = masks_of(choice, self._pending)
        count = len(self._pending)
        if self._fails({}, count):
            return self._minimal({}, count)
        missing = {
            place: mask
            for place, (one, mask) in enumerate(zip(self._pending, masks, strict=True))
            if mask != one.full
        }
        for place, mask in missing.items():
            if self._fails({place: mask}, count):
                return self._minimal({place: mask}, count)
        needed = self._shrink(missing, count)
        if len(needed) > FEW:
            kept = {place: mask for place, mask in enumerate(masks)
                    if mask != self._pending[place].must}  # fmt: skip
            other = self._shrink(kept, 0)
            if len(other) < len(needed):
                return self._minimal(other, 0)
        return self._minimal(needed, count)

    def _shrink(self, masks: dict[int, int], others: int) -> dict[int, int]:
        """Leave out of `masks` what can be left out, big pieces first."""
        size = max(1, len(masks) // 2)
        while True:
            places = list(masks)
            for start in range(0, len(places), size):
                part = set(places[start : start + size])
                fewer = {place: mask for place, mask in masks.items() if place not in part}
                if len(fewer) < len(masks) and self._fails(fewer, others):
                    masks = fewer
            if size == 1:
                return masks
            size //= 2

    def _fails(self, masks: dict[int, int], others: int) -> bool:
        """Whether it goes wrong in the same way with these masks, the first `others` kept."""
        choice = self._choices.make(others, sorted(masks.items()))
        if choice is None or self._tries >= self._left:
            return False
        self._tries += 1
        return self._signature in signatures(self._check(choice))

    def _minimal(self, masks: dict[int, int], others: int) -> Minimal:
        choice = self._choices.make(others, sorted(masks.items()))
        if choice is None:
            raise ValueError("a choice that was recovered is not legal")
        causes = []
        for place, mask in sorted(masks.items()):
            one = self._pending[place]
            causes.append(Cause(one.operation, _fate(one, mask), one.atoms, mask))
        return Minimal(choice, tuple(causes), self._tries)


def _fate(one: Pending, mask: int) -> Fate:
    """A write of which only the size is left, or what had been durable before, is lost."""
    if mask == one.full:
        return "kept"
    data = (1 << one.atoms) - 1
    return "torn" if mask & ~one.must & data else "lost"


def masks_of(choice: Choice, pending: Sequence[Pending]) -> list[int]:
    """One mask per pending operation."""
    special = dict(choice.masks)
    return [
        special.get(place, one.full if place < choice.kept_before else one.must)
        for place, one in enumerate(pending)
    ]
