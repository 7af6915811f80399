"""Fixtures for the heap tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.access.heap.heap_cluster import HeapCluster


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[Callable[..., HeapCluster]]:
    """Makes a cluster with other settings than usual."""
    made: list[HeapCluster] = []

    def make(**settings: Any) -> HeapCluster:
        made.append(HeapCluster(tmp_path / "data", **settings))
        return made[-1]

    (tmp_path / "data").mkdir()
    yield make
    for cluster in made:
        cluster.end()


@pytest.fixture
def cluster(make_cluster: Callable[..., HeapCluster]) -> HeapCluster:
    """A new cluster with 64 buffers and WAL segments of 1 MB."""
    return make_cluster()
