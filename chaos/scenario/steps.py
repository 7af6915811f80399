"""A scenario as data: what the reader of the file makes and the player plays.

Texts may contain `${name}`: what an earlier step has saved under that name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from chaos.faults.places import PlacedFault
from chaos.plan import Plan

UP: Final = "up"
FAILS: Final = "fails"
LAUNCH: Final = "launch"
STARTS: Final = (UP, FAILS, LAUNCH)

RECOVERY: Final = "recovery"
END: Final = "end"
STRIKE: Final = "strike"
AWAITED: Final = (RECOVERY, END, STRIKE)

SMART: Final = "smart"
FAST: Final = "fast"
IMMEDIATE: Final = "immediate"
MODES: Final = (SMART, FAST, IMMEDIATE)

DROP_UNSYNCED: Final = "drop-unsynced"
KEEP_UNSYNCED: Final = "keep-unsynced"
DRAW: Final = "draw"
KEPT: Final = (DROP_UNSYNCED, KEEP_UNSYNCED, DRAW)

USUAL_PROFILE: Final = "strict"

Rows = tuple[tuple[str, ...], ...]
"""Values as text, as psql -A shows them; a null is the text NULL."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a session must hear. Without anything: success.

    `error` and `lost` are SQLSTATEs, or empty where any will do; `message` is a regular expression.
    """

    rows: Rows | None = None
    tag: str | None = None
    error: str | None = None
    lost: str | None = None
    is_refused: bool = False
    is_waiting: bool = False
    message: str | None = None

    def __str__(self) -> str:
        if self.is_waiting:
            return "that it waits"
        said = f" with a message that matches {self.message!r}" if self.message else ""
        if self.is_refused:
            return f"that the connection is refused{said}"
        if self.lost is not None:
            return f"that the connection is lost{f' with {self.lost}' if self.lost else ''}{said}"
        if self.error is not None:
            return f"{f'error {self.error}' if self.error else 'an error'}{said}"
        wanted = [] if self.tag is None else [f"the tag {self.tag!r}"]
        if self.rows is not None:
            wanted.insert(0, f"the rows {show_rows(self.rows)}")
        return " and ".join(wanted) or "success"


@dataclass(frozen=True, slots=True)
class Say:
    """A session sends a statement and hears the answer, or (without `sql`) hears what is due."""

    session: str
    sql: str | None
    expected: Expected
    save: str | None = None

    def __str__(self) -> str:
        if self.sql is None:
            return f"{self.session}>"
        return f"{self.session}> {' '.join(self.sql.split())}"


@dataclass(frozen=True, slots=True)
class Close:
    """A session's client leaves."""

    session: str

    def __str__(self) -> str:
        return f"close {self.session}"


@dataclass(frozen=True, slots=True)
class Arm:
    """A fault waits at its place from now on."""

    fault: PlacedFault

    def __str__(self) -> str:
        return f"arm {self.fault}"


@dataclass(frozen=True, slots=True)
class Victim:
    """Processes: of a role, or the backend of a session."""

    role: str
    session: str = ""

    def __str__(self) -> str:
        return f"{self.role} of {self.session}" if self.session else self.role


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL, now, to all of them at once."""

    victims: tuple[Victim, ...]

    def __str__(self) -> str:
        return f"kill {' + '.join(map(str, self.victims))}"


@dataclass(frozen=True, slots=True)
class CutPower:
    """Everybody dies at once, and the data directory is what the disk has kept: of what was not
    synced nothing, everything, or what is drawn from the scenario's seed.
    """

    kept: str

    def __str__(self) -> str:
        return f"power loss: {self.kept}"


@dataclass(frozen=True, slots=True)
class Stop:
    """SIGSTOP."""

    victim: Victim

    def __str__(self) -> str:
        return f"stop {self.victim}"


@dataclass(frozen=True, slots=True)
class Continue:
    """SIGCONT to what was stopped under this name."""

    victim: Victim

    def __str__(self) -> str:
        return f"continue {self.victim}"


@dataclass(frozen=True, slots=True)
class Start:
    """Start the postmaster: until it is `up`, or until it `fails`; `launch` does not wait."""

    until: str

    def __str__(self) -> str:
        return f"start: {self.until}"


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Tell the postmaster to shut down, and wait for the end."""

    mode: str
    status: int = 0

    def __str__(self) -> str:
        return f"shutdown: {self.mode}"


@dataclass(frozen=True, slots=True)
class Restart:
    """Shutdown, then start until it is up."""

    mode: str

    def __str__(self) -> str:
        return f"restart: {self.mode}"


@dataclass(frozen=True, slots=True)
class Await:
    """Wait until the server has recovered, until the postmaster has ended, or until all armed
    faults have struck.
    """

    what: str

    def __str__(self) -> str:
        return f"await {self.what}"


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass: the target's own time."""

    milliseconds: int

    def __str__(self) -> str:
        return f"wait {self.milliseconds} ms"


@dataclass(frozen=True, slots=True)
class Look:
    """Only look into the log."""

    def __str__(self) -> str:
        return "log"


@dataclass(frozen=True, slots=True)
class Damage:
    """Change files of the stopped server: see chaos/scenario/damage.py for what is in `how`."""

    how: dict[str, Any]

    def __str__(self) -> str:
        return f"damage {', '.join(f'{key} = {value!r}' for key, value in self.how.items())}"


Act = (
    Say
    | Close
    | Arm
    | Kill
    | CutPower
    | Stop
    | Continue
    | Start
    | Shutdown
    | Restart
    | Await
    | Wait
    | Look
    | Damage
)


@dataclass(frozen=True, slots=True)
class Step:
    """One [[step]]: something is done; then the log must, and must not, have such lines."""

    number: int
    act: Act
    log: tuple[str, ...] = ()
    no_log: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"step {self.number} ({self.act})"


@dataclass(frozen=True, slots=True)
class Hold:
    """A question at the end, and its only right answer."""

    sql: str
    rows: Rows


@dataclass(frozen=True, slots=True)
class Scenario:
    """One file. Either it has steps, or it has a plan, and a workload runs as that plan says."""

    name: str
    hypothesis: str
    source: str = ""
    targets: tuple[str, ...] = ("engine", "postgres")
    schedule: str | None = None
    seed: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    wal_segment_mb: int = 1
    bound_s: float = 30.0
    steps: tuple[Step, ...] = ()
    holds: tuple[Hold, ...] = ()
    plan: Plan | None = None
    profile: str = USUAL_PROFILE
    """What the disk may do with what is not synced, where the power is cut."""
    mutant: str | None = None
    """A bug that is planted in the engine. A plan has its own."""

    @property
    def loses_power(self) -> bool:
        """Whether the power is cut, which needs a disk of ours."""
        return any(isinstance(step.act, CutPower) for step in self.steps)

    @property
    def arms(self) -> bool:
        """Whether it has faults by place, which only a schedule of ours can do."""
        return any(isinstance(step.act, Arm) for step in self.steps)


def show_rows(rows: Rows, most: int = 6) -> str:
    """Rows in one line; not all of many."""
    shown = ", ".join("(" + ", ".join(row) + ")" for row in rows[:most])
    return f"[{shown}]" + (f" and {len(rows) - most} more" if len(rows) > most else "")
