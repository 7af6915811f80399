"""Serializability by brute force: every serial order of the transactions is tried.

A history is serializable if there is an order of its transactions in which, run one after the other
from nothing, each reads what it has read. Those that failed are not in it; of those whose end
nobody knows any may be in it or not. That is the definition itself, without versions, dependencies
or graphs, so it and the checker have no mistake in common. It takes up to n! * 2^m steps; a
transaction is put into the order only if it then reads what it has read, which cuts most of them.

With `realtime` the order must also not contradict what was over before something else began; with
`sessions`, nor the order of each process.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from properties.isolation.transactions import Transaction

State = dict[Hashable, Any]


def is_serializable(
    transactions: Sequence[Transaction], *, realtime: bool = False, sessions: bool = False
) -> bool:
    """Whether some serial order explains all that was read."""
    there = [transaction for transaction in transactions if transaction.status != "fail"]
    due = frozenset(i for i, one in enumerate(there) if one.status == "ok")
    before = [
        frozenset(
            j
            for j, other in enumerate(there)
            if (realtime and other.completed is not None and other.completed < one.invoked)
            or (sessions and other.process == one.process and other.invoked < one.invoked)
        )
        for one in there
    ]
    dead: set[tuple[frozenset[int], Any]] = set()

    def can_go_on(placed: frozenset[int], left_out: frozenset[int], state: State) -> bool:
        if due <= placed:
            return True
        point = (placed, tuple(sorted((str(key), value) for key, value in state.items())))
        if point in dead:
            return False
        for i, one in enumerate(there):
            if i in placed or i in left_out or not before[i] - left_out <= placed:
                continue
            after = run(one, state)
            if after is not None and can_go_on(placed | {i}, left_out, after):
                return True
        dead.add(point)
        return False

    in_doubt = [i for i in range(len(there)) if i not in due]
    for choice in range(1 << len(in_doubt)):
        left_out = frozenset(i for n, i in enumerate(in_doubt) if choice >> n & 1)
        dead.clear()
        if can_go_on(frozenset(), left_out, {}):
            return True
    return False


def run(transaction: Transaction, state: State) -> State | None:
    """The state after it; None if it would have read something else."""
    state = dict(state)
    knows = transaction.status == "ok"
    for f, key, value in transaction.ops:
        if f == "append":
            state[key] = (*state.get(key, ()), value)
        elif f == "w":
            state[key] = value
        elif knows and (value or None) != state.get(key):
            return None
    return state
