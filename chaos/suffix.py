"""What crashes may take of what had been acknowledged, and what they took: a measure, and no
judgement.

With synchronous commits it is nothing, or a checker says so. With asynchronous ones it is the end
of what was done: how much of it, and how old the oldest was when the crash came, says how much a
user has to lose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chaos.history import Event

OFF: Final = ("off", "false", "no", "0", "of", "fals", "fal", "fa", "f", "n")
"""All ways to spell that a setting is off."""


def is_asynchronous(settings: Mapping[str, str]) -> bool:
    """Whether a server with these settings answers COMMIT before it is on disk."""
    return settings.get("synchronous_commit", "on").strip().lower() in OFF


@dataclass(frozen=True, slots=True)
class Lost:
    """After the crash of a cycle so many acknowledged transactions were gone; the oldest had been
    acknowledged so long before. Of kills at a place it is known when they were planned, not when
    they came: then the age may be below zero.
    """

    cycle: int
    transactions: int
    oldest_ms: float

    def to_object(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "cycle": self.cycle,
            "transactions": self.transactions,
            "oldest_ms": self.oldest_ms,
        }


def lost_suffixes(events: Sequence[Event]) -> list[Lost]:
    """Each transaction counts once: at the audit that is the first not to find it."""
    found: list[Lost] = []
    acknowledged: dict[int, int] = {}
    since: dict[str, Any] | None = None
    for event in events:
        if event.transaction is not None and event.type == "ok":
            acknowledged[event.transaction] = event.time_us
        elif event.f == "reaction" and event.value["strike"]["kills"]:
            since = event.value
        elif event.f == "audit" and event.type == "ok":
            ledger = set(event.value["ledger"])
            gone = {number: at for number, at in acknowledged.items() if number not in ledger}
            for number in gone:
                del acknowledged[number]
            if gone and since is not None:
                age_us = since["strike"]["at_us"] - min(gone.values())
                found.append(Lost(since["cycle"], len(gone), round(age_us / 1000, 3)))
    return found
