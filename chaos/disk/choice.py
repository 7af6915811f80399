"""Which of the pending operations a power loss keeps: data that can be kept in a bundle.

For each pending operation a choice has a mask. An operation that is one thing, a rename or a
truncation, has one bit. A write has a bit for each atom it touches, the lowest first; and one more,
the highest, if it made the file grow and the profile lets the size survive without the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from chaos.disk.operations import DiskError, Operation


class Pending(NamedTuple):
    """An operation that is not durable, or not wholly.

    atoms: into how many pieces it may be torn (1: it may not).  grows: the size is one more bit.
    must: the bits that are durable already: a rest of them is pending.
    """

    operation: Operation
    atoms: int
    grows: bool
    must: int

    @property
    def full(self) -> int:
        """The mask of an operation that is wholly kept."""
        return (1 << (self.atoms + self.grows)) - 1


@dataclass(frozen=True, slots=True)
class Choice:
    """For each of `count` pending operations how much of it is kept.

    The first `kept_before` of them are wholly kept and the others lost, but for those in
    `masks`: (place in the list, mask), in order of places. `of` tells which list of pending
    operations the choice was made for.
    """

    of: str
    count: int
    kept_before: int
    masks: tuple[tuple[int, int], ...] = ()

    def to_object(self) -> dict[str, Any]:
        """As JSON values."""
        masks = [[place, f"{mask:x}"] for place, mask in self.masks]
        return {
            "of": self.of,
            "count": self.count,
            "kept_before": self.kept_before,
            "masks": masks,
        }

    @classmethod
    def from_object(cls, found: Any) -> Choice:
        """What `to_object` made; DiskError when it is something else."""
        try:
            masks = tuple((int(place), int(mask, 16)) for place, mask in found["masks"])
            choice = cls(str(found["of"]), int(found["count"]), int(found["kept_before"]), masks)
        except (KeyError, TypeError, ValueError) as error:
            raise DiskError(f"not a choice: {error!r}") from error
        places = [place for place, _ in masks]
        if places != sorted(set(places)) or any(mask < 0 for _, mask in masks):
            raise DiskError("not a choice: its masks are not in order of places, or negative")
        if places and not 0 <= places[0] <= places[-1] < choice.count:
            raise DiskError("not a choice: a mask lies outside the list of pending operations")
        return choice
