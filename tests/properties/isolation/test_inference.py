"""What is inferred of versions: from what was read, what was not, and what nobody knows (DSG-2)."""

from __future__ import annotations

import random
import re
import runpy
from pathlib import Path

import pytest

from properties import isolation
from properties.isolation.checking import check
from properties.isolation.transactions import Op, Transaction
from properties.isolation.witnesses import Verdict
from tests.properties.isolation.building import in_turn, lists, registers, together


def edges(verdict: Verdict, anomaly: str) -> list[tuple[int, str, int]]:
    (witness,) = verdict.anomalies[anomaly]
    return [(edge.source, edge.kind, edge.target) for edge in witness.edges]


# who is committed ---------------------------------------------------------------------------------


def test_an_unanswered_transaction_that_was_read_is_committed() -> None:
    verdict = lists(together("info ax1", "rx1"))
    assert (verdict.committed, verdict.valid) == (2, True)


def test_an_unanswered_transaction_that_nobody_saw_constrains_nothing() -> None:
    verdict = lists(in_turn("info ax1", "rx ay1", "rx ry1"))
    assert (verdict.committed, verdict.valid) == (2, True)


def test_an_unanswered_transaction_that_was_read_is_in_with_all_its_writes() -> None:
    # the append to y was not seen by who came after him that saw the append to x
    verdict = lists(together("info ax1 ay1", "rx1 ry"), "serializable")
    assert edges(verdict, "G-single") == [(0, "wr", 1), (1, "rw", 0)]


def test_an_unanswered_transaction_may_take_effect_long_after_its_client_gave_up() -> None:
    assert lists(in_turn("info ax1", "rx", "rx1")).valid is True


def test_an_unanswered_transaction_is_not_before_the_next_of_its_process() -> None:
    assert lists(in_turn("info ax1", "rx", "rx1", processes=[0, 0, 0])).valid is True


def test_an_unanswered_write_of_a_register_that_was_read_is_committed() -> None:
    verdict = registers(together("info wx1", "gx1"))
    assert (verdict.committed, verdict.valid) == (2, True)


def test_what_an_unanswered_transaction_is_said_to_have_read_is_nothing() -> None:
    seen = Transaction(0, 0, "info", (Op("r", "x", (9,)), Op("append", "x", 1)), 0, None)
    assert lists([seen, *together("rx1", "rx1")[1:]]).valid is True


# lists --------------------------------------------------------------------------------------------


def test_a_committed_append_that_no_read_shows_came_after_all_that_was_read() -> None:
    verdict = lists(together("ax1", "ax2 ry", "rx1 ay1"), "serializable")
    assert edges(verdict, "G2-item") == [(1, "rw", 2), (2, "rw", 1)]
    assert lists(together("ax1", "ax2 ry1", "rx1 ay1"), "serializable").valid is True


def test_two_that_appended_to_what_both_had_read_lost_an_update_though_nobody_looked_again() -> (
    None
):
    verdict = lists(together("rx ax1", "rx ax2"), "snapshot-isolation")
    assert "lost-update" in verdict.violations
    assert verdict.anomalies["lost-update"][0].transactions == (0, 1)


def test_a_single_reader_of_the_last_version_may_append_to_it() -> None:
    assert lists(together("rx ax1", "ax2")).valid is True


def test_a_read_after_an_own_append_shows_what_others_had_appended_before() -> None:
    verdict = lists(together("ax1 ry", "ax2 rx12 ay1"), "serializable")
    assert verdict.valid is True
    verdict = lists(together("ax1 ry1", "ax2 rx12 ay1"), "serializable")
    assert edges(verdict, "G1c") == [(0, "ww", 1), (1, "wr", 0)]


def test_a_transaction_that_sees_its_own_later_append_contradicts_itself() -> None:
    assert "internal" in lists(together("rx1 ax1")).violations


def test_a_read_of_no_list_is_garbage() -> None:
    history = [Transaction(0, 0, "ok", (Op("append", "x", 1),), 0, 1)]
    history.append(Transaction(1, 1, "ok", (Op("r", "x", 17),), 2, 3))
    assert lists(history).violations == ("garbage-read",)


def test_what_was_read_may_be_a_list_a_tuple_or_nothing() -> None:
    history = [Transaction(0, 0, "ok", (Op("append", "x", 1), Op("r", "y", None)), 0, 1)]
    history.append(Transaction(1, 1, "ok", (Op("r", "x", [1]), Op("r", "x", (1,))), 2, 3))
    assert lists(history).valid is True


def test_nothing_follows_from_the_order_in_a_list_whose_reads_disagree() -> None:
    verdict = lists(together("ax1", "ax2", "rx12", "rx21"), "read-uncommitted")
    assert verdict.valid is True
    assert list(verdict.anomalies) == ["incompatible-order"]


# registers ----------------------------------------------------------------------------------------


