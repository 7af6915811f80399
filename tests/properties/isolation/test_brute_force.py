"""On thousands of small random histories the checker says what trying every order says.

For lists it is exact: it says held or violated, and rightly. What is not read of a list can always
be put in an order that does no harm, so hardly ever anything remains unknown.

For registers a history may not tell in which order blind writes came. There the checker may say
that it does not know; what it does say must be right.

There are 10,000 of them here; HYPOTHESIS_PROFILE=deep takes ten times as many.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from properties.isolation.checking import check
from properties.isolation.transactions import Op, Transaction
from tests.properties.isolation.executors import (
    LIST_APPEND,
    RW_REGISTER,
    random_history,
)
from tests.properties.isolation.oracle import is_serializable, is_snapshot_isolated

KINDS = ("read committed", "read uncommitted", "serial", "snapshots", "corrupted", "corrupted")
TIMES = 10 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 1
TRUTHS: dict[str, Callable[[list[Transaction]], bool]] = {
    "serializable": is_serializable,
    "strong-session-serializable": partial(is_serializable, sessions=True),
    "strict-serializable": partial(is_serializable, realtime=True),
    "snapshot-isolation": is_snapshot_isolated,
    "strong-session-snapshot-isolation": partial(is_snapshot_isolated, sessions=True),
    "strong-snapshot-isolation": partial(is_snapshot_isolated, realtime=True),
}


@pytest.mark.parametrize(
    ("workload", "model", "histories"),
    [
        (LIST_APPEND, "serializable", 4_500),
        (LIST_APPEND, "strong-session-serializable", 500),
        (LIST_APPEND, "strict-serializable", 1_000),
        (LIST_APPEND, "snapshot-isolation", 1_000),
        (LIST_APPEND, "strong-session-snapshot-isolation", 500),
        (LIST_APPEND, "strong-snapshot-isolation", 500),
        (RW_REGISTER, "serializable", 600),
        (RW_REGISTER, "strict-serializable", 300),
        (RW_REGISTER, "snapshot-isolation", 300),
        (RW_REGISTER, "strong-snapshot-isolation", 300),
    ],
)
def test_the_checker_says_what_brute_force_says(workload: str, model: str, histories: int) -> None:
    histories *= TIMES
    said: Counter[tuple[bool, bool | None]] = Counter()
    for seed in range(histories):
        chance = random.Random(seed)
        transactions = random_history(chance, workload, KINDS[seed % len(KINDS)])
        verdict = check(transactions, workload=workload, model=model)
        truth = TRUTHS[model](transactions)
        if {unknown.kind for unknown in verdict.unknowns} <= {"nothing read", "nothing written"}:
            assert verdict.valid is truth or (verdict.valid is None and truth), f"seed {seed}"
        else:
            assert verdict.valid in (truth, None), f"seed {seed}"
            said[truth, None] += 1
        said[truth, verdict.valid] += verdict.valid is not None
    assert said[False, False] > histories * 0.3
    assert said[True, True] > histories * 0.45
    unknown = said[True, None] + said[False, None]
    assert unknown <= histories * (0.003 if workload == LIST_APPEND else 0.06)


def one(
    number: int, status: str, *ops: tuple[str, str, object], at: Sequence[int | None]
) -> Transaction:
    shown = tuple(Op(*op) for op in ops)
    return Transaction(number, number, status, shown, at[0] or 0, at[1])  # type: ignore[arg-type]


WRITE_SKEW = (
    one(0, "ok", ("r", "x", ()), ("append", "y", 1), at=(0, 2)),
    one(1, "ok", ("r", "y", ()), ("append", "x", 1), at=(1, 3)),
)


def test_brute_force_knows_write_skew() -> None:
    assert not is_serializable(WRITE_SKEW)
    assert is_serializable(WRITE_SKEW[:1])
    assert is_snapshot_isolated(WRITE_SKEW, realtime=True, sessions=True)


def test_brute_force_knows_a_lost_update_and_a_long_fork() -> None:
    read = ("r", "x", ())
    first = one(0, "ok", read, ("append", "x", 1), at=(0, 2))
    second = one(1, "ok", read, ("append", "x", 2), at=(1, 3))
    assert is_snapshot_isolated([first])
    assert not is_snapshot_isolated([first, second])
    fork = [
        one(0, "ok", ("append", "x", 1), at=(0, 4)),
        one(1, "ok", ("append", "y", 1), at=(1, 5)),
        one(2, "ok", ("r", "x", (1,)), ("r", "y", ()), at=(2, 6)),
        one(3, "ok", ("r", "x", ()), ("r", "y", (1,)), at=(3, 7)),
    ]
    assert is_snapshot_isolated(fork[:3])
    assert not is_snapshot_isolated(fork)


def test_brute_force_may_leave_out_what_was_in_doubt_and_must_leave_out_what_failed() -> None:
    reader = one(0, "ok", ("r", "x", (1,)), at=(2, 3))
    nothing = one(0, "ok", ("r", "x", ()), at=(2, 3))
    for status, may_be, may_not_be in (("info", True, True), ("fail", False, True)):
        writer = one(1, status, ("append", "x", 1), at=(0, None))
        assert is_serializable([reader, writer]) is may_be
        assert is_serializable([nothing, writer]) is may_not_be


def test_brute_force_keeps_to_the_order_of_time_and_of_sessions_if_asked() -> None:
    write = one(0, "ok", ("append", "x", 1), at=(0, 1))
    stale = one(1, "ok", ("r", "x", ()), at=(2, 3))
    assert is_serializable([write, stale])
    assert is_serializable([write, stale], sessions=True)
    assert not is_serializable([write, stale], realtime=True)
    assert not is_snapshot_isolated([write, stale], realtime=True)
    stale.process = write.process
    assert not is_serializable([write, stale], sessions=True)


@pytest.mark.parametrize("workload", [LIST_APPEND, RW_REGISTER])
def test_the_executors_keep_their_promises(workload: str) -> None:
    broken: Counter[str] = Counter()
    for seed in range(400):
        for kind in KINDS[:-2]:
            transactions = random_history(random.Random(seed), workload, kind)
            broken[kind] += not is_serializable(transactions, realtime=kind == "serial")
            assert kind != "snapshots" or is_snapshot_isolated(transactions, realtime=True)
    assert broken["serial"] == 0
    assert 0 < broken["snapshots"] < broken["read committed"] < broken["read uncommitted"]


@pytest.mark.parametrize("workload", [LIST_APPEND, RW_REGISTER])
def test_where_each_transaction_gets_the_level_that_it_asked_for_nothing_is_violated(
    workload: str,
) -> None:
    of_one_level: Counter[bool | None] = Counter()
    for seed in range(250 * TIMES):
        transactions = random_history(random.Random(seed), workload, "mixed")
        verdict = check(transactions, workload=workload, model="strong-snapshot-isolation")
        assert verdict.valid is not False, f"seed {seed}"
        for transaction in transactions:
            transaction.isolation = None
        verdict = check(transactions, workload=workload, model="strong-snapshot-isolation")
        of_one_level[verdict.valid] += 1
    assert of_one_level[False] > 15 * TIMES
