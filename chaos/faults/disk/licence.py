"""What each way in which a disk can fail allows the server to say.

Everything else that clients or the log say is held against the server by the checkers, as without a
fault; so what is allowed here is as little as PostgreSQL can do with. A licence is written into the
history before the disk is touched, and ends when the server is back (properties/checkers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

RECOVERABLE: Final = "recoverable"
DETECTABLE: Final = "detectable"
OUT_OF_CONTRACT: Final = "out of contract"

LABELS: Final = {
    "fsync-fails": RECOVERABLE,
    "io-error": RECOVERABLE,
    "disk-full": RECOVERABLE,
    "short-io": RECOVERABLE,
    "bit-rot": DETECTABLE,
    "misdirected-write": DETECTABLE,
    "lost-write": OUT_OF_CONTRACT,
    "wal-rot": OUT_OF_CONTRACT,
}
"""The label of each fault: catalogue.py says what the words mean."""

CHECKPOINT_FAILED: Final = ("XX000", "checkpoint request failed")
"""What somebody hears whose checkpoint met an ERROR."""
NO_STATUS: Final = "could not access status of transaction"
"""The ERROR about a page of the commit log; the reason is in its DETAIL."""

SAID: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "eio": (("58030",), "Input/output error"),
    "enospc": (("53100",), "No space left on device"),
    "quota": (("53100", "XX001"), r"No space left on device|wrote (only )?\d+ of|wrote too few"),
    "short": (("53100", "XX001"), r"(wrote|read) (only )?\d+ of|too few bytes"),
    "rot": (
        ("XX001", "58030", "XX000"),
        r"page verification failed|invalid page in block|control file|database files|checkpoint",
    ),
    "misdirect": (("XX001",), r"page verification failed|invalid page in block"),
    "lose": (
        ("XX001", "XX000"),
        r"invalid page in block|read (only )?\d+ of|could not|unexpected|invalid",
    ),
}
"""By what the disk does: the SQLSTATEs, and what log lines and messages must contain."""


@dataclass(frozen=True, slots=True)
class Licence:
    """`error` is one of SAID; `at_most` operations may end with it, None: any number."""

    number: int
    fault: str
    error: str
    at_most: int | None

    def to_object(self) -> dict[str, Any]:
        """For the history, in the form that properties/checkers/licences.py describes."""
        sqlstates, said = SAID[self.error]
        failed, because = CHECKPOINT_FAILED
        said = f"{said}|{NO_STATUS}|{because}"
        errors = [
            {"sqlstate": sqlstate, "message": said, "at_most": self.at_most}
            for sqlstate in sqlstates
        ]
        errors.append({"sqlstate": failed, "message": because, "at_most": None})
        return {
            "number": self.number,
            "fault": self.fault,
            "label": LABELS[self.fault],
            "errors": errors,
            "log": said,
        }
