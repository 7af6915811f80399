"""The transaction tests use the same cluster as the heap's."""

from __future__ import annotations

from tests.engine.access.heap.conftest import cluster, make_cluster

__all__ = ["cluster", "make_cluster"]
