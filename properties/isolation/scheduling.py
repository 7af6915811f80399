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

from enum import Enum
from heapq import heapify, heappop, heappush

import numpy as np
import numpy.typing as npt

from properties.isolation.columns import SNAPSHOT, Ints, Observed
from properties.isolation.graph import RW, Graph, ranges

UNDONE_PER_NODE = 20
"""After so many undone steps for each node, no more is learned."""
LOOKED_AT = 2_000
"""So many events are looked at to find out why nothing can go on."""


class Writes:
    """Who wrote what of loose keys, to be looked up by (transaction, key) and by key and time."""

    def __init__(self, observed: Observed) -> None:
        is_loose = loose(observed)
        chosen = observed.installed & (observed.version_writer >= 0)
        self.version: Ints = np.flatnonzero(chosen & is_loose[observed.version_key])
        self.row = observed.version_writer[self.version]
        self.key = observed.version_key[self.version]
        self.keys = len(is_loose)
        by_row = np.lexsort((self.key, self.row))
        self.by_row = by_row
        self.codes = (self.row * self.keys + self.key)[by_row]

    def of_row(self, rows: Ints) -> tuple[Ints, Ints]:
        """For each row all its writes: indices into `rows`, and into the writes."""
        row = self.row[self.by_row]
        first = np.searchsorted(row, rows)
        count = np.searchsorted(row, rows, side="right") - first
        return np.repeat(np.arange(len(rows)), count), self.by_row[ranges(first, count)]

    def version_of(self, rows: Ints, keys: Ints) -> Ints:
        """The version that each row wrote of each key, -1 for none."""
        code = rows * self.keys + keys
        place = np.minimum(np.searchsorted(self.codes, code), max(len(self.codes) - 1, 0))
        if not len(self.codes):
            return np.full(len(rows), -1, np.int64)
        found: Ints = np.where(self.codes[place] == code, self.version[self.by_row[place]], -1)
        return found


