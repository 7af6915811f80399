"""Each anomaly is called what the definitions call it, and rules out the models that forbid it."""

from __future__ import annotations

from pathlib import Path

import pytest

from properties.isolation.checking import check
from properties.isolation.histories import LIST_APPEND, RW_REGISTER, read_history
from properties.isolation.models import ANOMALIES, MODELS
from tests.properties.isolation.defined_lists import LISTS
from tests.properties.isolation.defined_registers import REGISTERS
from tests.properties.isolation.definitions import Defined, edn

CASES = [
    *(pytest.param(LIST_APPEND, case, id=f"lists: {case.name}") for case in LISTS),
    *(pytest.param(RW_REGISTER, case, id=f"registers: {case.name}") for case in REGISTERS),
]


@pytest.mark.parametrize(("workload", "case"), CASES)
def test_a_history_is_called_by_its_name(tmp_path: Path, workload: str, case: Defined) -> None:
    file = tmp_path / "history.edn"
    file.write_text(edn(case))
    transactions = read_history(file, workload).transactions
    verdicts = {model: check(transactions, workload=workload, model=model) for model in MODELS}
    for model, verdict in verdicts.items():
        assert set(verdict.anomalies) == set(case.anomalies.split())
        assert verdict.weakest_ruled_out == tuple(case.ruled_out.split())
        assert verdict.strongest_possible == tuple(case.possible.split())
        assert verdict.valid is (model not in verdict.ruled_out), model


def test_every_anomaly_is_shown() -> None:
    shown = {anomaly for case in (*LISTS, *REGISTERS) for anomaly in case.anomalies.split()}
    assert shown == set(ANOMALIES)


def test_every_model_is_ruled_out_by_something_that_the_next_weaker_ones_allow() -> None:
    weakest = {model for case in (*LISTS, *REGISTERS) for model in case.ruled_out.split()}
    assert weakest == set(MODELS) - {"serializable", "parallel-snapshot-isolation"}
