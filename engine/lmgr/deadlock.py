"""Deadlock detection on a picture of the lock table; no shared memory, no waiting.

A *hard* edge leads from a waiter to whoever holds a conflicting mode of the lock it waits for. A
*soft* edge leads to whoever only queues ahead of it with a conflicting request: such a waiter is
blocked by the order of the queue, which may be changed. `find_deadlock` looks for a cycle through
one process. A cycle with soft edges may be dissolved by reordering wait queues so that some soft
edges turn round; all possible reorderings are tried, each checked for new cycles. If none helps,
the deadlock is hard.

Source: PostgreSQL 15, `storage/lmgr/deadlock.c`; the names are its names. The lock groups of
parallel query and the special case of autovacuum are left out: neither exists here yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from engine.lmgr.modes import CONFLICTS


class Wait(NamedTuple):
    """That a process waits: for which lock, in which mode."""

    lock: int
    mode: int


class Edge(NamedTuple):
    """A soft edge, or the constraint that removes it: `waiter` shall queue before `blocker`."""

    waiter: int
    blocker: int
    lock: int


class CycleStep(NamedTuple):
    """One process of a cycle and what it waits for; the next step's process blocks it."""

    process: int
    lock: int
    mode: int


@dataclass
class LockPicture:
    """Who waits, who holds, who queues. Locks and processes are numbers of the caller's choice."""

    waits: dict[int, Wait]
    holders: dict[int, list[tuple[int, int]]]
    """By lock: (process, mask of the modes it holds)."""
    queues: dict[int, list[int]]
    """By lock: the processes that wait for it, first in front."""


@dataclass
class DeadlockResult:
    """A hard deadlock has a `cycle`; a soft one has `new_orders` (by lock); none has neither."""

    cycle: list[CycleStep] = field(default_factory=list)
    new_orders: dict[int, list[int]] = field(default_factory=dict)


def find_deadlock(picture: LockPicture, start: int) -> DeadlockResult:
    """Whether process `start`, which waits, is part of a deadlock (`DeadLockCheck`)."""
    detector = _Detector(picture)
    if detector.check(start):
        return DeadlockResult(cycle=detector.cycle_of(start))
    return DeadlockResult(new_orders=detector.wait_orders)


class _Detector:
    """The search state of one check."""

    def __init__(self, picture: LockPicture) -> None:
        self._picture = picture
        self.wait_orders: dict[int, list[int]] = {}
        self._constraints: list[Edge] = []
        self._visited: list[int] = []
        self._steps: list[CycleStep] = []
        self._soft_edges: list[Edge] = []

    def check(self, start: int) -> bool:
        """Whether no reordering under the constraints chosen so far is free of deadlock."""
        edges = self._test_configuration(start)
        if edges is None:
            return True
        if not edges:
            return False
        for edge in edges:
            self._constraints.append(edge)
            if not self.check(start):
                return False
            self._constraints.pop()
        return True

    def cycle_of(self, start: int) -> list[CycleStep]:
        """The cycle as the queues really are, for the report."""
        self.wait_orders = {}
        self._find_cycle(start)
        return self._steps

    def _test_configuration(self, start: int) -> list[Edge] | None:
        """None for a hard deadlock; else the soft edges of a cycle found, if any."""
        if not self._expand_constraints():
            return None
        found: list[Edge] = []
        for process in (
            *(end for edge in self._constraints for end in (edge.waiter, edge.blocker)),
            start,
        ):
            if self._find_cycle(process):
                if not self._soft_edges:
                    return None
                found = self._soft_edges
        return found

    def _expand_constraints(self) -> bool:
        """Turn the constraints into queue orders; False when they contradict each other."""
        self.wait_orders = {}
        for edge in reversed(self._constraints):
            if edge.lock in self.wait_orders:
                continue
            order = self._sorted_queue(edge.lock)
            if order is None:
                return False
            self.wait_orders[edge.lock] = order
        return True

    def _sorted_queue(self, lock: int) -> list[int] | None:
        """The queue as near to its old order as the constraints on it allow (`TopoSort`)."""
        remaining = list(self._picture.queues[lock])
        before = [edge for edge in self._constraints if edge.lock == lock]
        order: list[int] = []
        while remaining:
            for process in reversed(remaining):
                if not any(e.waiter == process and e.blocker in remaining for e in before):
                    break
            else:
                return None
            remaining.remove(process)
            order.append(process)
        order.reverse()
        return order

    def _find_cycle(self, process: int) -> bool:
        self._visited = []
        self._steps = []
        self._soft_edges = []
        found = self._visit(process)
        self._steps.reverse()
        return found

    def _visit(self, process: int) -> bool:
        """Depth first along hard, then soft edges; True when the first process is met again."""
        visited = self._visited
        if process in visited:
            return process == visited[0]
        visited.append(process)
        wait = self._picture.waits.get(process)
        if wait is None:
            return False
        conflicts = CONFLICTS[wait.mode]
        for holder, held in self._picture.holders[wait.lock]:
            if holder != process and held & conflicts and self._visit(holder):
                self._steps.append(CycleStep(process, *wait))
                return True
        order = self.wait_orders.get(wait.lock) or self._picture.queues[wait.lock]
        for ahead in order:
            if ahead == process:
                break
            if conflicts >> self._picture.waits[ahead].mode & 1 and self._visit(ahead):
                self._steps.append(CycleStep(process, *wait))
                self._soft_edges.append(Edge(process, ahead, wait.lock))
                return True
        return False
