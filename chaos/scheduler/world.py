"""One world, as the controller has it: its memory and doorbells, made once and used for many runs.

The controller is the participant in slot 0. It has the turn whenever its own code runs, so what it
reads here does not change under it. Everything is inherited by the processes of the world as
descriptors, in the order of `descriptors()`.
"""

from __future__ import annotations

import mmap
import os
import select
import signal as posix_signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chaos.faults.arming import Casualty
from chaos.scheduler.baton import Alarm, Baton
from chaos.scheduler.calls import CALL_NAMES, CALLS, ROLES, Call
from chaos.scheduler.layout import (
    ALARM,
    BIRTH,
    BUDGET,
    BYTES,
    CHANGE_AT,
    DEAD,
    DISK_LEFT,
    EARLIEST_US,
    FREE,
    HOLDER,
    KILL_LOG,
    KILL_WORDS,
    KILLS_LOGGED,
    LSN_AT,
    MEAN_RUN,
    NEVER,
    NEXT,
    PARENT,
    PARKED_AT,
    PREEMPTIONS_LEFT,
    REAL_PID,
    ROLE,
    SEED,
    SLOTS,
    SLOTS_USED,
    STATUS,
    STEP,
    STOPPED,
    STRATEGY,
    SWITCHES,
    TIME_AT_US,
    VPID,
    WALL_US,
    Layout,
)
from chaos.scheduler.names import Names
from chaos.scheduler.strategies import STRATEGIES
from chaos.scheduler.trace import Trace

BEGINNING_US: Final = 700_000_000_000_000
"""Wall clock at virtual time 0: in the spring of 2022."""
WATCHED_EVERY_MS: Final = 1000
STUCK_AFTER_S: Final = 60
"""A holder that takes no step for so long in real time is stuck in a call, or in its own code."""
STEP_BUDGET: Final = 20_000_000


class Hung(Exception):
    """The target is in a deadlock or a livelock: that is a finding, not a fault of the harness."""


class WorldBroken(Exception):
    """A participant ended outside the plan, or is stuck: the harness is broken."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a world is scheduled: a strategy by name, the mean number of steps between preemptions
    (change points, for PCT), and how many of them there may be at most (None: any number).
    """

    seed: int
    strategy: str = "random-walk"
    mean_run: int = 200
    preemptions: int | None = None


@dataclass(frozen=True, slots=True)
class Participant:
    """One process of the world, `status` when it has ended."""

    slot: int
    vpid: int
    pid: int
    role: str
    birth: int
    parent: int
    status: int | None


