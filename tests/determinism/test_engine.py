"""Two lives of the engine under the same clock, chance, pids and clients make the same calls.

What could differ and must not: the order of sets under another hash seed, what a process that lived
before has left warm, when the garbage collector runs, the user's environment.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.determinism.one_process import live

ROOT = Path(__file__).resolve().parents[2]
LIVED_THROUGH = 100_000

AS_USUAL: dict[str, str] = {}
ELSEWHERE = {
    "LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Tokyo", "HOME": "/dev/null",
    "USER": "somebody", "PGDATA": "/elsewhere", "PGPORT": "1",
}  # fmt: skip


def live_apart(hash_seed: str, environment: dict[str, str]) -> list[str]:
    """A life in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.determinism.one_process"],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def usual_life() -> list[str]:
    """What all others are compared with."""
    calls = live_apart("0", AS_USUAL)
    assert len(calls) > LIVED_THROUGH, "a life that does little shows little"
    return calls


def must_be_equal(calls: list[str], usual: list[str]) -> None:
    """Show the first call that differs, and what came before it."""
    for place, (call, expected) in enumerate(zip(calls, usual, strict=False)):
        if call != expected:
            before = "\n".join(usual[max(0, place - 5) : place])
            pytest.fail(f"call {place}: {call}\ninstead of: {expected}\nafter:\n{before}")
    assert len(calls) == len(usual)


def test_another_chance_is_another_life(usual_life: list[str]) -> None:
    with pytest.raises(pytest.fail.Exception, match="random_bytes"):
        must_be_equal(live(chance=1), usual_life)


@pytest.mark.parametrize("hash_seed", ["1", "4711"])
def test_another_hash_seed_changes_nothing(usual_life: list[str], hash_seed: str) -> None:
    must_be_equal(live_apart(hash_seed, AS_USUAL), usual_life)


def test_another_environment_changes_nothing(usual_life: list[str]) -> None:
    must_be_equal(live_apart("0", ELSEWHERE), usual_life)


def test_what_lived_before_in_this_process_changes_nothing(usual_life: list[str]) -> None:
    for _ in range(2):
        must_be_equal(live(), usual_life)


@contextmanager
def collector(*, threshold: int) -> Iterator[None]:
    """The garbage collector runs as often as this says; 0 is never."""
    before = gc.get_threshold()
    gc.set_threshold(threshold, 1, 1)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@pytest.mark.parametrize("threshold", [0, 20])
def test_when_the_garbage_collector_runs_changes_nothing(
    usual_life: list[str], threshold: int
) -> None:
    with collector(threshold=threshold):
        must_be_equal(live(), usual_life)


def test_nothing_whose_end_matters_is_left_to_the_garbage_collector() -> None:
    matter = {"Snapshot", "generator", "frame", "traceback", "ExecutionContext", "QueryExecution"}
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        with collector(threshold=0):
            live()
            gc.collect()
        left = sorted({type(one).__name__ for one in gc.garbage})
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert "Instance" in left, "the services of a process refer to each other"
    assert not matter.intersection(left)
