"""A world on which the test is the controller, and a function plays the postmaster.

    with Stage(directory) as stage:
        stage.arm("backend fsync 2: kill")
        stage.play(main)            # main(host) in a process of its own, until it has ended

While `play` waits, the test waits for its turn like any participant and without a deadline, so a
scene in which nobody can go on ends in `Hung`. What the scene found out it writes to `stage.seen`,
words that all its processes share with the test.
"""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, NoReturn, Self

from chaos.disk.log import read_log
from chaos.disk.operations import Operation
from chaos.faults.places import parse_fault
from chaos.host.files import WORLD
from chaos.host.host import BatonHost
from chaos.scheduler.calls import CALL_NAMES, ROLES, Call
from chaos.scheduler.layout import FOR_CLIENTS
from chaos.scheduler.trace import read_entries
from chaos.scheduler.world import Schedule, World, join
from chaos.waiting.baton import BatonWaiting

CRASHED = 2
BUSY = Schedule(seed=1, mean_run=5)
"""With a hand-over every few steps."""

Scene = Callable[[BatonHost], None]


class Step(NamedTuple):
    """One line of the trace: when, which process, which call, and what it was about."""

    time_us: int
    role: str
    vpid: int
    call: str
    a: int
    b: int


class Stage:
    """One world in one directory, for one schedule."""

    def __init__(
        self, directory: Path, schedule: Schedule = BUSY, *, has_log: bool = False
    ) -> None:
        self.directory = directory
        self.io_log = directory / "io.log" if has_log else None
        self.data = directory / "data"
        self.world = World()
        self.waiting = BatonWaiting(self.world)
        self.seen = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")
        self._trace = directory / "trace"
        self._slot = 0
        self._pids: list[int] = []
        self._is_closed = False
        self.begin(schedule)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pid in self._pids:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        if not self._is_closed:
            self.let_go()

    def let_go(self) -> None:
        """The controller is gone."""
        self._is_closed = True
        self.world.close()

    def begin(self, schedule: Schedule) -> None:
        """A new run, from nothing: no file, no process, no time."""
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True)
        self._trace.unlink(missing_ok=True)
        if self.io_log is not None:
            self.io_log.unlink(missing_ok=True)
        self.seen[:] = memoryview(bytes(self.seen.nbytes)).cast("q")
        self.world.begin(schedule, str(self._trace))

    # the scene -----------------------------------------------------------------------------------

    def start(self, scene: Scene) -> int:
        """Fork the postmaster; its virtual pid. It runs when the test waits."""
        world = self.world
        self._slot = world.baton.enroll("postmaster", 0, 0)
        pid = os.fork()
        if pid == 0:
            self._be_postmaster(scene)
        os.setpgid(pid, pid)
        self._pids.append(pid)
        world.born(self._slot, pid)
        return world.participant(self._slot).vpid

    def end(self) -> int:
        """Let the scene go on until its postmaster has ended: the status, or minus the signal."""
        world = self.world
        self.wait_until(lambda: world.participant(self._slot).status is not None)
        status = world.participant(self._slot).status
        world.release(self._slot)
        assert status is not None
        return status

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Let the others run; look again when one of them did what a controller looks for."""
        baton = self.world.baton
        while True:
            baton.step(Call.WAIT)
            if is_so():
                return
            baton.block(FOR_CLIENTS)
            self.world.check_alarm()

    def everybody_has_ended(self) -> bool:
        """Orphans too; who is still to be reaped has ended."""
        return all(one.status is not None for one in self.world.participants())

    def play(self, scene: Scene) -> None:
        """The whole scene; what its postmaster raises fails the test."""
        self.start(scene)
        status = self.end()
        complaint = self.directory / "complaint"
        assert status == 0, complaint.read_text() if complaint.exists() else f"status {status}"

    def arm(self, fault: str, vpid: int = 0) -> int:
        """Arm a fault, written as chaos/faults/places.py says; its number."""
        return self.world.baton.places.arm(parse_fault(fault), vpid)

    def _be_postmaster(self, scene: Scene) -> NoReturn:
        os.setpgid(0, 0)
        os.close(self.world._life)  # the test alone keeps the world alive
        baton = join(self.world.descriptors(), self._slot, str(self._trace))
        baton.await_turn()
        baton.begin()
        io_log = str(self.io_log) if self.io_log is not None else None
        host = BatonHost(baton, str(self.directory), f"{WORLD}/data", io_log)
        host.catch_signals()
        status = CRASHED
        try:
            scene(host)
            status = 0
        except BaseException:  # noqa: BLE001 - handed to the test
            (self.directory / "complaint").write_text(traceback.format_exc())
        finally:
            host.exit(status)

    # what is known of it -------------------------------------------------------------------------

    def operations(self) -> list[Operation]:
        """What was done to the data directory; of a stage that has a log."""
        assert self.io_log is not None
        return read_log(self.io_log)[0]

    def finish(self) -> str:
        """The digest."""
        return self.world.finish()

    def steps(self) -> list[Step]:
        """The whole trace of a world that is finished."""
        who: dict[int, tuple[str, int]] = {}
        found = []
        for time_us, slot, call, _, _, _, a, b in read_entries(self._trace)[1:]:
            if call == Call.BEGIN:
                who[slot] = ROLES[b], a
            one = who.get(slot, ("not yet begun", a))
            found.append(Step(time_us, *one, CALL_NAMES[call], a, b))
            if call == Call.DEATH:
                who.pop(slot, None)
        return found