class World:
    """The memory, the doorbells, and the controller's own baton."""

    def __init__(self) -> None:
        self._memory_fd = os.memfd_create("chaos-world", os.MFD_CLOEXEC)
        os.ftruncate(self._memory_fd, BYTES)
        self._doorbells = [os.eventfd(0, os.EFD_CLOEXEC) for _ in range(SLOTS)]
        self._lifeline, self._life = os.pipe()
        self._map = mmap.mmap(self._memory_fd, BYTES)
        self.layout = Layout(memoryview(self._map))
        self._preemptions = 0
        self.baton = _ControllersBaton(self, self._doorbells)

    def descriptors(self) -> list[int]:
        """What a process of the world needs: see `join`."""
        return [self._memory_fd, self._lifeline, *self._doorbells]

    def begin(self, schedule: Schedule, trace_path: str | None) -> None:
        """A new run: everything is forgotten; virtual time begins."""
        self.layout.memory[:] = bytes(BYTES)
        for doorbell in self._doorbells:
            _drain(doorbell)
        words = self.layout.words
        words[SEED] = schedule.seed & NEVER
        self.layout.random[0] = schedule.seed & ((1 << 64) - 1)
        words[STRATEGY] = STRATEGIES.index(schedule.strategy)
        words[MEAN_RUN] = schedule.mean_run
        self._preemptions = NEVER if schedule.preemptions is None else schedule.preemptions
        words[PREEMPTIONS_LEFT] = self._preemptions
        words[WALL_US] = BEGINNING_US
        words[BUDGET] = STEP_BUDGET
        words[EARLIEST_US] = words[TIME_AT_US] = words[LSN_AT] = words[DISK_LEFT] = NEVER
        words[CHANGE_AT] = schedule.mean_run
        self.baton = _ControllersBaton(self, self._doorbells, trace_path)
        self.baton.enroll("controller", -1, -1)
        self.layout.fields[REAL_PID][0] = os.getpid()
        words[HOLDER] = 0
        self.baton.strategy.begin_run()
        self.baton.begin()

    def add_steps_to_budget(self, steps: int = STEP_BUDGET) -> None:
        """From here on so many steps may be taken until the world is taken to be in a livelock."""
        words = self.layout.words
        words[BUDGET] = words[STEP] + steps
        words[NEXT] = 0

    def finish(self) -> str:
        """The digest of the whole trace, in hexadecimal. The world must have ended."""
        return self.baton.trace.finish()

    def close(self) -> None:
        """Let go of everything; whoever still waits for its turn exits."""
        self.baton.trace.close()
        for fd in (self._life, self._lifeline, self._memory_fd, *self._doorbells):
            os.close(fd)

    # what there is -------------------------------------------------------------------------------

    @property
    def steps(self) -> int:
        """Steps so far."""
        return int(self.layout.words[STEP])

    @property
    def switches(self) -> int:
        """Hand-overs so far."""
        return int(self.layout.words[SWITCHES])

    @property
    def preemptions(self) -> int:
        """How often somebody who could have gone on had to make way because it had run for long."""
        return self._preemptions - int(self.layout.words[PREEMPTIONS_LEFT])

    def participants(self) -> list[Participant]:
        """Everybody but the controller, the dead that nobody has reaped too, in order of birth."""
        found = [
            self.participant(slot)
            for slot in range(1, self.layout.words[SLOTS_USED])
            if self.layout.states[slot] != FREE
        ]
        return sorted(found, key=lambda participant: participant.birth)

    def participant(self, slot: int) -> Participant:
        """Who is in that slot."""
        fields = self.layout.fields
        is_dead = self.layout.states[slot] == DEAD
        return Participant(
            slot,
            int(fields[VPID][slot]),
            int(fields[REAL_PID][slot]),
            ROLES[fields[ROLE][slot]],
            int(fields[BIRTH][slot]),
            int(fields[PARENT][slot]),
            int(fields[STATUS][slot]) if is_dead else None,
        )

    def find(self, vpid: int) -> Participant | None:
        """The process with this virtual pid, if it lives or is still to be reaped."""
        slot = self.baton.find(vpid)
        return self.participant(slot) if slot > 0 else None

    def is_stopped(self, slot: int) -> bool:
        """Whether it is not scheduled at present."""
        return bool(self.layout.states[slot] & STOPPED)

    def parked_at(self, slot: int) -> str:
        """The call or point at which a participant waits for its turn."""
        call = int(self.layout.fields[PARKED_AT][slot])
        return str(CALL_NAMES[call])

    def release(self, slot: int) -> None:
        """The controller has taken note of the end of its child."""
        self.layout.states[slot] = FREE

    def born(self, slot: int, pid: int) -> None:
        """The process that the controller has started for this slot."""
        self.layout.fields[REAL_PID][slot] = pid

    def names(self) -> list[str]:
        """The strings that steps refer to by number, number 1 first."""
        return Names(self.layout).all()

    def reached(self) -> dict[str, dict[str, int]]:
        """How often each role has made each call: role, call, count."""
        return self._table(self.layout.counts)

    def kills_since(self, number: int) -> list[Casualty]:
        """The kills of this run from that number on (counted from 0), as far as they are known."""
        log, count = self.layout.kill_log, int(self.layout.words[KILLS_LOGGED])
        found = []
        for index in range(max(number, count - KILL_LOG), count):
            vpid, cell, by_place = log[index % KILL_LOG * KILL_WORDS :][:KILL_WORDS]
            role, call = divmod(cell, CALLS)
            found.append(Casualty(int(vpid), ROLES[role], CALL_NAMES[call], bool(by_place)))
        return found

    def killed(self) -> dict[str, dict[str, int]]:
        """At which call processes of each role were killed, and how often."""
        return self._table(self.layout.kills)

    def _table(self, cells: Sequence[int]) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for number, role in enumerate(ROLES):
            row = {
                name: int(cells[number * CALLS + call])
                for call, name in CALL_NAMES.items()
                if cells[number * CALLS + call]
            }
            if row:
                found[role] = row
        return found

    # what the controller does to others ----------------------------------------------------------

    def send(self, vpid: int, number: int) -> bool:
        """A signal from outside: STOP, CONT and KILL as the kernel would, others as flags.

        False when there is no such process, which may have come about just before.
        """
        baton = self.baton
        baton.step(Call.SIGNAL, vpid, number)
        slot = baton.find(vpid)
        if slot <= 0 or self.layout.states[slot] == DEAD:
            return False
        if number == posix_signal.SIGSTOP:
            baton.stop(slot)
        elif number == posix_signal.SIGCONT:
            baton.go_on(slot)
        elif number == posix_signal.SIGKILL:
            baton.places.kill_all([slot], by_place=False)
        else:
            baton.deliver(slot, number)
        return True

    def limit_disk(self, size: int) -> None:
        """From now on the files of the data directory may grow by so many bytes in all, and by what
        files that shrink or go give back.
        """
        self.layout.words[DISK_LEFT] = size

    def unlimit_disk(self) -> None:
        """There is room again."""
        self.layout.words[DISK_LEFT] = NEVER

    def check_alarm(self) -> None:
        """Hung, if that is why the controller has the turn."""
        words = self.layout.words
        if words[ALARM] == Alarm.NONE:
            return
        alarm = Alarm(words[ALARM])
        words[ALARM] = Alarm.NONE
        if alarm is Alarm.DEADLOCK:
            raise Hung("deadlock: every process waits, and nothing will ever wake one")
        if alarm is Alarm.LIVELOCK:
            raise Hung(f"livelock: {words[STEP]} steps and no end")


