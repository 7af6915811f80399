"""An order for versions of which the history does not show it: a proposal, to be verified.

What is proposed here proves nothing by itself, so it may rest on guesses; `checking.py` looks
whether the model holds with it. Two steps:

Closing. Who came before whom says more of versions. If A came before B, and both wrote a key, A's
version is the older; and if A wrote a key of which B read another's version, A's is older than that
one. "Before" is taken from the edges of the graph, and from the times of transactions.

Scheduling (`scheduling.py`). Transactions are put in a row that agrees with all that is known.

How strict the row is must be guessed as well, and the strictest is tried first: all in one row;
reads at a moment of their own, as under snapshots; reads anywhere. And with the order of time,
without it, and without that of processes either, as far as the model leaves that open.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from properties.isolation import models
from properties.isolation.columns import SNAPSHOT, Ints, Observed, in_one_order
from properties.isolation.graph import (
    PROCESS,
    REALTIME,
    RW,
    Graph,
    build,
    distinct,
    ranges,
    without,
)
from properties.isolation.loose import Writes, loose
from properties.isolation.scheduling import Reads, Schedule

EXTRAS_IGNORED: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("-realtime", ()),
    ("-process", (REALTIME,)),
    ("", (REALTIME, PROCESS)),
)
"""With which edges beyond the versions' a cycle breaks a row, and which the row then leaves out."""
EDGES_AT_ONCE = 100_000
"""So many edges are looked at together, for the sake of memory."""
PAIRS_PER_READ = 40
"""More pairs than that say that the times of this history are no guide."""


@dataclass(frozen=True)
class Attempt:
    """What a proposal keeps to."""

    reads: Reads
    ignored: tuple[int, ...]
    """Kinds of edges that are left out: REALTIME, PROCESS."""


def attempts(model: str, found: Collection[str]) -> list[Attempt]:
    """What is worth a try for a model, on a history in which these anomalies were found."""
    forbidden = models.FORBIDDEN[model]
    tried = []
    for reads, broken_by, needed_for in (
        (Reads.AT_COMMIT, "G2-item", None),
        (Reads.AT_START, "G-nonadjacent", "G2-item"),
        (Reads.ANYWHERE, "G1c", "G-nonadjacent"),
    ):
        if needed_for in forbidden:
            break
        for suffix, ignored in EXTRAS_IGNORED:
            broken = _special_cases(broken_by + suffix)
            if not broken & set(found):
                tried.append(Attempt(reads, ignored))
            if "G1c" + suffix in forbidden:
                break
    return tried


def _special_cases(anomaly: str) -> set[str]:
    return {other for other in models.ANOMALIES if anomaly in models.general(other)}


def propose(observed: Observed, attempt: Attempt) -> Observed:
    """The same history with the versions of each loose key in one order."""
    observed = _closed(observed, _graph(observed, attempt), attempt)
    graph = _graph(observed, attempt)
    rank: Ints = np.zeros(graph.nodes, np.int64)
    row = Schedule(observed, graph, attempt.reads).run()
    rank[np.array(row, np.int64)] = np.arange(len(row))
    return in_one_order(observed, rank)


def _graph(observed: Observed, attempt: Attempt) -> Graph:
    left_out = attempt.ignored + ((RW,) if attempt.reads == Reads.ANYWHERE else ())
    return without(build(observed), left_out)


def _closed(observed: Observed, graph: Graph, attempt: Attempt) -> Observed:
    writes = Writes(observed)
    reads = _Reads(observed, attempt)
    direct = (graph.source < graph.transactions) & (graph.target < graph.transactions)
    if attempt.reads == Reads.AT_START:
        direct &= graph.kind != RW
    before, after = graph.source[direct], graph.target[direct]
    pairs = [(observed.older, observed.newer)]
    for first in range(0, len(before), EDGES_AT_ONCE):
        some = slice(first, first + EDGES_AT_ONCE)
        pairs += _by_edges(observed, before[some], after[some], writes, reads)
    if REALTIME not in attempt.ignored:
        pairs += _by_times(observed, writes)
    width = len(observed.version_key)
    codes = distinct(np.concatenate([older * width + newer for older, newer in pairs]))
    return replace(
        observed,
        older=codes // width,
        newer=codes % width,
        certain=np.ones(len(codes), bool),
    )


