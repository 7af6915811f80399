"""Records one run of a workload under the baton, with every operation on its files.

No fault strikes, unless the script says so. The run is long enough to show what its barriers are
for: checkpoints come while clients work, a table is made between two checkpoints and dropped
between two others, and the shared buffers are so few that pages are written between checkpoints.

    load      so many acknowledged transactions
    checkpoint  asked for by the controller; the clients go on meanwhile
    make, drop  a table of the controller's own
    truncate  a table whose rows are all deleted, so that VACUUM cuts its file
    evict     the ledger is read, over and over, while nobody writes: what was in the few shared
              buffers is then on the disk, and not synced
    crash     every process of the server is killed, and another server started: what was written
              and not synced is then read, and relied on, by a recovery
    stop, start  a fast shutdown, and the next start
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chaos.disk.image import Image
from chaos.disk.log import START, Position, read_log
from chaos.disk.operations import Operation as DiskOperation
from chaos.driver import Client, ClientState, Driver
from chaos.explore.recorded import Phase, PlacedHistory, Recorded
from chaos.history import CONTROL
from chaos.oracle import HarnessBroken
from chaos.scheduler.world import Schedule
from chaos.seeds import child_seed, stream
from chaos.suffix import is_asynchronous
from chaos.targets.api import TargetUnusable
from chaos.targets.baton import BatonEngineTarget
from chaos.targets.making import Maker
from chaos.workloads.api import Body, Operation, Statement, Workload, checkpoint, run_all, vacuum
from chaos.workloads.catalogue import WORKLOADS, draw_mix, in_all_parts

BOUND_S: Final = 60.0
WAL_SEGMENT_MB: Final = 1
PROFILE: Final = "strict"
"""With one the target keeps an I/O log; what is explored later is a profile of its own."""
SETTINGS: Final = {
    "shared_buffers": "20",
    "bgwriter_delay": "10ms",
    "checkpoint_timeout": "1h",
    "checkpoint_completion_target": "0.5",
    "min_wal_size": "2MB",
    "max_wal_size": "64MB",
}
MIX: Final = {"checkpoint": 0.0, "vacuum": 0.0, "padding": 3000}
"""Checkpoints are the script's; padding fills the WAL, so that it comes to a new segment."""
SIZES: Final = {
    "bank": {"accounts": 12},
    "append": {"lists": 12},
    "registers": {"registers": 12},
    "sets": {"elements": 12},
    "counters": {"counters": 12},
    "tables": {"slots": 3},
}
"""A small image is recovered quickly."""
SCRATCH_ROWS: Final = 40
EVICTING_READS: Final = 8
"""The hottest page needs some rounds of the clock to go."""
FILL_ROWS: Final = 10
FILL_TO: Final = 0.72
"""Of a segment: then a checkpoint makes the next one ahead, and the run goes on in it."""


@dataclass(frozen=True, slots=True)
class Script:
    """What is recorded. `settings` go over those that every recording has; `steps` are the words
    of the head of this file, `load` with a number; `patches` are for the engine target.
    """

    workload: str = "bank"
    transactions: int = 50
    clients: int = 2
    seed: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    steps: Sequence[str] = ()
    patches: tuple[str, ...] = ()


