"""Transactions in a row that agrees with all that is known of their order.

The earliest ended goes first, but none before one that comes before it in the graph, and none that
overwrites a version while somebody who read it has not had his turn. Where snapshots are to be
judged, a transaction's reads have a turn of their own before its commit, and between the two nobody
else commits a write to the keys that it writes.

    event         the turn of a node of the graph: node `n`. The reads of a transaction under a
                  snapshot: `nodes + n`
    hindrance     why an event that could be next may not: a version with readers to come, or a key
                  that somebody is about to write

When every event that could be next is hindered, some earlier choice was wrong. Say E may not
overwrite version v, since a reader of v is still to come, and he cannot come before E: then E
belongs before v's writer. That is noted as an edge, all is undone up to where v was written, and
the row goes on from there. (Conflict-driven, as a solver would do it; with clients that wait for
their answers, few steps are undone each time.) If nothing can be learned, or too much was undone,
the rest is put in the row as it ended, and the proposal will hardly hold.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from enum import Enum
from heapq import heapify, heappop, heappush

import numpy as np

from properties.isolation.columns import SNAPSHOT, Observed
from properties.isolation.graph import RW, Graph
from properties.isolation.loose import Table, Writes, loose, narrow

UNDONE_PER_NODE = 20
"""After so many undone steps for each node, no more is learned."""
LOOKED_AT = 2_000
"""So many events are looked at to find out why nothing can go on."""


class Reads(Enum):
    """When a transaction reads, in a row of commits."""

    AT_COMMIT = "all at once"
    AT_START = "at a moment before"
    ANYWHERE = "at any moment"


class Schedule:
    """Puts the nodes of a graph in a row. A transaction's place is that of its commit."""

    def __init__(self, observed: Observed, graph: Graph, reads: Reads) -> None:
        self.nodes = graph.nodes
        writes = Writes(observed)
        versions = len(observed.version_key)
        self.keys_written = Table(graph.nodes, writes.row, writes.key)
        self.made = Table(graph.nodes, writes.row, writes.version).numbers
        self.replaced = narrow(np.full(len(writes.row), -1))
        self.writer = narrow(observed.version_writer)
        chosen = loose(observed)[observed.version_key[observed.read_version]]
        chosen &= observed.columns.levels[observed.read_transaction] >= SNAPSHOT
        chosen &= reads != Reads.ANYWHERE
        readers, read = observed.read_transaction[chosen], observed.read_version[chosen]
        self.versions_read = Table(graph.nodes, readers, read)
        self.readers = Table(versions, read, readers)
        self.pending = narrow(np.bincount(read, minlength=versions))
        initial = np.flatnonzero((observed.version_writer < 0) & observed.installed)
        current = np.full(int(observed.version_key.max(initial=-1)) + 1, -1)
        current[observed.version_key[initial]] = initial
        self.current = narrow(current)
        self.starts = np.zeros(graph.nodes, bool)
        if reads == Reads.AT_START:
            written = observed.installed & (observed.version_writer >= 0)
            writers = np.unique(observed.version_writer[written])
            bound = observed.columns.levels[writers] >= SNAPSHOT
            self.starts[writers[bound]] = True
        self._connect(graph)

    def _connect(self, graph: Graph) -> None:
        nodes = self.nodes
        from_start = (graph.kind == RW) & self.starts[graph.source]
        to_start = (graph.kind != RW) & self.starts[graph.target]
        begun = np.flatnonzero(self.starts).astype(np.int32)
        shift = np.array([0, nodes], np.int32)
        source = np.concatenate(
            (graph.source + shift[from_start.astype(np.int8)], begun + shift[1])
        )
        target = np.concatenate((graph.target + shift[to_start.astype(np.int8)], begun))
        deadline = np.concatenate((graph.position, graph.position))
        for _ in range(4):
            np.minimum.at(deadline, source, deadline[target] - 2**-10)
        self.deadline = array("d", deadline.tobytes())
        self.after = Table(2 * nodes, source, target)
        self.before = Table(2 * nodes, target, source)
        self.missing = narrow(np.bincount(target, minlength=2 * nodes))
        exists = np.zeros(2 * nodes, bool)
        exists[source] = exists[target] = True
        exists[:nodes] |= np.diff(self.keys_written.bounds) > 0
        self.exists = exists
        self.learned: list[tuple[int, int]] = []
        self.decisions: list[tuple[int, list[tuple[int, int]]]] = []
        self.learned_after: dict[int, list[int]] = {}
        self.learned_before: dict[int, list[int]] = {}

    # the row ------------------------------------------------------------------------------------

    def run(self) -> list[int]:
        """All nodes that anything is known of, in the order of their commits."""
        self.done = bytearray((~self.exists).tobytes())
        self.ready = [
            (self.deadline[event], event)
            for event in np.flatnonzero(self.exists).tolist()
            if not self.missing[event]
        ]
        heapify(self.ready)
        self.locked: dict[int, int] = {}
        self.waiting: dict[tuple[str, int], list[int]] = {}
        self.trail = array("i")
        self.turn = narrow(np.zeros(2 * self.nodes))
        self.undone = 0
        count = int(self.exists.sum())
        while len(self.trail) < count:
            if not self.ready:
                if self.undone < UNDONE_PER_NODE * count and self._learn():
                    continue
                break
            _, event = heappop(self.ready)
            if self.done[event] or self.missing[event]:
                continue
            reason = self._hindrance(event)
            if reason is None:
                self._do(event)
            else:
                self.waiting.setdefault(reason, []).append(event)
        rest = [event for event, done in enumerate(self.done[: self.nodes]) if not done]
        rest.sort(key=lambda event: (self.deadline[event], event))
        return [event for event in self.trail if event < self.nodes] + rest

    def _next(self, event: int) -> Iterable[int]:
        after = self.after[event]
        if event in self.learned_after:
            after.extend(self.learned_after[event])
        return after

    def _hindrance(self, event: int) -> tuple[str, int] | None:
        """What an event must wait for: a key that is being written, a version still to be read."""
        is_start = event >= self.nodes
        node = event - self.nodes if is_start else event
        for key in self.keys_written[node]:
            if self.locked.get(key, node) != node:
                return ("key", key)
            if not is_start:
                version = self.current[key]
                to_come = self.pending[version] if version >= 0 else 0
                if to_come and not self.starts[node] and version in self.versions_read[node]:
                    to_come -= 1
                if to_come:
                    return ("version", version)
        return None

    def _do(self, event: int) -> None:
        """Make an event happen, and let go who waited for it."""
        is_start = event >= self.nodes
        node = event - self.nodes if is_start else event
        freed: list[int] = []
        if is_start or not self.starts[node]:
            for version in self.versions_read[node]:
                self.pending[version] -= 1
                if self.pending[version] <= 1:
                    freed += self.waiting.pop(("version", version), ())
        for slot in self.keys_written.span(node):
            key = self.keys_written.numbers[slot]
            if is_start:
                self.locked[key] = node
                continue
            before = self.replaced[slot] = self.current[key]
            self.current[key] = self.made[slot]
            if self.locked.pop(key, None) is not None:
                freed += self.waiting.pop(("key", key), ())
            freed += self.waiting.pop(("version", before), ())
        self.done[event] = 1
        self.turn[event] = len(self.trail)
        self.trail.append(event)
        for after in self._next(event):
            self.missing[after] -= 1
            if not self.missing[after]:
                freed.append(after)
        for after in freed:
            heappush(self.ready, (self.deadline[after], after))

    def _undo(self) -> int:
        """Take the last event back."""
        event = self.trail.pop()
        is_start = event >= self.nodes
        node = event - self.nodes if is_start else event
        for after in self._next(event):
            self.missing[after] += 1
        for slot in self.keys_written.span(node):
            key = self.keys_written.numbers[slot]
            if is_start:
                self.locked.pop(key, None)
                continue
            self.current[key] = self.replaced[slot]
            if self.starts[node]:
                self.locked[key] = node
        if is_start or not self.starts[node]:
            for version in self.versions_read[node]:
                self.pending[version] += 1
        self.done[event] = 0
        return event

    # when nothing can go on -----------------------------------------------------------------------

    def _learn(self) -> bool:
        """Find a wrong choice, note what it should have been, and go back to it."""
        hindered = {
            event: reason
            for reason, events in self.waiting.items()
            for event in events
            if not self.done[event]
        }
        forced = self._choices(hindered, {})
        if forced:
            self._note(forced[0])
            return True
        open_choices = self._choices(hindered, hindered)
        if not open_choices:
            return self._choose_again()
        self.decisions.append((len(self.learned), open_choices[1:]))
        self._note(open_choices[0])
        return True

    def _choices(
        self, hindered: dict[int, tuple[str, int]], others: dict[int, tuple[str, int]]
    ) -> list[tuple[int, int]]:
        """What may be learned: (who belongs before, before whom), the last wrong choice first.

        Who waits for himself over nobody else that is hindered leaves no choice.
        """
        choices = []
        for event, reason in sorted(hindered.items()):
            wrong = self._wrong_choice(event, reason)
            if wrong is not None and self.done[wrong] and self._leads_back(event, reason, others):
                choices.append((self.turn[wrong], event % self.nodes, wrong))
        return [(event, wrong) for _, event, wrong in sorted(choices, reverse=True)]

    def _choose_again(self) -> bool:
        """Take the last choice back, with all that was learned after it, for another one."""
        while self.decisions:
            mark, choices = self.decisions.pop()
            while len(self.learned) > mark:
                before, after = self.learned.pop()
                self.learned_after[before].pop()
                self.learned_before[after].pop()
                self.missing[after] -= not self.done[before]
                self.waiting.setdefault(("again", 0), []).append(after)
            if choices:
                self.decisions.append((mark, choices[1:]))
                self._note(choices[0])
                return True
        return False

    def _wrong_choice(self, event: int, reason: tuple[str, int]) -> int | None:
        """The event that may have come too early: whose version, or whose lock, is in the way."""
        what, which = reason
        node = self.locked[which] if what == "key" else self.writer[which]
        if node < 0 or node == event % self.nodes:
            return None
        return node + self.nodes if self.starts[node] else node

    def _leads_back(
        self, event: int, reason: tuple[str, int], hindered: dict[int, tuple[str, int]]
    ) -> bool:
        """Whether what hinders an event waits, perhaps over others, for that event itself."""
        todo = self._in_the_way(reason, event)
        seen = set(todo)
        while todo and len(seen) < LOOKED_AT:
            at = todo.pop()
            if at == event:
                return True
            ahead = [*self.before[at], *self.learned_before.get(at, [])]
            if at in hindered:
                ahead += self._in_the_way(hindered[at], at)
            for other in ahead:
                if not self.done[other] and other not in seen:
                    seen.add(other)
                    todo.append(other)
        return False

    def _in_the_way(self, reason: tuple[str, int], event: int) -> list[int]:
        what, which = reason
        if what == "key":
            return [self.locked[which]]
        turns = [n + self.nodes if self.starts[n] else n for n in self.readers[which]]
        return [turn for turn in turns if not self.done[turn] and turn != event]

    def _note(self, choice: tuple[int, int]) -> None:
        """Put an edge before somebody, and if he has had his turn, go back to it."""
        before, after = choice
        again = {event for _, event in self.ready}
        again.update(event for events in self.waiting.values() for event in events)
        turn = self.turn[after] if self.done[after] else len(self.trail)
        while len(self.trail) > turn:
            again.add(self._undo())
            self.undone += 1
        self.learned.append(choice)
        self.learned_after.setdefault(before, []).append(after)
        self.learned_before.setdefault(after, []).append(before)
        self.missing[after] += not self.done[before]
        self.waiting.clear()
        self.ready = [
            (self.deadline[event], event)
            for event in sorted(again)
            if not self.missing[event] and not self.done[event]
        ]
        heapify(self.ready)
