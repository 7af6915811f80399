"""What both workloads infer in the same way: who is committed, lost updates, reads of the own
future.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from properties.isolation.columns import (
    COMMITTED_READS,
    STATUS_CODES,
    Bools,
    Columns,
    Ints,
    Observed,
)
from properties.isolation.witnesses import Findings

SHOWN = 4
"""Of so many lost updates of one version the transactions are named."""


class Ambiguities:
    """Values that were written more than once to a key, so that a read of it could be of either."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.keys: set[int] = set()

    def add(self, key: int, name: Hashable, value: Any) -> None:
        """Nothing is inferred from the order of this key's versions; that is no pass."""
        if key not in self.keys:
            self.keys.add(key)
            self.findings.unknown(
                "ambiguous value",
                f"{value!r} is written more than once to {name!r}, so nobody can say which of the "
                "writes a read saw",
                name,
            )


def committed_transactions(columns: Columns, seen: Ints) -> Bools:
    """By transaction: it is ok; or it is info, and one of its writes was read."""
    committed: Bools = columns.statuses == STATUS_CODES["ok"]
    shown = np.zeros(len(columns), bool)
    shown[seen[seen >= 0]] = True
    committed |= shown & (columns.statuses == STATUS_CODES["info"])
    return committed


def find_future_reads(observed: Observed, findings: Findings) -> None:
    """A transaction read, before it wrote, what it wrote only later."""
    writer = observed.version_writer[observed.read_version]
    for read in np.flatnonzero(writer == observed.read_transaction).tolist():
        version = int(observed.read_version[read])
        findings.add(
            "internal",
            (int(observed.columns.ids[writer[read]]),),
            key=observed.key_name(int(observed.version_key[version])),
            future=observed.value(version),
        )


def find_lost_updates(observed: Observed, findings: Findings) -> None:
    """Two committed transactions read the same version of a key, and both wrote the key."""
    keys = int(observed.version_key.max(initial=0)) + 1
    written = (observed.version_writer >= 0) & observed.installed
    wrote = observed.version_writer[written] * keys + observed.version_key[written]
    binds = observed.columns.levels[observed.read_transaction] > COMMITTED_READS
    rows, versions = observed.read_transaction[binds], observed.read_version[binds]
    updates = np.isin(rows * keys + observed.version_key[versions], wrote)
    pairs = np.unique(np.stack((versions[updates], rows[updates]), axis=1), axis=0)
    version, start, count = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    for place in np.flatnonzero(count > 1).tolist():
        who = pairs[start[place] : start[place] + count[place], 1]
        findings.add(
            "lost-update",
            tuple(observed.columns.ids[who[:SHOWN]].tolist()),
            key=observed.key_name(int(observed.version_key[version[place]])),
            value=observed.value(int(version[place])),
            updates=len(who),
        )
