"""What a target can do besides that runs on a schedule of ours: faults by place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from chaos.faults.places import PlacedFault


class UnknownPlace(ValueError):
    """The target has no such call or injection point, or can take no more faults."""


@dataclass(frozen=True, slots=True)
class Casualty:
    """Who was killed, at which call or point it was parked, and whether a placed fault did it."""

    pid: int
    role: str
    call: str
    by_place: bool


@runtime_checkable
class ArmsFaults(Protocol):
    """A target whose processes look, at each of their steps, whether a fault waits there."""

    def arm(self, fault: PlacedFault, pid: int = 0) -> int:
        """Let a fault wait at its place; a number for it. UnknownPlace.

        With `pid`, only that process can reach the place. Faults may be armed before the server
        is launched, and stay armed when it ends.
        """

    def has_struck(self, number: int) -> bool:
        """Whether the fault's place was reached."""

    def disarm(self, number: int) -> None:
        """If it has not struck, it will not."""

    def casualties(self, since: int) -> list[Casualty]:
        """Who was killed in this run, in order, without the first `since` of them."""
