"""What happened, in Jepsen's terms: the only thing that history checkers see.

Each operation is two events of one process: `invoke`, then exactly one of

    ok      it happened, and this is what it returned
    fail    it did not happen
    info    nobody knows: the answer was lost

An operation here is a whole transaction. A process whose operation ended in `info` is never heard
of again: its client goes on under a new process number. Faults and what the controller saw of them
are `info` events of the process `nemesis`; what the controller itself asks the database is done by
`control`.

HIST-1  No operation is dropped: each invocation has one completion before the history ends.
HIST-2  An event is never changed after it was recorded; indices count from 0 without a gap.
HIST-3  `fail` is claimed only where the transaction cannot have committed: the server said so, or
        the connection was lost before its COMMIT was sent.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

EventType = Literal["invoke", "ok", "fail", "info"]
Process = int | str

NEMESIS: Final = "nemesis"
CONTROL: Final = "control"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a history.

    `transaction` is the id that the transaction writes into the ledger, None when it writes
    nothing. `time_us` counts from the beginning of the run.
    """

    index: int
    time_us: int
    type: EventType
    process: Process
    f: str
    value: Any = None
    transaction: int | None = None
    isolation: str | None = None
    error: str | None = None

    def to_json(self) -> str:
        """One line, without the keys that are None."""
        fields = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(fields, separators=(",", ":"), default=str)


class History:
    """The events of one run, in the order in which the controller saw them, by its clock."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.events: list[Event] = []
        self._now_s = now_s
        self._began_s = now_s()

    @property
    def facts(self) -> dict[str, Any]:
        """What is known of the beginning: the workload's sizes, the settings; empty before that."""
        return next((event.value for event in self.events if event.f == "begin"), {})

    def begin(self) -> None:
        """Count time from now on: the target's clock may begin with the target."""
        self._began_s = self._now_s()

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def invoke(
        self,
        process: Process,
        f: str,
        value: Any,
        *,
        transaction: int | None = None,
        isolation: str | None = None,
    ) -> Event:
        """Record that a process is about to do something."""
        return self._add("invoke", process, f, value, transaction, isolation, None)

    def complete(
        self, invocation: Event, kind: EventType, value: Any, error: str | None = None
    ) -> Event:
        """Record how an operation ended."""
        return self._add(
            kind,
            invocation.process,
            invocation.f,
            value,
            invocation.transaction,
            invocation.isolation,
            error,
        )

    def note(self, f: str, value: Any) -> Event:
        """Record what the controller did or saw, as process `nemesis`."""
        return self._add("info", NEMESIS, f, value, None, None, None)

    def now_us(self) -> int:
        """Microseconds since the beginning of the run."""
        return round((self._now_s() - self._began_s) * 1e6)

    def _add(
        self,
        kind: EventType,
        process: Process,
        f: str,
        value: Any,
        transaction: int | None,
        isolation: str | None,
        error: str | None,
    ) -> Event:
        event = Event(
            len(self.events),
            self.now_us(),
            kind,
            process,
            f,
            _copy_of(value),  # HIST-2: a body goes on filling in what it was given
            transaction,
            isolation,
            error,
        )
        self.events.append(event)
        return event


def _copy_of(value: Any) -> Any:
    """As `copy.deepcopy`, which takes ten times as long for what nearly all values are."""
    if isinstance(value, str | int | float | None):
        return value
    if type(value) is list:
        return [_copy_of(part) for part in value]
    if type(value) is dict:
        return {key: _copy_of(part) for key, part in value.items()}
    return copy.deepcopy(value)


def write_history(path: Path, events: Iterable[Event]) -> None:
    """JSON lines, one event each."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(event.to_json() + "\n" for event in events)


def read_history(path: Path) -> list[Event]:
    """What `write_history` wrote; ValueError names the line that is no event."""
    events = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                events.append(Event(**json.loads(line)))
            except (TypeError, ValueError) as error:
                raise ValueError(f"{path}:{number}: not an event of a history: {error}") from error
    return events


def to_edn(value: Any) -> str:
    """The value in EDN, as Jepsen's and Elle's own histories have it: dict keys become keywords."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f":{key} {to_edn(item)}" for key, item in value.items()) + "}"
    return "[" + " ".join(to_edn(item) for item in value) + "]"


def event_to_edn(event: Event) -> str:
    """One event as a line of a Jepsen history: micro-operations as `[:append 3 17]`, `[:r 3
    [17]]`. Those of registers go without their versions, and the first value as nil.
    """
    value = event.value
    if event.f in ("txn", "rw"):
        steps = [step if event.f == "txn" or step[2] else [*step[:2], None] for step in value]
        operations = (f"[:{kind} {key} {to_edn(item)}]" for kind, key, item, *_ in steps)
        shown = "[" + " ".join(operations) + "]"
    else:
        shown = to_edn(value)
    process = f":{event.process}" if isinstance(event.process, str) else str(event.process)
    parts = [
        f":index {event.index}",
        f":time {event.time_us * 1000}",
        f":type :{event.type}",
        f":process {process}",
        f":f :{event.f}",
        f":value {shown}",
    ]
    if event.isolation is not None:
        parts.append(f":isolation {to_edn(event.isolation)}")
    if event.error is not None:
        parts.append(f":error {to_edn(event.error)}")
    return "{" + ", ".join(parts) + "}"