def _by_edges(
    observed: Observed, before: Ints, after: Ints, writes: Writes, reads: _Reads
) -> list[tuple[Ints, Ints]]:
    edge, write = writes.of_row(before)
    after = after[edge].astype(np.int64)
    older, key = writes.version[write], writes.key[write]
    newer = writes.version_of(after, key)
    both = newer >= 0
    read = reads.version_of(after, key)
    other = (read >= 0) & (read != older) & (observed.version_writer[read] != after)
    other &= observed.version_writer[read] >= 0
    return [(older[both], newer[both]), (older[other], read[other])]


class _Reads:
    """Who read what of keys, where it binds him to one moment."""

    def __init__(self, observed: Observed, attempt: Attempt) -> None:
        binds = observed.columns.levels[observed.read_transaction] >= SNAPSHOT
        binds &= attempt.reads != Reads.ANYWHERE
        self.keys = int(observed.version_key.max(initial=-1)) + 1
        version = observed.read_version[binds]
        code = observed.read_transaction[binds] * self.keys + observed.version_key[version]
        order = np.argsort(code, kind="stable")
        # a last entry that nothing is equal to
        self.codes = np.append(code[order], np.iinfo(np.int64).max)
        self.version = np.append(version[order], -1)

    def version_of(self, rows: Ints, keys: Ints) -> Ints:
        """The version of each key that each row read, -1 for none."""
        wanted = rows * self.keys + keys
        place = np.searchsorted(self.codes, wanted)
        found: Ints = np.where(self.codes[place] == wanted, self.version[place], -1)
        return found


def _by_times(observed: Observed, writes: Writes) -> list[tuple[Ints, Ints]]:
    """Who ended before a reader began wrote an older version than what he read, or that one; who
    began after a version's writer ended wrote a newer one."""
    columns = observed.columns
    rows, versions = observed.read_transaction, observed.read_version
    writer = observed.version_writer[versions]
    chosen = (writer >= 0) & observed.installed[versions] & (writer != rows)
    chosen &= loose(observed)[observed.version_key[versions]]
    rows, versions, writer = rows[chosen], versions[chosen], writer[chosen]
    key = observed.version_key[versions]
    horizon = int(max(columns.completed.max(), columns.invoked.max())) + 2
    base = key * horizon
    pairs = []

    ended = columns.completed[writes.row]
    by_end = np.flatnonzero(ended >= 0)
    by_end = by_end[np.argsort((writes.key * horizon + ended)[by_end], kind="stable")]
    ends = (writes.key * horizon + ended)[by_end]
    first = np.searchsorted(ends, base + columns.invoked[writer])
    count = np.maximum(np.searchsorted(ends, base + columns.invoked[rows]) - first, 0)
    if count.sum() <= PAIRS_PER_READ * max(len(rows), 1):
        older = writes.version[by_end[ranges(first, count)]]
        newer = np.repeat(versions, count)
        pairs.append((older[older != newer], newer[older != newer]))

    began = columns.invoked[writes.row]
    by_begin = np.argsort(writes.key * horizon + began, kind="stable")
    begins = (writes.key * horizon + began)[by_begin]
    known = columns.completed[writer] >= 0
    until = np.where(columns.completed[rows] < 0, horizon - 1, columns.completed[rows])
    first = np.searchsorted(begins, base + columns.completed[writer], side="right")
    count = np.maximum(np.searchsorted(begins, base + until) - first, 0)
    count = np.where(known, count, 0)
    if count.sum() <= PAIRS_PER_READ * max(len(rows), 1):
        older = np.repeat(versions, count)
        newer = writes.version[by_begin[ranges(first, count)]]
        pairs.append((older[older != newer], newer[older != newer]))
    return pairs
