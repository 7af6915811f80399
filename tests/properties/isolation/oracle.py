"""Serializability and snapshot isolation by brute force: every order of the transactions is tried.

A history is serializable if there is an order of its transactions in which, run one after the other
from nothing, each reads what it has read. It is snapshot isolated if there is an order of commits
in which each reads what some state before its commit had, and nobody who committed since that state
has written what it writes. Those that failed are not in it; of those whose end nobody knows any may
be in it or not. These are the definitions themselves, without versions, dependencies or graphs, so
they and the checker have no mistake in common. A transaction is put into the order only if it then
reads what it has read, which cuts most of the n! * 2^m orders.

With `realtime`, what was over before something else began must come before it: before its snapshot,
where there is one. With `sessions`, so must what its process did before.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from properties.isolation.transactions import Transaction

State = dict[Hashable, Any]


def is_serializable(
    transactions: Sequence[Transaction], *, realtime: bool = False, sessions: bool = False
) -> bool:
    """Whether some serial order explains all that was read."""
    return any(
        _can_go_on(choice, _before(choice, realtime, sessions), [], [{}], any_snapshot=False)
        for choice in _choices(transactions)
    )


def is_snapshot_isolated(
    transactions: Sequence[Transaction], *, realtime: bool = False, sessions: bool = False
) -> bool:
    """Whether some order of commits, with a snapshot for each, explains all that was read."""
    return any(
        _can_go_on(choice, _before(choice, realtime, sessions), [], [{}], any_snapshot=True)
        for choice in _choices(transactions)
    )


def _choices(transactions: Sequence[Transaction]) -> Iterator[list[Transaction]]:
    """Who may be there together: all that were told so, and any of those in doubt."""
    in_doubt = [one for one in transactions if one.status == "info"]
    for count in range(len(in_doubt) + 1):
        for some in itertools.combinations(in_doubt, count):
            yield [one for one in transactions if one.status == "ok" or one in some]


def _before(there: list[Transaction], realtime: bool, sessions: bool) -> list[set[int]]:
    """Of each, who has to come before it."""
    return [
        {
            j
            for j, other in enumerate(there)
            if (realtime and other.completed is not None and other.completed < one.invoked)
            or (sessions and other.process == one.process and other.invoked < one.invoked)
        }
        for one in there
    ]


def _can_go_on(
    there: list[Transaction],
    before: list[set[int]],
    order: list[int],
    states: list[State],
    *,
    any_snapshot: bool,
) -> bool:
    """Whether this beginning of an order, and the states that it went through, can be completed."""
    if len(order) == len(there):
        return True
    for i, one in enumerate(there):
        if i in order or not before[i] <= set(order):
            continue
        for place in range(len(order) + 1) if any_snapshot else (len(order),):
            since = order[place:]
            if before[i] & set(since) or any(_written(one) & _written(there[j]) for j in since):
                continue
            seen = run(one, states[place])
            if seen is None:
                continue
            state = states[-1] | {key: seen[key] for key in _written(one)}
            if _can_go_on(there, before, [*order, i], [*states, state], any_snapshot=any_snapshot):
                return True
            break  # another snapshot would leave the same state
    return False


def _written(transaction: Transaction) -> set[Hashable]:
    return {op.key for op in transaction.ops if op.f != "r"}


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
