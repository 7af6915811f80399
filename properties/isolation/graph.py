"""The graph of dependencies between transactions, and where in it cycles can be.

Nodes below `transactions` are transactions, those above are helpers that keep the number of edges
linear; a path through helpers stands for one edge between two transactions.

    realtime   a transaction that ended before another began came before it: up to n*n pairs.
               Instead a chain of moments: who ended points to the next moment, a moment to the
               following one, and the last moment before somebody began to him.
    fans       everybody who read the last known version came before everybody who wrote a later
               one, but nobody before himself. Large fans go through two chains of helpers, one for
               the writers up to some place, and one for those behind it.

Kinds of edges. ww: the source's version was followed by the target's. wr: the target read the
source's version. rw: the source read a version that the target's followed. process: one process
ran them one after the other. realtime: as above.

To find out that a graph has no cycle is the usual case, and must be cheap. Each node has a
position, by when its transaction ended; every cycle has an edge that does not go forward, and lies
within what such edges span together. So only nodes under such a span are looked at more closely,
and there are few.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import rustworkx as rx

from properties.isolation.columns import SNAPSHOT, Columns, Ints, Observed

WW, WR, RW, PROCESS, REALTIME = range(5)

Narrow = npt.NDArray[Any]
"""Columns of edges are as narrow as they can be: there are many, and they are what is large."""

EDGES_AT_ONCE = 100_000
"""So many are handed to the graph library as Python objects at a time."""

FAN_LIMIT = 4
"""A fan that has more than this many times the edges that helpers need is made with helpers."""


@dataclass
class Graph:
    """Edges in columns. `older` and `newer` are the versions that show an edge, -1 where none
    does.
    """

    transactions: int
    nodes: int
    source: Narrow
    target: Narrow
    kind: Narrow
    older: Narrow
    newer: Narrow
    position: npt.NDArray[np.float64]
    """By node: where an order by time would put it."""


@dataclass
class _Edges:
    parts: list[tuple[Narrow, Narrow, Narrow, Narrow, Narrow]] = field(default_factory=list)

    def add(
        self,
        kind: int,
        source: Ints,
        target: Ints,
        older: Ints | None = None,
        newer: Ints | None = None,
    ) -> None:
        none = np.full(len(source), -1, np.int32)
        self.parts.append(
            (
                source.astype(np.int32),
                target.astype(np.int32),
                np.full(len(source), kind, np.int8),
                none if older is None else older.astype(np.int32),
                none if newer is None else newer.astype(np.int32),
            )
        )

    def columns(self) -> tuple[Narrow, ...]:
        return tuple(np.concatenate([part[i] for part in self.parts]) for i in range(5))


def build(observed: Observed) -> Graph:
    """The graph of all dependencies that a history shows."""
    columns = observed.columns
    count = len(columns)
    edges = _Edges()
    helpers = _Helpers(count, _positions(observed))
    _add_writes(observed, edges)
    _add_reads(observed, edges, helpers)
    _add_processes(observed, edges)
    _add_times(observed, edges, helpers)
    source, target, kind, older, newer = edges.columns()
    return Graph(
        transactions=count,
        nodes=helpers.next,
        source=source,
        target=target,
        kind=kind,
        older=older,
        newer=newer,
        position=np.concatenate(helpers.positions),
    )


def without(graph: Graph, kinds: tuple[int, ...]) -> Graph:
    """The graph without edges of some kinds."""
    if not kinds:
        return graph
    kept = ~np.isin(graph.kind, kinds)
    return replace(
        graph,
        source=graph.source[kept],
        target=graph.target[kept],
        kind=graph.kind[kept],
        older=graph.older[kept],
        newer=graph.newer[kept],
    )


class _Helpers:
    """Nodes that are no transactions, and their positions."""

    def __init__(self, transactions: int, positions: npt.NDArray[np.float64]) -> None:
        self.next = transactions
        self.positions = [positions]

    def make(self, positions: npt.NDArray[np.float64]) -> Ints:
        first = self.next
        self.next += len(positions)
        self.positions.append(positions)
        return np.arange(first, self.next)


def _positions(observed: Observed) -> npt.NDArray[np.float64]:
    """When each transaction ended; who was not told so, just before the first who followed."""
    columns = observed.columns
    position = columns.completed.astype(np.float64)
    untimed = columns.completed < 0
    last = float(max(columns.completed.max(initial=0), columns.invoked.max(initial=0))) + 1.0
    position[untimed] = last
    before = np.concatenate((observed.version_writer[observed.read_version], observed.older_writer))
    after = np.concatenate((observed.read_transaction, observed.newer_writer))
    shown = (before >= 0) & untimed[before]
    before, after = before[shown], after[shown]
    for _ in range(3):  # one who was never told so may be followed by another such
        np.minimum.at(position, before, position[after] - 0.5)
    return position


def _add_writes(observed: Observed, edges: _Edges) -> None:
    older, newer = observed.older[observed.certain], observed.newer[observed.certain]
    source, target = observed.version_writer[older], observed.version_writer[newer]
    keep = (source >= 0) & (source != target)
    edges.add(WW, source[keep], target[keep], older[keep], newer[keep])


def _add_reads(observed: Observed, edges: _Edges, helpers: _Helpers) -> None:
    rows, versions = _distinct(observed.read_transaction, observed.read_version)
    writer = observed.version_writer[versions]
    keep = (writer >= 0) & (writer != rows) & observed.committed[np.maximum(writer, 0)]
    edges.add(WR, writer[keep], rows[keep], versions[keep])

    binds = observed.columns.levels[rows] >= SNAPSHOT
    rows, versions = rows[binds], versions[binds]
    by_older = np.argsort(observed.older, kind="stable")
    older, newer = observed.older[by_older], observed.newer[by_older]
    first = np.searchsorted(older, versions, side="left")
    successors = np.searchsorted(older, versions, side="right") - first
    readers = np.bincount(versions, minlength=len(observed.version_key))[versions]
    is_large = readers * successors > FAN_LIMIT * (readers + 3 * successors)
    small = ~is_large
    source = np.repeat(rows[small], successors[small])
    read = np.repeat(versions[small], successors[small])
    follower = newer[ranges(first[small], successors[small])]
    target = observed.version_writer[follower]
    keep = source != target
    edges.add(RW, source[keep], target[keep], read[keep], follower[keep])
    for version in np.unique(versions[is_large]).tolist():
        start, end = np.searchsorted(older, [version, version + 1])
        _add_fan(observed, edges, helpers, version, rows[versions == version], newer[start:end])


def _distinct(rows: Ints, versions: Ints) -> tuple[Ints, Ints]:
    width = int(versions.max(initial=0)) + 1
    codes = distinct(rows * width + versions)
    return codes // width, codes % width


def distinct(codes: Ints) -> Ints:
    """Sorted and each once. (`np.unique` does it by a hash table, which is large.)"""
    codes = np.sort(codes)
    each: Ints = codes[np.diff(codes, prepend=-1) != 0]
    return each


def ranges(starts: Ints, counts: Ints) -> Ints:
    """All numbers of the ranges that begin at `starts`, one range after the other."""
    total = int(counts.sum())
    offsets = np.repeat(np.cumsum(counts) - counts, counts)
    return np.arange(total) - offsets + np.repeat(starts, counts)


def _add_fan(
    observed: Observed,
    edges: _Edges,
    helpers: _Helpers,
    version: int,
    readers: Ints,
    followers: Ints,
) -> None:
    """Every reader before every other follower: by a chain of prefixes and one of suffixes."""
    position = helpers.positions[0]
    targets = observed.version_writer[followers]
    by_time = np.lexsort((targets, position[targets]))
    followers, targets = followers[by_time], targets[by_time]
    count = len(targets)
    # suffix i reaches targets i, i+1, ...; prefix i reaches targets ..., i-1, i
    suffix = helpers.make(position[targets] - 0.25)
    prefix = helpers.make(np.full(count, position[targets[0]] - 0.25))[::-1]
    edges.add(RW, suffix, targets, None, followers)
    edges.add(RW, suffix[:-1], suffix[1:])
    edges.add(RW, prefix, targets, None, followers)
    edges.add(RW, prefix[1:], prefix[:-1])
    order = np.argsort(targets, kind="stable")
    place = np.searchsorted(targets[order], readers)
    own = np.full(len(readers), -1, np.int64)
    inside = place < count
    matches = np.zeros(len(readers), bool)
    matches[inside] = targets[order[place[inside]]] == readers[inside]
    own[matches] = order[place[matches]]
    after = own + 1  # a reader that is no follower comes before all: suffix 0
    fits = after < count
    read = np.full(len(readers), version, np.int64)
    edges.add(RW, readers[fits], suffix[after[fits]], read[fits])
    before = own > 0
    edges.add(RW, readers[before], prefix[own[before] - 1], read[before])


def _add_processes(observed: Observed, edges: _Edges) -> None:
    """From each transaction that ended to the next of its process."""
    columns = observed.columns
    rows = np.flatnonzero(observed.committed)
    rows = rows[np.lexsort((columns.invoked[rows], columns.processes[rows]))]
    ended = columns.completed[rows] >= 0
    index = np.arange(len(rows))
    last_ended = np.maximum.accumulate(np.where(ended, index, -1))
    before, after = last_ended[:-1], index[1:]
    keep = before >= 0
    source, target = rows[before[keep]], rows[after[keep]]
    keep = (
        (columns.processes[source] == columns.processes[target])
        & (columns.completed[source] < columns.invoked[target])
        & columns.keeps_session[target]
    )
    edges.add(PROCESS, source[keep], target[keep])


def _add_times(observed: Observed, edges: _Edges, helpers: _Helpers) -> None:
    columns: Columns = observed.columns
    ended = np.flatnonzero(observed.committed & (columns.completed >= 0))
    began = np.flatnonzero(observed.committed & columns.keeps_time)
    ends = np.sort(columns.completed[ended])
    # the last end before each beginning
    before = np.searchsorted(ends, columns.invoked[began], side="left") - 1
    began, before = began[before >= 0], before[before >= 0]
    moments, moment = np.unique(before, return_inverse=True)
    if not len(moments):
        return
    nodes = helpers.make(ends[moments].astype(np.float64) + 0.25)
    edges.add(REALTIME, nodes[moment], began)
    edges.add(REALTIME, nodes[:-1], nodes[1:])
    following = np.searchsorted(ends[moments], columns.completed[ended], side="left")
    followed = following < len(nodes)
    edges.add(REALTIME, ended[followed], nodes[following[followed]])


# where cycles can be
# -------------------------------------------------------------------------------


def tangles(nodes: int, source: Narrow, target: Narrow) -> Ints:
    """By node the number of its strongly connected component, -1 when it is alone in it.

    Components are numbered by their lowest node (DSG-4: the library promises no order of them).
    """
    label: Ints = np.full(nodes, -1, np.int64)
    if not len(source):
        return label
    is_used = np.zeros(nodes, bool)
    is_used[source] = is_used[target] = True
    used = np.flatnonzero(is_used)
    number = np.cumsum(is_used, dtype=np.int32) - 1
    graph: rx.PyDiGraph[None, None] = rx.PyDiGraph()
    graph.add_nodes_from([None] * len(used))
    for first in range(0, len(source), EDGES_AT_ONCE):
        some = slice(first, first + EDGES_AT_ONCE)
        ends = (number[source[some]].tolist(), number[target[some]].tolist())
        graph.extend_from_edge_list(list(zip(*ends, strict=True)))
    if rx.is_directed_acyclic_graph(graph):
        return label
    components = [
        sorted(component)
        for component in rx.strongly_connected_components(graph)
        if len(component) > 1
    ]
    for place, component in enumerate(sorted(components)):
        label[used[component]] = place
    return label


def under_backward_edges(graph: Graph) -> npt.NDArray[np.bool_]:
    """By edge: whether it may be part of a cycle, by the positions of its ends."""
    ranks = _ranks(graph.position)
    start, end = ranks[graph.source], ranks[graph.target]
    backward = start >= end
    opened = np.bincount(end[backward], minlength=graph.nodes)
    closed = np.bincount(start[backward], minlength=graph.nodes)
    # whether a span covers the gap between rank i and rank i + 1
    covered = np.cumsum(opened - closed) > 0
    block = np.cumsum(~np.concatenate((np.zeros(1, bool), covered[:-1])))
    alone = np.bincount(block)[block] == 1
    inside: npt.NDArray[np.bool_] = (block[start] == block[end]) & ~alone[start]
    return inside


def _ranks(position: npt.NDArray[np.float64]) -> Ints:
    order = np.argsort(position, kind="stable")
    ranks = np.empty(len(position), np.int64)
    ranks[order] = np.arange(len(position))
    return ranks
