"""The table of models: an order, in which the stronger forbids more."""

from __future__ import annotations

import pytest

from properties.isolation import models
from properties.isolation.columns import _LEVELS as LEVELS


@pytest.mark.parametrize("model", models.MODELS)
def test_no_model_is_implied_by_one_that_it_implies(model: str) -> None:
    for weaker in models.implied_by(model) - {model}:
        assert model not in models.implied_by(weaker)


@pytest.mark.parametrize("model", models.MODELS)
def test_a_model_forbids_what_the_models_that_it_implies_forbid(model: str) -> None:
    for weaker in models.implied_by(model):
        assert models.FORBIDDEN[weaker] <= models.FORBIDDEN[model]


@pytest.mark.parametrize("model", models.MODELS)
def test_each_listed_anomaly_is_new_to_its_model(model: str) -> None:
    weaker = models.implied_by(model) - {model}
    for anomaly in models.ADDS[model]:
        assert not any(anomaly in models.FORBIDDEN[other] for other in weaker)


def test_an_inconsistent_transaction_is_forbidden_where_reads_must_agree() -> None:
    forbidding = [model for model in models.MODELS if "internal" in models.FORBIDDEN[model]]
    assert models.weakest(forbidding) == ("consistent-view", "repeatable-read")


def test_the_strongest_model_forbids_every_anomaly() -> None:
    assert models.FORBIDDEN["strict-serializable"] == set(models.ANOMALIES)


@pytest.mark.parametrize("anomaly", models.ANOMALIES)
def test_a_special_case_is_forbidden_wherever_the_general_one_is(anomaly: str) -> None:
    for general in models.SPECIAL_CASE_OF[anomaly]:
        for model in models.MODELS:
            assert general not in models.FORBIDDEN[model] or anomaly in models.FORBIDDEN[model]


@pytest.mark.parametrize(
    ("anomaly", "weakest_ruled_out", "strongest_possible"),
    [
        ("G0", ("read-uncommitted",), ()),
        ("G1a", ("read-committed",), ("read-uncommitted",)),
        ("lost-update", ("cursor-stability",), ("read-committed",)),
        (
            "G-nonadjacent",
            ("repeatable-read", "snapshot-isolation"),
            ("parallel-snapshot-isolation",),
        ),
        ("G2-item", ("repeatable-read",), ("strong-snapshot-isolation",)),
        (
            "G-single-realtime",
            ("strong-snapshot-isolation",),
            ("strong-session-serializable",),
        ),
        (
            "G2-item-realtime",
            ("strict-serializable",),
            ("strong-session-serializable", "strong-snapshot-isolation"),
        ),
    ],
)
def test_an_anomaly_leaves_the_models_that_the_literature_says(
    anomaly: str, weakest_ruled_out: tuple[str, ...], strongest_possible: tuple[str, ...]
) -> None:
    assert models.weakest(models.ruled_out([anomaly])) == weakest_ruled_out
    assert models.strongest_possible([anomaly]) == strongest_possible


def test_a_model_is_known_by_its_other_names() -> None:
    assert models.canonical("PL-2.99") == "repeatable-read"
    assert models.canonical("Snapshot Isolation") == "snapshot-isolation"
    assert models.canonical("strong_serializable") == "strict-serializable"
    for alias, model in models.ALIASES.items():
        assert models.canonical(alias) == model


def test_an_unknown_model_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"'eventual'.*snapshot-isolation"):
        models.canonical("eventual")


def test_each_model_says_what_reads_are_good_for() -> None:
    assert set(LEVELS) == set(models.MODELS)