def test_who_wrote_what_he_had_read_made_a_later_version() -> None:
    # 2 read x = 1 after 1 had replaced it
    verdict = registers(together("wx1", "gx1 wx2 wy1", "gx1 gy1"), "serializable")
    assert edges(verdict, "G-single") == [(1, "wr", 2), (2, "rw", 1)]


def test_whoever_read_the_initial_version_came_before_every_writer() -> None:
    verdict = registers(together("wx1 wy1", "gy1 gx"), "serializable")
    assert edges(verdict, "G-single") == [(0, "wr", 1), (1, "rw", 0)]


def test_versions_that_follow_each_other_in_a_circle_are_found_and_their_order_is_dropped() -> None:
    verdict = registers(together("gx2 wx1", "gx1 wx2"), "read-committed")
    assert {"cyclic-versions", "G1c"} <= set(verdict.violations)
    assert registers(together("gx2 wx1", "gx1 wx2"), "read-uncommitted").violations == ()


def test_some_order_of_blind_writes_that_satisfies_the_model_is_enough() -> None:
    verdict = registers(together("wx1", "wx2", "wx3", "gx2", "gx1 gx1", "gx3"))
    assert verdict.valid is True


def test_without_an_order_that_satisfies_the_model_nothing_is_known() -> None:
    # each order of 1 and 2 has its own cycle, so both cannot be; but neither is certain
    history = together("wx1 wy1", "wx2 wy2", "gx1 gy2", "gx2 gy1")
    verdict = registers(history, "serializable")
    assert verdict.valid is None
    assert [unknown.kind for unknown in verdict.unknowns] == ["order unknown"]


def test_a_write_that_its_own_transaction_replaced_is_no_version() -> None:
    assert registers(together("wx1 wx2", "gx2")).valid is True
    assert registers(together("wx1 wx2", "gx1")).violations == ("G1b",)


# what cannot be told ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "kind"),
    [
        ([], "nothing read"),
        (together("ax1", "ax2"), "nothing read"),
        (together("fail rx", "info rx"), "nothing read"),
        (together("rx", "ry"), "nothing written"),
        (together("ax1", "ax1", "rx1"), "ambiguous value"),
    ],
)
def test_a_list_history_that_shows_too_little_is_no_pass(
    history: list[Transaction], kind: str
) -> None:
    verdict = lists(history)
    assert verdict.valid is None
    assert verdict.unknowns[0].kind == kind


def test_reads_of_own_writes_only_are_told_from_no_reads() -> None:
    (unknown,) = registers(together("wx1 gx1", "wx2")).unknowns
    assert unknown.reason == "no read that counts shows what another transaction wrote"
    (unknown,) = registers(together("wx1", "fail gx", "wx2")).unknowns
    assert unknown.reason == "no committed transaction read a register"
    history = together("ax1 rx1", "ax2", levels=("read-uncommitted", None))
    (unknown,) = lists(history).unknowns
    assert unknown.reason == "no read that counts shows what another transaction appended"


@pytest.mark.parametrize(
    ("history", "kind"),
    [
        ([], "nothing read"),
        (together("wx1", "wx2"), "nothing read"),
        (together("gx", "gy"), "nothing written"),
        (together("wx1", "wx1", "gx1"), "ambiguous value"),
    ],
)
def test_a_register_history_that_shows_too_little_is_no_pass(
    history: list[Transaction], kind: str
) -> None:
    verdict = registers(history)
    assert verdict.valid is None
    assert verdict.unknowns[0].kind == kind


def test_a_violation_stands_beside_what_is_unknown() -> None:
    verdict = lists(together("ax1", "ax1", "rx1", "fail ay1", "ry1"))
    assert verdict.valid is False
    assert [unknown.key for unknown in verdict.unknowns] == ["x"]


# the way in ---------------------------------------------------------------------------------------


def test_the_order_in_which_transactions_are_handed_in_does_not_matter() -> None:
    history = together("ax1 ry", "ay1 rx", "rx12", "ax2 rx12", "info ay2", "ry12 rx")
    first = lists(history)
    assert first.valid is False
    for seed in range(5):
        shuffled = random.Random(seed).sample(history, len(history))
        again = lists(shuffled)
        assert (again.valid, again.violations, again.counts) == (
            first.valid,
            first.violations,
            first.counts,
        )


def test_transactions_may_come_from_a_generator() -> None:
    assert check(iter(together("ax1", "rx1"))).valid is True


def test_what_is_no_operation_of_the_workload_is_refused() -> None:
    with pytest.raises(ValueError, match="'w' is none of a list-append history"):
        lists(together("wx1"))
    with pytest.raises(ValueError, match="'append' is none of a rw-register history"):
        registers(together("ax1"))
    with pytest.raises(ValueError, match="unknown workload"):
        check([], workload="bank")
    with pytest.raises(ValueError, match="unknown consistency model"):
        check([], model="best")


def test_the_example_in_the_readme_is_true(tmp_path: Path) -> None:
    readme = Path(isolation.__file__).with_name("README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    seen = runpy.run_path(str(tmp_path / "example.py"))
    assert seen["verdict"].anomalies["G2-item"][0].transactions == (0, 1)
