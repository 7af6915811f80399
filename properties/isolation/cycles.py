"""Cycles in the graph of dependencies: which there are, and a short one of each kind.

A cycle says that its transactions cannot have happened one after the other. Which edges it needs
says how bad that is (Adya; Elle):

    G0              ww edges only: writes of two transactions went into each other
    G1c             ww and wr: they saw each other's writes
    G-single        one rw edge: somebody saw a part of another's writes, or overwrote what he had
    not seen G-nonadjacent   several rw edges, no two in a row G2-item         rw edges, two in a
    row somewhere: write skew, for one

and with process edges, or with realtime edges as well, in the order of sessions, or of time.

Whether a graph has cycles of a kind is always found out (DSG-3), in time linear in its edges: a
cycle of some kinds of edges is one in the graph of those edges alone, and strongly connected
components find it. A cycle without two rw edges in a row is one in a doubled graph (after Cerone
and Gotsman's theorem): node (t, 1) is "at t, come by an rw edge", (t, 0) "at t, come by another";
no rw edge leaves (t, 1). Only the *shortest* cycle of a component is looked for with bounded
effort, and so is, where some cycle has several nonadjacent rw edges, one that has a single one:
when that is given up, it is an unknown.

The kinds are searched from the worst on. A tangle (a component of the whole graph) in which one
was found is not searched for what is a special case of less: nothing could follow from it for any
model.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from properties.isolation.columns import ALL, Ints, Observed
from properties.isolation.graph import (
    PROCESS,
    REALTIME,
    RW,
    WR,
    WW,
    Graph,
    tangles,
    under_backward_edges,
)
from properties.isolation.witnesses import Edge, EdgeKind, Findings

KIND_NAMES: tuple[EdgeKind, ...] = ("ww", "wr", "rw", "process", "realtime")
EXTRAS = (("", ()), ("-process", (PROCESS,)), ("-realtime", (PROCESS, REALTIME)))
FAMILIES = ("G0", "G1c", "G-nonadjacent", "G2-item")
DIRECT = ((WW,), (WW, WR), (WW, WR, RW), (WW, WR, RW))
NONADJACENT = 2

STEPS_PER_TANGLE = 50_000
"""Edges that the search for a short cycle may follow in one tangle, after its first cycle."""
STEPS_IN_ALL = 3_000_000

GIVEN_UP = "search given up"
"""The kind of the unknown that matters to models which forbid one rw edge, but allow several."""


def find_cycles(graph: Graph, observed: Observed, findings: Findings) -> bool:
    """Add a witness for each kind of cycle of each tangle; whether there is any cycle at all."""
    inside = under_backward_edges(graph)
    label = tangles(graph.nodes, graph.source[inside], graph.target[inside])
    ends = label[graph.source]
    tangled = np.flatnonzero((ends >= 0) & (ends == label[graph.target]))
    if not len(tangled):
        return False
    search = _Search(graph, observed, findings, tangled, label)
    for extra in range(len(EXTRAS)):
        for family in range(len(FAMILIES)):
            search.run(family, extra)
    if search.gave_up:
        findings.unknown(
            GIVEN_UP,
            "there are cycles with several rw edges, and the search for one with a single rw edge "
            "among them was given up",
        )
    return True


@dataclass(frozen=True)
class _Walks:
    """The edges that one search may use, between states: node, or twice the node and how it was
    come to.
    """

    states: int
    source: Ints
    target: Ints
    edge: Ints
    """Which edge of the graph a step follows."""


class _Search:
    def __init__(
        self,
        graph: Graph,
        observed: Observed,
        findings: Findings,
        tangled: Ints,
        label: Ints,
    ) -> None:
        self.graph = graph
        self.observed = observed
        self.findings = findings
        self.edges = tangled
        self.tangle = label[graph.source[tangled]]
        self.found = np.zeros((int(label.max()) + 1, len(FAMILIES), len(EXTRAS)), bool)
        self.steps_left = STEPS_IN_ALL
        self.gave_up = False

    def run(self, family: int, extra: int) -> None:
        """Look for one kind of cycle wherever nothing worse is known."""
        worse = np.logical_or.reduce(self.found[:, : family + 1, : extra + 1], axis=(1, 2))
        open_edges = self.edges[~worse[self.tangle]]
        if not len(open_edges):
            return
        walks = self._walks(open_edges, family, extra)
        label = tangles(walks.states, walks.source, walks.target)
        ends = label[walks.source]
        inside = np.flatnonzero((ends >= 0) & (ends == label[walks.target]))
        inside = inside[np.argsort(ends[inside], kind="stable")]
        bounds = np.flatnonzero(np.diff(label[walks.source[inside]], prepend=-1, append=-2))
        for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            self._witness(walks, inside[first:last], family, extra)

    def _walks(self, edges: Ints, family: int, extra: int) -> _Walks:
        graph = self.graph
        kind = graph.kind[edges]
        allowed = np.isin(kind, [*DIRECT[family], *EXTRAS[extra][1]])
        source = graph.source[edges]
        from_helper = source >= graph.transactions
        if family > NONADJACENT:
            levels = self.observed.columns.levels
            binds = levels[np.where(from_helper, 0, source)] >= ALL
            allowed &= (kind != RW) | from_helper | binds
        edges, kind, from_helper = edges[allowed], kind[allowed], from_helper[allowed]
        source, target = graph.source[edges], graph.target[edges]
        if family != NONADJACENT:
            return _Walks(graph.nodes, source, target, edges)
        # out of a helper the walk goes on as it came; an rw edge starts only where none ended
        is_rw = (kind == RW) & ~from_helper
        steps = (
            (2 * source, 2 * target + is_rw, np.ones(len(edges), bool)),
            (2 * source + 1, 2 * target + from_helper, ~is_rw),
        )
        return _Walks(
            2 * graph.nodes,
            np.concatenate([a[keep] for a, _, keep in steps]),
            np.concatenate([b[keep] for _, b, keep in steps]),
            np.concatenate([edges[keep] for _, _, keep in steps]),
        )

    def _witness(self, walks: _Walks, steps: Ints, family: int, extra: int) -> None:
        graph = self.graph
        number = int(self.tangle[np.searchsorted(self.edges, walks.edge[steps[0]])])
        self.found[number, family, extra] = True
        name = FAMILIES[family] + EXTRAS[extra][0]
        doubled = family == NONADJACENT
        usual = "G-single" + EXTRAS[extra][0] if doubled else name
        if self.findings.is_full(usual):
            self.findings.add(usual, ())
            return
        paths = _Paths(graph, walks, steps, doubled)
        cycle, used = paths.shortest_cycle(min(STEPS_PER_TANGLE, self.steps_left))
        self.steps_left = max(0, self.steps_left - used)
        if doubled:
            cycle = self._simple(cycle)
            if self._count_rw(cycle) > 1:
                single, used, complete = paths.single(min(STEPS_PER_TANGLE, self.steps_left))
                self.steps_left = max(0, self.steps_left - used)
                cycle = single or cycle
                self.gave_up |= not (single or complete)
            if self._count_rw(cycle) == 1:
                name = "G-single" + EXTRAS[extra][0]
        self._add(name, cycle)

    def _count_rw(self, cycle: list[int]) -> int:
        graph = self.graph
        return sum(1 for e in cycle if graph.kind[e] == RW and graph.source[e] < graph.transactions)

    def _simple(self, cycle: list[int]) -> list[int]:
        """A cycle of the doubled graph may pass a transaction twice: keep the sound part."""
        graph = self.graph
        while True:
            seen: dict[int, int] = {}
            for place, edge in enumerate(cycle):
                node = int(graph.source[edge])
                if node in seen:
                    inner = cycle[seen[node] : place]
                    outer = cycle[: seen[node]] + cycle[place:]
                    cycle = inner if self._is_nonadjacent(inner) else outer
                    break
                seen[node] = place
            else:
                return cycle

    def _is_nonadjacent(self, cycle: list[int]) -> bool:
        graph = self.graph
        real = [e for e in cycle if graph.source[e] < graph.transactions]
        rw = [bool(graph.kind[e] == RW) for e in real]
        return bool(rw) and not any(a and b for a, b in zip(rw, rw[1:] + rw[:1], strict=True))

    def _add(self, name: str, cycle: list[int]) -> None:
        """Name the edges of a cycle, from its lowest transaction on; helpers go."""
        graph, observed = self.graph, self.observed
        starts = [i for i, edge in enumerate(cycle) if graph.source[edge] < graph.transactions]
        ids = observed.columns.ids
        first = min(starts, key=lambda i: int(ids[graph.source[cycle[i]]]))
        cycle = cycle[first:] + cycle[:first]
        starts = [i for i, edge in enumerate(cycle) if graph.source[edge] < graph.transactions]
        edges = []
        for start, end in zip(starts, [*starts[1:], len(cycle)], strict=True):
            older, newer = int(graph.older[cycle[start]]), int(graph.newer[cycle[end - 1]])
            kind = int(graph.kind[cycle[start]])
            values = tuple(
                observed.value(version)
                for version in ((older, newer) if kind in (WW, RW) else (older,))
                if version >= 0
            )
            key = observed.key_name(int(observed.version_key[older])) if older >= 0 else None
            edges.append(
                Edge(
                    source=int(ids[graph.source[cycle[start]]]),
                    target=int(ids[graph.target[cycle[end - 1]]]),
                    kind=KIND_NAMES[kind],
                    key=key,
                    values=values,
                )
            )
        self.findings.add(name, tuple(edge.source for edge in edges), tuple(edges))


class _Paths:
    """Shortest ways within one strongly connected component. Steps out of helpers are free."""

    def __init__(self, graph: Graph, walks: _Walks, steps: Ints, doubled: bool) -> None:
        source, target = walks.source[steps], walks.target[steps]
        self.states = np.unique(source)
        by_source = np.argsort(source, kind="stable")
        self.starts: list[int] = np.searchsorted(
            source[by_source], np.append(self.states, walks.states)
        ).tolist()
        self.targets: list[int] = np.searchsorted(self.states, target[by_source]).tolist()
        self.edges: list[int] = walks.edge[steps][by_source].tolist()
        nodes = self.states // 2 if doubled else self.states
        self.is_helper: list[bool] = (nodes >= graph.transactions).tolist()
        kind = graph.kind[walks.edge[steps][by_source]]
        enters = (kind == RW) & (graph.source[self.edges] < graph.transactions)
        self.is_rw: npt.NDArray[np.bool_] = enters
        self.node: list[int] = nodes.tolist()
        self.doubled = doubled

    def shortest_cycle(self, budget: int) -> tuple[list[int], int]:
        """The edges of a short cycle, and how many steps it took. It is the shortest if the budget
        lasts.
        """
        best: list[int] = []
        used = 0
        for start in self._candidates():
            if best and used >= budget:
                break
            bound = self._length(best) - 1 if best else None
            way, taken = self._way(start, start, bound, None if not best else budget - used)
            used += taken
            if way is not None:
                best = way
            if best and self._length(best) <= 2:
                break
        return best, used

    def _candidates(self) -> list[int]:
        return [state for state in range(len(self.states)) if not self.is_helper[state]]

    def _length(self, cycle: list[int]) -> int:
        return len(cycle)

    def _way(
        self,
        start: int,
        goal: int,
        bound: int | None,
        budget: int | None,
        only_direct: bool = False,
    ) -> tuple[list[int] | None, int]:
        """The way with the fewest edges, by breadth; and the steps taken."""
        came: dict[int, tuple[int, int]] = {}
        depth = {start: 0}
        queue = deque([start])
        steps = 0
        while queue:
            state = queue.popleft()
            far = depth[state]
            if bound is not None and far >= bound:
                break
            for step in range(self.starts[state], self.starts[state + 1]):
                steps += 1
                if only_direct and self.is_rw[step]:
                    continue
                after = self.targets[step]
                if after == goal:
                    return self._back(came, start, state, step), steps
                if after not in depth:
                    depth[after] = far + 1
                    came[after] = (state, step)
                    queue.append(after)
            if budget is not None and steps > budget:
                break
        return None, steps

    def _back(
        self, came: dict[int, tuple[int, int]], start: int, state: int, step: int
    ) -> list[int]:
        edges = [self.edges[step]]
        while state != start:
            state, step = came[state]
            edges.append(self.edges[step])
        return edges[::-1]

    def single(self, budget: int) -> tuple[list[int] | None, int, bool]:
        """A cycle with one rw edge; the steps taken; whether none was left out."""
        used = 0
        by_node: dict[int, list[int]] = {}
        for state, node in enumerate(self.node):
            by_node.setdefault(node, []).append(state)
        for state in self._candidates():
            for step in range(self.starts[state], self.starts[state + 1]):
                if not self.is_rw[step]:
                    continue
                if used >= budget:
                    return None, used, False
                for goal in by_node[self.node[state]]:
                    way, taken = self._way(
                        self.targets[step], goal, None, budget - used, only_direct=True
                    )
                    used += taken
                    if way is not None:
                        return [self.edges[step], *way], used, True
        return None, used, used < budget