class _ControllersBaton(Baton):
    """The controller's end: while it waits it sees to it that somebody is alive."""

    def __init__(self, world: World, doorbells: list[int], trace_path: str | None = None) -> None:
        super().__init__(world.layout, doorbells, -1, Trace(world.layout, trace_path), 0)
        self._world = world

    def await_turn(self) -> None:
        """As any participant, but not for ever."""
        seen, idle_ms = -1, 0
        while not self._poll.poll(WATCHED_EVERY_MS):
            words = self.words
            holder = self._world.participant(words[HOLDER])
            if not _is_alive(holder.pid):
                if words[HOLDER] != holder.slot:
                    continue  # it had handed over, and left
                raise WorldBroken(
                    f"the {holder.role} ({holder.vpid}) died outside the plan, after step"
                    f" {words[STEP]}, which was {CALL_NAMES[self.last_call()]}"
                )
            idle_ms = idle_ms + WATCHED_EVERY_MS if words[STEP] == seen else 0
            seen = words[STEP]
            if idle_ms >= STUCK_AFTER_S * 1000:
                raise WorldBroken(
                    f"the {holder.role} ({holder.vpid}) has taken no step for {STUCK_AFTER_S} s;"
                    f" its last was {CALL_NAMES[self.last_call()]}"
                )
        super().await_turn()


def join(descriptors: Sequence[int], slot: int, trace_path: str | None) -> Baton:
    """Become the participant in that slot of the world with these descriptors; not its turn yet."""
    memory_fd, lifeline, *doorbells = descriptors
    layout = Layout(memoryview(mmap.mmap(memory_fd, BYTES)))
    return Baton(layout, doorbells, lifeline, Trace(layout, trace_path), slot)


def _drain(doorbell: int) -> None:
    os.set_blocking(doorbell, False)
    try:
        os.eventfd_read(doorbell)
    except BlockingIOError:
        pass
    finally:
        os.set_blocking(doorbell, True)


def _is_alive(pid: int) -> bool:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return not poll.poll(0)
    finally:
        os.close(fd)
