"""Helpers stand for the edges that they save, no more and no fewer; cycles are where they are."""

from __future__ import annotations

import random

import numpy as np
import pytest

from properties.isolation import graph as graphs
from properties.isolation.graph import RW, Graph, build, tangles, under_backward_edges
from properties.isolation.list_append import ListHistory
from properties.isolation.transactions import Op, Transaction
from properties.isolation.witnesses import Findings


def graph_of(history: list[Transaction]) -> Graph:
    taken = ListHistory(Findings())
    for transaction in history:
        taken.add(transaction)
    return build(taken.observed())


def pairs(graph: Graph, kind: int) -> set[tuple[int, int]]:
    """Which transactions an edge of a kind joins, directly or over helpers."""
    after: dict[int, list[int]] = {}
    for source, target, its in zip(graph.source, graph.target, graph.kind, strict=True):
        if its == kind:
            after.setdefault(int(source), []).append(int(target))
    found = set()
    for start in range(graph.transactions):
        todo = list(after.get(start, ()))
        seen = set()
        while todo:
            node = todo.pop()
            if node < graph.transactions:
                found.add((start, node))
            elif node not in seen:
                seen.add(node)
                todo += after.get(node, ())
    return found


def random_times(rng: random.Random, count: int) -> list[tuple[int, int]]:
    moments = rng.sample(range(10 * count), 2 * count)
    return [(min(two), max(two)) for two in zip(moments[::2], moments[1::2], strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_moments_join_who_ended_with_all_who_began_later(seed: int) -> None:
    rng = random.Random(seed)
    times = random_times(rng, 30)
    history = [
        Transaction(i, i, "ok", (Op("r", "x", ()),), begun, ended)
        for i, (begun, ended) in enumerate(times)
    ]
    expected = {
        (i, j)
        for i, (_, ended) in enumerate(times)
        for j, (begun, _) in enumerate(times)
        if ended < begun
    }
    found = graph_of(history)
    assert pairs(found, graphs.REALTIME) == expected
    assert len(found.source) <= 3 * len(history)


@pytest.mark.parametrize("seed", range(5))
def test_a_fan_joins_each_reader_with_every_later_writer_but_himself(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    history = []
    for i, (begun, ended) in enumerate(random_times(rng, 20)):
        reads = [Op("r", "x", ())] if rng.random() < 0.6 else []
        appends = [Op("append", "x", i)] if rng.random() < 0.6 else []
        history.append(Transaction(i, i, "ok", (*reads, *appends), begun, ended))
    monkeypatch.setattr(graphs, "FAN_LIMIT", 10**9)
    direct = graph_of(history)
    monkeypatch.setattr(graphs, "FAN_LIMIT", 0)
    by_helpers = graph_of(history)
    assert by_helpers.nodes > direct.nodes
    assert pairs(by_helpers, RW) == pairs(direct, RW) != set()


def test_a_large_fan_has_few_edges() -> None:
    count = 2000
    history = [
        Transaction(i, i, "ok", (Op("r", "x", ()), Op("append", "x", i)), i, count + i)
        for i in range(count)
    ]
    assert len(graph_of(history).source) < 8 * count


@pytest.mark.parametrize("seed", range(20))
def test_every_cycle_is_under_the_edges_that_go_backward(seed: int) -> None:
    rng = random.Random(seed)
    nodes, count = 40, rng.randint(20, 60)
    # mostly forward, as in a history
    ends = [(rng.randrange(nodes), rng.randint(-3, 8)) for _ in range(count)]
    edges = [(a, (a + step) % nodes) for a, step in ends if step]
    source, target = (np.array([edge[i] for edge in edges]) for i in (0, 1))
    none = np.full(len(edges), -1)
    graph = Graph(nodes, nodes, source, target, none, none, none, np.arange(nodes, dtype=float))
    inside = under_backward_edges(graph)
    everywhere = tangles(nodes, source, target)
    assert (tangles(nodes, source[inside], target[inside]) == everywhere).all()


def test_a_node_that_is_in_no_cycle_is_in_no_tangle() -> None:
    source, target = np.array([0, 1, 2, 2, 5, 6]), np.array([1, 0, 0, 3, 6, 5])
    assert tangles(8, source, target).tolist() == [0, 0, -1, -1, -1, 1, 1, -1]