def default_steps(transactions: int, checkpoints: int = 2) -> list[str]:
    """Load, with that many checkpoints spread over it and a table made and dropped in between."""
    share = max(1, transactions // (checkpoints + 1))
    steps = [f"load {share}"]
    left = transactions - share
    for number in range(checkpoints):
        steps.append("make" if number % 2 == 0 else "drop")
        steps.append("checkpoint")
        part = left if number == checkpoints - 1 else min(share, left)
        steps.append(f"load {part}")
        left -= part
    return steps


def steps_with_crash(transactions: int) -> list[str]:
    """Also a crash after writes that no checkpoint has synced, a recovery, and a stop."""
    share = max(2, transactions // 6)
    return [
        f"load {share}", "checkpoint", "make", f"load {share}", "checkpoint", "drop",
        f"load {share}", "truncate", "checkpoint", f"load {share}", "make", "evict",
        "crash", f"load {share}",
        "checkpoint", "drop", f"load {share}", "stop", "start", "load 2",
    ]  # fmt: skip


class LogTail:
    """The I/O log of a run that is under way, read as it grows."""

    def __init__(self, path: Path) -> None:
        self.operations: list[DiskOperation] = []
        self._path = path
        self._position: Position = START

    def length(self) -> int:
        """How many operations there are now."""
        if self._path.exists():
            found, self._position = read_log(self._path, self._position)
            self.operations += found
        return len(self.operations)


def record(maker: Maker, script: Script) -> Recorded:
    """One run, from nothing to nothing. TargetUnusable, HarnessBroken."""
    settings = SETTINGS | dict(script.settings)
    schedule = Schedule(child_seed(script.seed, "schedule"), mean_run=400)
    target = maker.baton(schedule, settings, WAL_SEGMENT_MB, PROFILE)
    if not isinstance(target, BatonEngineTarget):
        raise TargetUnusable("only the engine under the baton can be recorded")
    is_fit = False
    try:
        recorded = _Recording(target, script, settings).run()
        is_fit = True
        return recorded
    finally:
        try:
            target.destroy()
        finally:
            maker.clear(is_fit=is_fit)


class _Recording:
    """One run under way."""

    def __init__(
        self, target: BatonEngineTarget, script: Script, settings: Mapping[str, str]
    ) -> None:
        self._target = target
        self._script = script
        self._settings = dict(settings)
        self._waiting = target.waiting()
        self._mix = _mix(script.seed)
        self._workload: Workload = WORKLOADS[script.workload](self._mix)
        target.patches = script.patches
        target.create()
        self._tail = LogTail(target.io_log_path())
        self._base = Image.read(target.data_directory)
        self._history = PlacedHistory(self._waiting.now_s, self._tail.length)
        self._driver = Driver(
            self._history,
            _Watched(self._workload, self._history),
            script.clients,
            target.conninfo,
            stream(script.seed, "workload", "operations"),
            self._waiting,
        )
        self._driver.accepting = False
        self._control = self._driver.add_client(CONTROL)
        self._phases: list[Phase] = []
        self._checkpoints = 0
        self._tables = 0

    def run(self) -> Recorded:
        """All of it."""
        driver, script = self._driver, self._script
        try:
            self._begin_phase("start")
            self._start()
            facts = self._workload.facts() | {"workload": self._workload.name}
            facts |= {"settings": self._settings, "bound_s": BOUND_S}
            self._history.note("begin", facts)
            self._begin_phase("fill")
            self._fill()
            self._begin_phase("setup")
            for operation in self._workload.setup():
                self._do(operation)
            if is_asynchronous(self._settings):
                self._do(checkpoint())  # else a crash could take the tables with it
            first = self._tail.length()
            for step in script.steps or default_steps(script.transactions):
                self._step(step)
            self._audit()
        finally:
            driver.close()
        self._tail.length()
        return Recorded(
            self._base,
            self._tail.operations,
            self._history.events,
            self._history.places,
            self._history.moments,
            first,
            script.workload,
            self._mix,
            self._settings,
            self._phases,
            self._checkpoints,
            driver.tally.acknowledged,
            self._target.world.steps,
            round(self._waiting.now_s(), 3),
        )

    # the words of a script -----------------------------------------------------------------------

    def _step(self, step: str) -> None:
        word, _, number = step.partition(" ")
        steps: dict[str, Callable[[], None]] = {
            "checkpoint": self._checkpoint,
            "make": self._make,
            "drop": self._drop,
            "truncate": self._truncate,
            "evict": self._evict,
            "crash": self._crash,
            "stop": self._stop,
            "start": self._start,
        }
        self._begin_phase(step)
        if word == "load":
            self._load(int(number))
        else:
            steps[word]()

    def _load(self, transactions: int) -> None:
        self._driver.accepting = True
        tally = self._driver.tally
        goal = tally.acknowledged + transactions
        if not self._driver.pump(BOUND_S, lambda: tally.acknowledged >= goal):
            raise HarnessBroken(f"{transactions} transactions took more than {BOUND_S:.0f} s")

    def _checkpoint(self) -> None:
        """The clients go on: some transactions lie in the midst of it."""
        self._checkpoints += 1
        self._do(checkpoint())

    def _make(self) -> None:
        self._tables += 1
        name = f"scratch_{self._tables}"
        rows = ", ".join(f"({number}, '{'x' * 200}')" for number in range(SCRATCH_ROWS))
        texts = [
            f"CREATE TABLE {name} (id integer NOT NULL, filler text NOT NULL)",
            f"INSERT INTO {name} VALUES {rows}",
        ]
        self._run_own("make", texts)

    def _drop(self) -> None:
        if self._tables:
            self._run_own("drop", [f"DROP TABLE scratch_{self._tables}"])

    def _audit(self) -> None:
        """At the end all is read once, so that the recorded run itself can be judged."""
        self._come_to_rest()
        self._do(self._workload.audit())

    def _fill(self) -> None:
        """Bring the WAL to where the run will need a new segment, and make that durable."""
        self._run_own("fill", ["CREATE TABLE filler (id integer NOT NULL, filler text NOT NULL)"])
        rows = ", ".join(f"({number}, '{'x' * 1900}')" for number in range(FILL_ROWS))
        while self._place_in_segment() < FILL_TO:
            self._run_own("fill", [f"INSERT INTO filler VALUES {rows}"])
        self._run_own("fill", ["DROP TABLE filler"])
        self._do(checkpoint())

    def _place_in_segment(self) -> float:
        """Which part of the current segment is full."""
        value: dict[str, int] = {}

        def body(value: dict[str, int]) -> Body:
            answer = yield Statement("SELECT pg_current_wal_insert_lsn()")
            value["lsn"] = int(str(answer.rows[0][0]).rpartition("/")[2], 16)

        self._do(Operation("position", value, body))
        size = WAL_SEGMENT_MB << 20
        return value["lsn"] % size / size

    def _come_to_rest(self) -> None:
        """Nobody has a transaction open, and nobody begins one."""
        if not self._driver.drain(BOUND_S):
            raise HarnessBroken("the clients do not come to rest")
        self._driver.accepting = False

    def _evict(self) -> None:
        """Clients rest until the next `load`."""
        self._come_to_rest()
        reads = [Statement("SELECT count(*) FROM ledger")] * EVICTING_READS
        self._do(Operation("evict", None, run_all(reads)))

    def _truncate(self) -> None:
        """VACUUM must see that nobody needs the rows."""
        self._come_to_rest()
        self._tables += 1
        name = f"scratch_{self._tables}"
        rows = ", ".join(f"({number}, '{'y' * 700}')" for number in range(SCRATCH_ROWS))
        create = f"CREATE TABLE {name} (id integer NOT NULL, filler text NOT NULL)"
        self._run_own("truncate", [create, f"INSERT INTO {name} VALUES {rows}"])
        self._do(checkpoint())
        self._run_own("truncate", [f"DELETE FROM {name}"])
        self._do(vacuum(name))

    def _run_own(self, f: str, texts: Sequence[str]) -> None:
        statements = [Statement(text, commits=True) for text in texts]
        self._do(Operation(f, list(texts), run_all(statements)))

    def _crash(self) -> None:
        target = self._target
        for pid in [target.postmaster(), *target.processes()]:
            target.send(pid, signal.SIGKILL)
        for pid in target.survivors():
            target.send(pid, signal.SIGKILL)
        self._driver.pump(0.001)
        self._start()

    def _stop(self) -> None:
        driver = self._driver
        self._come_to_rest()
        driver.gate_open = False
        status = self._target.stop(BOUND_S)
        driver.pump(0.01)
        if status != 0:
            raise HarnessBroken(f"the recorded server stopped with exit status {status}")

    # parts ---------------------------------------------------------------------------------------

    def _begin_phase(self, name: str) -> None:
        self._phases.append(Phase(name, self._tail.length()))

    def _start(self) -> None:
        target, driver = self._target, self._driver
        driver.gate_open = True
        target.launch()
        deadline = self._waiting.now_s() + BOUND_S
        while not driver.pump(0.005, lambda: self._control.state is ClientState.FREE):
            if target.exit_status() is not None or self._waiting.now_s() > deadline:
                lines = target.log.news()
                worst = [line for line in lines if "PANIC" in line]
                said = " / ".join(worst[:1] or lines[-3:]) or "no reason"
                raise TargetUnusable(f"the engine does not start: {said}")

    def _do(self, operation: Operation) -> None:
        """One operation of the controller's, the clients going on as they may."""
        control: Client = self._control
        if not self._driver.pump(BOUND_S, lambda: control.state is ClientState.FREE):
            raise HarnessBroken("the controller has no connection")
        event = self._driver.do(control, self._history.watched(operation), BOUND_S)
        if event is None or event.type != "ok":
            why = "no answer" if event is None else event.error
            raise HarnessBroken(f"{operation.f} failed in a run without faults: {why}")


class _Watched:
    """The workload, each of whose operations notes what it sends."""

    def __init__(self, workload: Workload, history: PlacedHistory) -> None:
        self._workload = workload
        self._history = history
        self.name = workload.name

    def next(self, chance: Any) -> Operation:
        """Watched."""
        return self._history.watched(self._workload.next(chance))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._workload, name)


def _mix(seed: int) -> dict[str, dict[str, Any]]:
    """As any seed's, but small, and without what the script does itself."""
    mix = in_all_parts(draw_mix(seed), MIX)
    for name, sizes in SIZES.items():
        mix[name] |= sizes
    return mix