def loose(observed: Observed) -> npt.NDArray[np.bool_]:
    """By key: whether its versions are not in one known order."""
    is_loose = np.zeros(int(observed.version_key.max(initial=-1)) + 1, bool)
    is_loose[observed.loose_keys] = True
    return is_loose


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
        self.keys_written: dict[int, list[int]] = {}
        self.made: dict[tuple[int, int], int] = {}
        for row, key, version in zip(
            writes.row.tolist(), writes.key.tolist(), writes.version.tolist(), strict=True
        ):
            self.keys_written.setdefault(row, []).append(key)
            self.made[row, key] = version
        self.writer: list[int] = observed.version_writer.tolist()
        self.versions_read: dict[int, list[int]] = {}
        self.readers: dict[int, list[int]] = {}
        self.pending: dict[int, int] = {}
        if reads != Reads.ANYWHERE:
            self._take_reads(observed)
        self.current = dict.fromkeys(observed.loose_keys.tolist(), -1)
        initial = np.flatnonzero((observed.version_writer < 0) & observed.installed)
        for key, version in zip(
            observed.version_key[initial].tolist(), initial.tolist(), strict=True
        ):
            if key in self.current:
                self.current[key] = version
        self.starts = np.zeros(graph.nodes, bool)
        if reads == Reads.AT_START:
            writers = np.unique(writes.row)
            bound = observed.columns.levels[writers] >= SNAPSHOT
            self.starts[writers[bound]] = True
        self._connect(graph)

    def _take_reads(self, observed: Observed) -> None:
        chosen = loose(observed)[observed.version_key[observed.read_version]]
        chosen &= observed.columns.levels[observed.read_transaction] >= SNAPSHOT
        for row, version in zip(
            observed.read_transaction[chosen].tolist(),
            observed.read_version[chosen].tolist(),
            strict=True,
        ):
            self.versions_read.setdefault(row, []).append(version)
            self.readers.setdefault(version, []).append(row)
            self.pending[version] = self.pending.get(version, 0) + 1

    def _connect(self, graph: Graph) -> None:
        nodes = self.nodes
        from_start = (graph.kind == RW) & self.starts[graph.source]
        to_start = (graph.kind != RW) & self.starts[graph.target]
        begun = np.flatnonzero(self.starts)
        source = np.concatenate((graph.source + np.where(from_start, nodes, 0), begun + nodes))
        target = np.concatenate((graph.target + np.where(to_start, nodes, 0), begun))
        deadline = np.concatenate((graph.position, graph.position))
        for _ in range(4):
            np.minimum.at(deadline, source, deadline[target] - 2**-10)
        self.deadline: list[float] = deadline.tolist()
        self.after, self.after_bounds = _adjacency(2 * nodes, source, target)
        self.before, self.before_bounds = _adjacency(2 * nodes, target, source)
        self.missing: list[int] = np.bincount(target, minlength=2 * nodes).tolist()
        exists = np.zeros(2 * nodes, bool)
        exists[source] = exists[target] = True
        exists[list(self.keys_written)] = True
        self.exists: list[bool] = exists.tolist()
        self.learned: list[tuple[int, int]] = []
        self.decisions: list[tuple[int, list[tuple[int, int]]]] = []
        self.learned_after: dict[int, list[int]] = {}
        self.learned_before: dict[int, list[int]] = {}

    # the row ------------------------------------------------------------------------------------

    def run(self) -> list[int]:
        """All nodes that anything is known of, in the order of their commits."""
        self.done = [not exists for exists in self.exists]
        self.ready = [
            (self.deadline[event], event)
            for event, exists in enumerate(self.exists)
            if exists and not self.missing[event]
        ]
        heapify(self.ready)
        self.locked: dict[int, int] = {}
        self.waiting: dict[tuple[str, int], list[int]] = {}
        self.trail: list[tuple[int, list[tuple[int, int]]]] = []
        self.turn: dict[int, int] = {}
        self.undone = 0
        count = sum(self.exists)
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
        return [event for event, _ in self.trail if event < self.nodes] + rest

    def _next(self, event: int) -> list[int]:
        after = self.after[self.after_bounds[event] : self.after_bounds[event + 1]]
        return after + self.learned_after[event] if event in self.learned_after else after

    def _hindrance(self, event: int) -> tuple[str, int] | None:
        """What an event must wait for: a key that is being written, a version still to be read."""
        is_start = event >= self.nodes
        node = event - self.nodes if is_start else event
        for key in self.keys_written.get(node, ()):
            if self.locked.get(key, node) != node:
                return ("key", key)
            if not is_start:
                version = self.current[key]
                to_come = self.pending.get(version, 0)
                if (
                    to_come
                    and not self.starts[node]
                    and version in self.versions_read.get(node, ())
                ):
                    to_come -= 1
                if to_come:
                    return ("version", version)
        return None

    def _do(self, event: int) -> None:
        """Make an event happen, and let go who waited for it."""
        is_start = event >= self.nodes
        node = event - self.nodes if is_start else event
        replaced: list[tuple[int, int]] = []
        freed: list[int] = []
        if is_start or not self.starts[node]:
            for version in self.versions_read.get(node, ()):
                self.pending[version] -= 1
                if self.pending[version] <= 1:
                    freed += self.waiting.pop(("version", version), ())
        for key in self.keys_written.get(node, ()):
            if is_start:
                self.locked[key] = node
                continue
            replaced.append((key, self.current[key]))
            self.current[key] = self.made[node, key]
            if self.locked.pop(key, None) is not None:
                freed += self.waiting.pop(("key", key), ())
            if replaced[-1][1] >= 0:
                freed += self.waiting.pop(("version", replaced[-1][1]), ())
        self.done[event] = True
        self.turn[event] = len(self.trail)
        self.trail.append((event, replaced))
        for after in self._next(event):
            self.missing[after] -= 1
            if not self.missing[after]:
                freed.append(after)
        for after in freed:
            heappush(self.ready, (self.deadline[after], after))

    def _undo(self) -> int:
        """Take the last event back."""
        event, replaced = self.trail.pop()
        is_start = event >= self.nodes
        node = event - self.nodes if is_start else event
        for after in self._next(event):
            self.missing[after] += 1
        for key, version in replaced:
            self.current[key] = version
            if self.starts[node]:
                self.locked[key] = node
        if is_start:
            for key in self.keys_written.get(node, ()):
                self.locked.pop(key, None)
        if is_start or not self.starts[node]:
            for version in self.versions_read.get(node, ()):
                self.pending[version] += 1
        self.done[event] = False
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
            ahead = self.before[self.before_bounds[at] : self.before_bounds[at + 1]]
            ahead = ahead + self.learned_before.get(at, [])
            if at in hindered:
                ahead = ahead + self._in_the_way(hindered[at], at)
            for other in ahead:
                if not self.done[other] and other not in seen:
                    seen.add(other)
                    todo.append(other)
        return False

    def _in_the_way(self, reason: tuple[str, int], event: int) -> list[int]:
        what, which = reason
        if what == "key":
            return [self.locked[which]]
        turns = [n + self.nodes if self.starts[n] else n for n in self.readers.get(which, ())]
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


def _adjacency(count: int, source: Ints, target: Ints) -> tuple[list[int], list[int]]:
    by_source = np.argsort(source, kind="stable")
    bounds = np.searchsorted(source[by_source], np.arange(count + 1))
    return target[by_source].tolist(), bounds.tolist()
