"""Each planted bug of the harness is noticed by the harness's test of itself."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

import pytest

from chaos.oracle import DEFAULT_SUITE
from chaos.selftest import CANARY_CHECKS, CHECKS, Check, run_checks
from properties.mutants.registry import apply_to_harness, harness_mutants

QUICK = {check.name for check in CHECKS}
SLOW = {check.name for check in CANARY_CHECKS}


def failed_with(mutant: str, checks: Sequence[Check]) -> list[str]:
    """Which checks fail when that bug is planted, in a process of its own."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            apply_to_harness(mutant)
            failed = [one.check.name for one in run_checks(checks, DEFAULT_SUITE) if one.problem]
            os.write(writing, json.dumps(failed).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    found: list[str] = json.loads(said)
    return found


def test_the_harness_is_in_order() -> None:
    """SELF-1."""
    problems = [(one.check.name, one.problem) for one in run_checks(CHECKS, DEFAULT_SUITE)]
    assert problems == [(check.name, None) for check in CHECKS]


@pytest.mark.parametrize(
    "name",
    [one.name for one in harness_mutants() if QUICK & {*one.noticed_by}],
)
def test_bug_of_the_harness_is_noticed_at_once(name: str) -> None:
    (mutant,) = [one for one in harness_mutants() if one.name == name]
    expected = [check for check in mutant.noticed_by if check in QUICK]
    assert failed_with(name, CHECKS) == expected


def test_each_bug_of_the_harness_has_a_check_that_is_there() -> None:
    for one in harness_mutants():
        assert {*one.noticed_by} <= QUICK | SLOW, one.name


def test_each_quick_check_notices_a_bug_of_the_harness() -> None:
    noticed = {check for one in harness_mutants() for check in one.noticed_by}
    assert noticed >= QUICK
