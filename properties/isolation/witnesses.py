"""What is found: witnesses of anomalies, unknowns with their reasons, and the verdict of both.

A witness names the few transactions that show an anomaly, so that whoever doubts it can look at
them and at nothing else. A cycle's witness lists its transactions in the order of the cycle, and
edge `i` goes from transaction `i` to the next one, the last back to the first. `explaining.py`
makes sentences of a witness, `drawing.py` a picture.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

EdgeKind = Literal["ww", "wr", "rw", "process", "realtime"]

WITNESSES_KEPT = 16
"""How many witnesses of one anomaly are kept. All are counted."""


class Edge(NamedTuple):
    """Transaction `source` came before `target`, and why."""

    source: int
    target: int
    kind: EdgeKind
    key: Hashable = None
    """The list or register; None of a process or realtime edge."""
    values: tuple[Any, ...] = ()
    """What shows it. ww: (older, newer). wr: (what was written and read,). rw: (what was read, what
    came after it). What was read of a list is its last element. None: the initial version."""


@dataclass(frozen=True)
class Witness:
    """The transactions that show one anomaly."""

    anomaly: str
    transactions: tuple[int, ...]
    """Ids of transactions. Of a cycle in its order; else who saw it first, then whose writes."""
    edges: tuple[Edge, ...] = ()
    """The edges of a cycle; empty when the anomaly is none."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """What else shows it, by anomaly (README): `key`, `value`, `expected`, `read`, ..."""


@dataclass(frozen=True)
class Unknown:
    """Something that the history cannot tell, and so no verdict may rest on."""

    kind: str
    """A word or two for programs: "nothing read", "ambiguous value", "order unknown", ..."""
    reason: str
    """A sentence for people."""
    key: Hashable = None


@dataclass(frozen=True)
class Verdict:
    """What a history says of a model."""

    workload: str
    model: str
    valid: bool | None
    """True: it held. False: it was violated. None: the history cannot tell (`unknowns` says why).
    """
    anomalies: Mapping[str, tuple[Witness, ...]]
    """All that was found, also what the model allows; the worst first, a few witnesses of each."""
    counts: Mapping[str, int]
    """How often each anomaly was found; of cycles, in how many separate tangles. Beyond those of
    which witnesses are kept, a G-nonadjacent counts as a G-single."""
    violations: tuple[str, ...]
    """Those anomalies that the model forbids."""
    unknowns: tuple[Unknown, ...]
    ruled_out: tuple[str, ...]
    """All models that do not hold."""
    weakest_ruled_out: tuple[str, ...]
    """Those that imply no other of them."""
    strongest_possible: tuple[str, ...]
    """The strongest models that nothing speaks against."""
    transactions: int
    """How many transactions were looked at."""
    committed: int
    """How many of them count as committed: ok, or info and seen."""


class Findings:
    """Collects witnesses and unknowns while a history is looked at."""

    def __init__(self) -> None:
        self.witnesses: dict[str, list[Witness]] = {}
        self.counts: dict[str, int] = {}
        self.unknowns: list[Unknown] = []
        self._unknown_counts: dict[str, int] = {}

    def add(
        self,
        anomaly: str,
        transactions: tuple[int, ...],
        edges: tuple[Edge, ...] = (),
        **detail: Any,
    ) -> None:
        """Count an anomaly, and keep its witness while there are few."""
        self.counts[anomaly] = self.counts.get(anomaly, 0) + 1
        kept = self.witnesses.setdefault(anomaly, [])
        if len(kept) < WITNESSES_KEPT:
            kept.append(Witness(anomaly, transactions, edges, detail))

    def is_full(self, anomaly: str) -> bool:
        """Whether another witness of this anomaly would only be counted."""
        return len(self.witnesses.get(anomaly, ())) >= WITNESSES_KEPT

    def unknown(self, kind: str, reason: str, key: Hashable = None) -> None:
        """Note what cannot be told; a few of each kind with their reasons."""
        count = self._unknown_counts.get(kind, 0) + 1
        self._unknown_counts[kind] = count
        if count <= WITNESSES_KEPT:
            self.unknowns.append(Unknown(kind, reason, key))
