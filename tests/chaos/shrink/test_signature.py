"""Which failures are the same: by what was broken, never by what was said about it."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.shrink.signature import Signature, signature_of, skeleton

LOST = {"check": "durability", "kind": "lost", "message": "transaction 3 was acknowledged"}
LOST_TOO = LOST | {"message": "transactions 1, 2 and 9 more were acknowledged but not there"}
HALF = {"check": "atomicity", "kind": "half", "message": "transaction 3 in the ledger"}


def signature(
    violations: list[dict[str, Any]], verdict: str = "violated", **more: Any
) -> Signature:
    """Of a run that found these."""
    result = {"verdict": verdict, "reason": "", "violations": violations, "kills": {"all": 1}}
    found = signature_of(result | more)
    assert found is not None
    return found


ORIGINAL = signature([LOST, HALF])


@pytest.mark.parametrize(
    "smaller",
    [
        pytest.param(signature([LOST_TOO, HALF]), id="other transactions, another message"),
        pytest.param(signature([HALF, LOST]), id="found in another order"),
        pytest.param(signature([LOST]), id="less is broken"),
        pytest.param(signature([LOST, LOST_TOO]), id="the same twice"),
        pytest.param(signature([LOST], kills={"backend": 1}), id="after another crash"),
        pytest.param(signature([LOST], kills={"logger": 1}), id="after a disturbance"),
        pytest.param(signature([LOST], kills={}), id="without a crash"),
        pytest.param(signature([LOST, LOST | {"check": "errors"}]), id="more is broken"),
    ],
)
def test_failures_with_the_same_cause_are_the_same(smaller: Signature) -> None:
    assert ORIGINAL.has_same_cause(smaller)


@pytest.mark.parametrize(
    "smaller",
    [
        pytest.param(signature([HALF]), id="what was broken first is kept"),
        pytest.param(signature([LOST | {"kind": "risen"}]), id="broken in another way"),
        pytest.param(signature([LOST | {"check": "errors"}]), id="another promise, the same way"),
        pytest.param(signature([], "harness_broken", reason="lost"), id="the harness broke"),
    ],
)
def test_failures_with_another_cause_are_not_the_same(smaller: Signature) -> None:
    assert not ORIGINAL.has_same_cause(smaller)


def test_a_smaller_run_does_nothing_graver_to_the_target() -> None:
    calm = signature([LOST], kills={})
    disturbed = signature([LOST], kills={}, stops={"walwriter": 1})
    at_a_place = signature([LOST], kills={"logger": 1}, strikes=[{"role": "checkpointer"}])
    crashed = signature([LOST])
    assert (calm.after, disturbed.after, crashed.after) == ("nothing", "disturbance", "crash")
    assert at_a_place.after == "crash"
    assert not calm.has_same_cause(disturbed)
    assert not disturbed.has_same_cause(crashed)
    assert crashed.has_same_cause(disturbed)


def test_a_run_that_did_not_fail_has_no_signature() -> None:
    for verdict in ("held", "not_measured"):
        assert signature_of({"verdict": verdict, "reason": "no fault struck"}) is None


def test_a_broken_harness_is_known_by_the_words_of_its_reason() -> None:
    first = signature([], "harness_broken", reason="the backend (1007) died outside the plan, at 5")
    second = signature(
        [], "harness_broken", reason="the backend (1011) died outside the plan, at 9"
    )
    other = signature([], "harness_broken", reason="the launcher is gone")
    assert first.has_same_cause(second)
    assert not first.has_same_cause(other)


def test_a_checker_without_kinds_is_known_by_its_words_without_values() -> None:
    messages = ["row 7 of 't1' is 8, not [9, 10]", "row 12 of 'accounts' is 3, not [4]"]
    assert [skeleton(message) for message in messages] == ["row of is not"] * 2
    first, second = (signature([{"check": "mine", "message": message}]) for message in messages)
    assert first.has_same_cause(second)


def test_the_signature_names_a_file() -> None:
    assert ORIGINAL.slug == "durability_lost_after_a_crash"
    assert signature([LOST | {"kind": "one version, two makers"}], kills={}).slug == (
        "durability_one_version_two_makers"
    )
    assert str(ORIGINAL) == "durability: lost, atomicity: half, after a crash"
