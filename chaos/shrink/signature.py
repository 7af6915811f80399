"""What makes two failures the same: a signature, made of what does not change with the numbers.

    verdict   violated, or harness broken
    broken    which promises, in the order of their discovery: pairs of a checker's name and the
              kind of its violation (`chaos/oracle.py: Violation.kind`)
    after     the gravest thing that had been done to the target by then: a crash, a disturbance
              (something that nobody may notice: a stop, the logger's death), or nothing

No message is compared. A checker without kinds is taken at its message's word, with numbers, quoted
values and lists left out.

SHRINK-1  A smaller run has the same root cause when its verdict is the same, it breaks the promise
          that the original broke first, in the same way, and it did nothing graver to the target.
          What else is broken may differ: one cause shows in several ways, and in which of them
          first is chance. And what also happens without a crash needs none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chaos.faults.catalogue import LEAVES_OTHERS_ALONE
from chaos.verdict import Verdict

NOTHING: Final = "nothing"
DISTURBANCE: Final = "disturbance"
CRASH: Final = "crash"
GRAVITY: Final = (NOTHING, DISTURBANCE, CRASH)

_LONGEST_WORDS: Final = 6
_VALUES: Final = re.compile(r"""'[^']*'|"[^"]*"|\([^)]*\)|\[[^\]]*\]|\S*\d\S*""")


@dataclass(frozen=True, slots=True)
class Signature:
    """See the head of this file."""

    verdict: str
    broken: tuple[tuple[str, str], ...]
    after: str

    def has_same_cause(self, smaller: Signature) -> bool:
        """SHRINK-1: whether a smaller run with that signature fails for the same reason."""
        return (
            smaller.verdict == self.verdict
            and self.broken[0] in smaller.broken
            and GRAVITY.index(smaller.after) <= GRAVITY.index(self.after)
        )

    @property
    def slug(self) -> str:
        """The first broken promise as a name for a file: `durability_lost_after_a_crash`."""
        words = " ".join(self.broken[0])
        if self.after != NOTHING:
            words += f" after a {self.after}"
        return re.sub(r"\W+", "_", words.lower()).strip("_")

    def __str__(self) -> str:
        broken = ", ".join(f"{check}: {kind}" for check, kind in self.broken)
        return broken if self.after == NOTHING else f"{broken}, after a {self.after}"

    def to_object(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "verdict": self.verdict,
            "broken": [list(pair) for pair in self.broken],
            "after": self.after,
        }


def signature_of(result: Mapping[str, Any]) -> Signature | None:
    """The signature of a run's result (`chaos run --json`); None when the run did not fail."""
    if result["verdict"] == Verdict.VIOLATED:
        pairs = [
            (violation["check"], violation.get("kind") or skeleton(violation["message"]))
            for violation in result["violations"]
        ]
    elif result["verdict"] == Verdict.HARNESS_BROKEN:
        pairs = []
    else:
        return None
    pairs = pairs or [("harness", skeleton(result["reason"]))]
    return Signature(result["verdict"], tuple(dict.fromkeys(pairs)), _worst(result))


def skeleton(message: str) -> str:
    """The first words of a message without its values."""
    words = re.findall(r"[A-Za-z_]+", _VALUES.sub(" ", message))
    return " ".join(words[:_LONGEST_WORDS]).lower()


def _worst(result: Mapping[str, Any]) -> str:
    killed = [role for role, count in result.get("kills", {}).items() if count]
    killed += [strike["role"] for strike in result.get("strikes", ())]
    if any(role not in LEAVES_OTHERS_ALONE for role in killed):
        return CRASH
    return DISTURBANCE if killed or any(result.get("stops", {}).values()) else NOTHING
