"""The steps of a program: what several sessions and a misfortune or two do, one after the other.

A program is data: a list of these, closed under leaving out. A step that makes no sense where it
stands (COMMIT without BEGIN, a statement of a session that waits) is passed over by everybody in
the same way (`Model.allows`), so any part of a program is a program (STATE-1), which is what makes
it shrink.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SESSIONS = ("a", "b", "c", "d")


class Level(StrEnum):
    """Isolation levels, as SQL has them."""

    READ_COMMITTED = "READ COMMITTED"
    REPEATABLE_READ = "REPEATABLE READ"


class Kept(StrEnum):
    """What a disk keeps of what was not synced, when the power goes."""

    NOTHING = "drop-unsynced"
    ALL = "keep-unsynced"
    SOME = "draw"


class Mode(StrEnum):
    """Ways to shut down: `fast` ends the sessions in good order, `immediate` is a crash."""

    FAST = "fast"
    IMMEDIATE = "immediate"


@dataclass(frozen=True, slots=True)
class Strike:
    """The process that does the step is killed at an injection point on its way, or everybody is;
    then perhaps the power goes too, which leaves of the unsynced what `power` says.
    """

    point: str
    everybody: bool = False
    power: Kept | None = None

    def __str__(self) -> str:
        power = f", the disk: {self.power}" if self.power else ""
        return f" killed at {self.point}{' with all others' if self.everybody else ''}{power}"


@dataclass(frozen=True, slots=True)
class Begin:
    """BEGIN at a level."""

    session: str
    level: Level


@dataclass(frozen=True, slots=True)
class Insert:
    """A row with a key that no row has had yet."""

    session: str
    key: int
    value: int
    strike: Strike | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """Adds `by` to the row's value; if `below` is given, only where the value is below it."""

    session: str
    key: int
    by: int
    below: int | None = None
    strike: Strike | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """The row goes."""

    session: str
    key: int
    strike: Strike | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """All rows."""

    session: str


@dataclass(frozen=True, slots=True)
class Commit:
    """COMMIT, of a failed transaction too."""

    session: str
    strike: Strike | None = None


@dataclass(frozen=True, slots=True)
class Rollback:
    """ROLLBACK."""

    session: str


@dataclass(frozen=True, slots=True)
class Leave:
    """The client closes its connection, without a word to the transaction that may be open."""

    session: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """CHECKPOINT, waited for."""

    strike: Strike | None = None


@dataclass(frozen=True, slots=True)
class Vacuum:
    """VACUUM of the table."""


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL to the processes of a role, while nobody is at work; `backend of a` is a session's.

    With `recovery`, the startup process is killed as well, at that injection point of the recovery
    that follows.
    """

    whom: str
    recovery: str | None = None


@dataclass(frozen=True, slots=True)
class PowerLoss:
    """All are killed at one moment, and the disk keeps what it likes of what was not synced."""

    kept: Kept


@dataclass(frozen=True, slots=True)
class Restart:
    """Shutdown and start."""

    mode: Mode


ByStatement = Insert | Update | Delete
BySession = Begin | Insert | Update | Delete | Read | Commit | Rollback | Leave
Step = BySession | Checkpoint | Vacuum | Kill | PowerLoss | Restart
Program = tuple[Step, ...]
