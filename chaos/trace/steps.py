"""The steps of a trace, one by one, with the processes by name.

The file has slots and numbers (chaos/scheduler/trace.py); who is in which slot, and what a number
stands for, is told by the steps before. So a trace is read from its beginning, in one pass and
without being held in memory, since it may have millions of steps.

A process is named by its role and by the how manieth of that role it is, in order of birth:
`backend 3` is the same process in both traces of two runs up to the step where they part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Final

from chaos.scheduler.calls import CONTROLLER, POINT_NUMBERS, POSTMASTER, ROLE_NUMBERS, ROLES, Call
from chaos.scheduler.trace import NOBODY
from chaos.trace.recording import Entry
from engine.host.points import Point

_CHILD_FORKED: Final = POINT_NUMBERS[Point.CHILD_FORKED]
_TELLING: Final = frozenset((Call.BEGIN, Call.DEATH, Call.FORK, _CHILD_FORKED))
"""The calls that say who is who."""


@dataclass(frozen=True, slots=True)
class Process:
    """One participant of the world. `number` counts those of its role; the controller has 0."""

    vpid: int
    role: str
    number: int

    def __str__(self) -> str:
        return f"{self.role} {self.number}" if self.number else self.role


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `next` is who had the turn after it, None when the same process went on."""

    number: int
    time_us: int
    process: Process
    call: int
    a: int
    b: int
    check: int
    next: Process | None


@dataclass(slots=True)
class Cast:
    """Who is who, as far as the steps read so far tell."""

    slots: dict[int, Process] = field(default_factory=dict)
    processes: dict[int, Process] = field(default_factory=dict)
    """By virtual pid; the dead stay."""
    latches: dict[int, Process] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)
    _forks: dict[int, tuple[str, int]] = field(default_factory=dict)
    """By slot of the parent: role and latch of the child that it is forking."""

    def hear(self, slot: int, call: int, a: int, b: int) -> None:
        """Take note of what this step tells, before it is described."""
        if call == Call.BEGIN:
            self.slots[slot] = self._introduce(a, ROLES[b] if 0 <= b < len(ROLES) else f"role {b}")
        elif call == Call.DEATH:
            self.slots[slot] = self.find(a)
        elif call == Call.FORK:
            role = ROLES[a] if 0 <= a < len(ROLES) else f"role {a}"
            self._forks[slot] = role, b
        elif call == _CHILD_FORKED and slot in self._forks:
            self._introduce(a, self._forks[slot][0])

    def at(self, slot: int) -> Process:
        """Who is in that slot."""
        return self.slots.get(slot) or Process(0, "slot", slot)

    def find(self, vpid: int) -> Process:
        """Who has this virtual pid."""
        return self.processes.get(vpid) or Process(vpid, "process", vpid)

    def _introduce(self, vpid: int, role: str) -> Process:
        if vpid in self.processes:
            return self.processes[vpid]
        if role == ROLES[CONTROLLER]:
            number = 0
        else:
            number = self._numbers[role] = self._numbers.get(role, 0) + 1
        process = self.processes[vpid] = Process(vpid, role, number)
        latch = 0 if ROLE_NUMBERS.get(role) == POSTMASTER else self._latch_for(role)
        if latch is not None and number:
            self.latches[latch] = process
        return process

    def _latch_for(self, role: str) -> int | None:
        """The latch that a parent has for its child, whose first turn may come before the parent's
        next.
        """
        for slot, (forked, latch) in self._forks.items():
            if forked == role:
                del self._forks[slot]
                return latch
        return None


def steps(found: Iterable[Entry], cast: Cast) -> Iterator[Step]:
    """The steps of these entries; `cast` is up to date when a step is handed out.

    Who takes over may have its first turn then: so each step is read with the one after it.
    """
    last: Entry = (0, 0, 0, NOBODY, 0, 0, 0, 0)
    for number, (entry, following) in enumerate(pairwise(chain(found, (last,))), 1):
        time_us, slot, call, next_slot, _, check, a, b = entry
        if call in _TELLING:
            cast.hear(slot, call, a, b)
        process = cast.at(slot)
        taker = None
        if next_slot != NOBODY:
            _, following_slot, following_call, _, _, _, *about = following
            if following_slot == next_slot and following_call in (Call.BEGIN, Call.DEATH):
                cast.hear(following_slot, following_call, about[0], about[1])
            taker = cast.at(next_slot)
        yield Step(number, time_us, process, call, a, b, check, taker)
