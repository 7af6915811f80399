"""A history in columns: what the inference of both workloads gives, and the graph is built from.

A million transactions are a million rows of small integers here, so that the graph is made with
numpy and nothing of the transactions themselves is kept.

    transactions    row `i` is the i-th that was handed in; `ids` says what it is called outside
    versions        of all keys; each key's initial version first. A version is a state of one list
                    or register, named by the write that made it
    reads           (transaction, version): what a committed transaction saw before its own writes
    order           (older, newer) pairs of versions of one key: what is known of their order.
                    `newer` need not be the very next one, but nothing known is between

Levels. What a transaction asked for says which of its reads bind it (DSG-5).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from properties.isolation import models
from properties.isolation.transactions import OK, Status, Transaction

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

STATUS_CODES: dict[Status, int] = {"ok": 0, "info": 1, "fail": 2}

# what the reads of a transaction are good for
NOTHING, COMMITTED_READS, SNAPSHOT, ALL = range(4)

_LEVELS: dict[str, int] = {
    "read-uncommitted": NOTHING,
    "read-committed": COMMITTED_READS,
    "cursor-stability": COMMITTED_READS,
    "consistent-view": COMMITTED_READS,
    "parallel-snapshot-isolation": COMMITTED_READS,
    "snapshot-isolation": SNAPSHOT,
    "strong-session-snapshot-isolation": SNAPSHOT,
    "strong-snapshot-isolation": SNAPSHOT,
    "repeatable-read": ALL,
    "serializable": ALL,
    "strong-session-serializable": ALL,
    "strict-serializable": ALL,
}
_KEEPS_SESSION = frozenset(m for m in _LEVELS if m.startswith(("strong-", "strict-")))
_KEEPS_TIME = _KEEPS_SESSION - {m for m in _LEVELS if m.startswith("strong-session-")}


class Columns:
    """The transactions of a history, in columns."""

    def __init__(self) -> None:
        self._ids = array("q")
        self._processes = array("i")
        self._statuses = array("b")
        self._levels = array("b")
        self._sessions = array("b")
        self._times = array("b")
        self._invoked = array("q")
        self._completed = array("q")
        self._process_numbers: dict[Hashable, int] = {}
        self._known_levels: dict[str | None, tuple[int, int, int]] = {None: (ALL, 1, 1)}

    def add(self, transaction: Transaction) -> int:
        """Take one in; its level (`NOTHING` ... `ALL`)."""
        level = self._known_levels.get(transaction.isolation)
        if level is None:
            level = self._know(transaction.isolation)
        numbers = self._process_numbers
        self._ids.append(transaction.id)
        self._processes.append(numbers.setdefault(transaction.process, len(numbers)))
        self._statuses.append(STATUS_CODES[transaction.status])
        self._levels.append(level[0])
        self._sessions.append(level[1])
        self._times.append(level[2])
        self._invoked.append(transaction.invoked)
        known = transaction.status == OK and transaction.completed is not None
        self._completed.append(transaction.completed if known else -1)  # type: ignore[arg-type]
        return level[0]

    def _know(self, name: str | None) -> tuple[int, int, int]:
        model = models.canonical(str(name))
        level = _LEVELS[model]
        # below a snapshot, time orders commits: what is promised of reads has no part in it
        session = int(level < SNAPSHOT or model in _KEEPS_SESSION)
        time = int(level < SNAPSHOT or model in _KEEPS_TIME)
        self._known_levels[name] = (level, session, time)
        return level, session, time

    def freeze(self) -> None:
        """All are in: make arrays of the columns."""
        self.ids: Ints = np.frombuffer(self._ids, np.int64) if self._ids else np.zeros(0, np.int64)
        self.processes = _frozen(self._processes, np.int32)
        self.statuses = _frozen(self._statuses, np.int8)
        self.levels = _frozen(self._levels, np.int8)
        self.keeps_session = _frozen(self._sessions, np.int8).astype(bool)
        self.keeps_time = _frozen(self._times, np.int8).astype(bool)
        self.invoked: Ints = _frozen(self._invoked, np.int64)
        self.completed: Ints = _frozen(self._completed, np.int64)
        """-1 where it is not known when, or whether, the transaction committed."""

    def __len__(self) -> int:
        return len(self._ids)


def _frozen(column: array[int], dtype: Any) -> npt.NDArray[Any]:
    return np.frombuffer(column, dtype) if column else np.zeros(0, dtype)


@dataclass
class Observed:
    """What a history shows of versions."""

    columns: Columns
    committed: Bools
    """By transaction: ok, or info and seen."""
    version_key: Ints
    version_writer: Ints
    """The transaction that made it, -1 of an initial version."""
    installed: Bools
    """Whether a version is a committed state: initial, or a committed transaction's last write."""
    place: Ints
    """What is known of a version's place among those of its key: lower is older, equal is open."""
    read_transaction: Ints
    read_version: Ints
    older: Ints
    newer: Ints
    certain: Bools
    """By pair of the order: whether a ww edge may be made of it (README: writes follow reads)."""
    key_name: Callable[[int], Hashable]
    """The name of key number `k`."""
    value: Callable[[int], Any]
    """The value of a version; None of an initial one."""
    loose_keys: Ints
    """Keys whose versions are not in one known order."""

    @property
    def older_writer(self) -> Ints:
        """By pair of the order: who made the older version."""
        return self.version_writer[self.older]

    @property
    def newer_writer(self) -> Ints:
        """By pair of the order: who made the newer version."""
        return self.version_writer[self.newer]


def in_one_order(observed: Observed, rank: Ints) -> Observed:
    """The same with the versions of loose keys put in the order of their writers' ranks."""
    is_loose = np.zeros(int(observed.version_key.max(initial=-1)) + 1, bool)
    is_loose[observed.loose_keys] = True
    chosen = np.flatnonzero(is_loose[observed.version_key] & observed.installed)
    writer = observed.version_writer[chosen]
    key = observed.version_key[chosen]
    by_rank = np.where(writer < 0, -1, rank[writer])
    ordered = np.lexsort((chosen, by_rank, observed.place[chosen], key))
    chain, key = chosen[ordered], key[ordered]
    follows = key[1:] == key[:-1]
    fixed = ~is_loose[observed.version_key[observed.older]]
    older = np.concatenate((observed.older[fixed], chain[:-1][follows]))
    newer = np.concatenate((observed.newer[fixed], chain[1:][follows]))
    return replace(
        observed,
        older=older,
        newer=newer,
        certain=np.ones(len(older), bool),
        loose_keys=np.zeros(0, np.int64),
    )
