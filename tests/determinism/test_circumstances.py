"""The same seed leaves the same steps, history, logs and data directory in all circumstances.

Here a few short runs; `benchmarks/determinism.py` does the same with many whole ones.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from benchmarks.circumstances import CIRCUMSTANCES, NotHere, Start, usual
from chaos.plan import BATON, Wishes, make_plan
from chaos.scheduler.strategies import STRATEGIES

SEEDS = (22, 38, 59)
"""Both strategies; kills of one and of several, stops, short and interrupted calls, clock jumps."""
WISHES = Wishes(schedule=BATON, cycles=1)
COMPARED = ("seed", "verdict", "steps", "digest", "history", "logs", "data")


def records(start: Start, *arguments: str) -> list[dict[str, Any]]:
    """What is recorded of these runs, as each must be in all circumstances."""
    options = ["--wishes", json.dumps(asdict(WISHES)), *arguments]
    process = start(["benchmarks.recorded_runs", *options])
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    found = [json.loads(line) for line in output.splitlines()]
    return [{name: record[name] for name in COMPARED} for record in found]


def words(seeds: tuple[int, ...]) -> list[str]:
    """The seeds as arguments."""
    return [str(seed) for seed in seeds]


@pytest.fixture(scope="module")
def alone() -> list[dict[str, Any]]:
    """Each seed with a launcher of its own, in circumstances as they are: what the others must
    equal.
    """
    with usual() as start:
        return records(start, "--fresh", *words(SEEDS))


def test_the_seeds_show_much(alone: list[dict[str, Any]]) -> None:
    plans = [make_plan(seed, WISHES) for seed in SEEDS]
    assert {plan.scheduling.strategy for plan in plans if plan.scheduling} == set(STRATEGIES)
    assert {plan.workload for plan in plans} >= {"append", "bank"}
    assert len({record["digest"] for record in alone}) == len(SEEDS), "other seeds, other runs"
    assert len({record["data"] for record in alone}) == len(SEEDS)
    assert min(record["steps"] for record in alone) > 5_000


@pytest.mark.parametrize("circumstances", CIRCUMSTANCES)
def test_a_run_after_others_is_the_same(circumstances: str, alone: list[dict[str, Any]]) -> None:
    try:
        with CIRCUMSTANCES[circumstances]() as start:
            found = records(start, *words(SEEDS[::-1]))
    except NotHere as reason:
        pytest.skip(str(reason))
    assert found[::-1] == alone
