"""Cycles: short witnesses whose edges close, however large the tangle (DSG-3, DSG-4, DSG-5)."""

from __future__ import annotations

import pytest

from properties.isolation import cycles
from properties.isolation.checking import check
from properties.isolation.transactions import Op, Transaction
from properties.isolation.witnesses import Witness
from tests.properties.isolation.building import lists, registers, together
from tests.properties.isolation.database import Database


def rw_edges(witness: Witness) -> list[bool]:
    return [edge.kind == "rw" for edge in witness.edges]


def ring(count: int, is_rw: str) -> list[Transaction]:
    """Each transaction before the next one, the last before the first, by wr or rw edges.

    `is_rw` is a pattern of "rw" and "wr" that repeats.
    """
    kinds = is_rw.split()
    history = []
    for i in range(count):
        before, after = (i - 1) % count, (i + 1) % count
        ops = [Op("append", i, 1)]
        if kinds[i % len(kinds)] == "rw":
            ops.append(Op("r", after, ()))
        if kinds[before % len(kinds)] == "wr":
            ops.append(Op("r", before, (1,)))
        history.append(Transaction(i, i, "ok", tuple(ops), i, count + i))
    return history


def test_edges_of_a_witness_join_its_transactions_in_their_order() -> None:
    history = Database(3, "list-append", clients=8, flaw="lost update").run(400)
    verdict = check(history, model="snapshot-isolation")
    seen = 0
    for found in verdict.anomalies.values():
        for witness in found:
            if witness.edges:
                seen += 1
                ends = [*witness.transactions[1:], witness.transactions[0]]
                assert [edge.source for edge in witness.edges] == list(witness.transactions)
                assert [edge.target for edge in witness.edges] == ends
                assert len(set(witness.transactions)) == len(witness.transactions)
                assert witness.transactions[0] == min(witness.transactions)
    assert seen > 10


@pytest.mark.parametrize("flaw", [None, "lost update"])
def test_a_cycle_has_the_rw_edges_that_its_name_says(flaw: str | None) -> None:
    for seed in range(5):
        history = Database(seed, "list-append", clients=8, flaw=flaw).run(300)
        for name, found in check(history).anomalies.items():
            for witness in (w for w in found if w.edges):
                rw = rw_edges(witness)
                in_a_row = any(a and b for a, b in zip(rw, rw[1:] + rw[:1], strict=True))
                if name.startswith(("G0", "G1c")):
                    assert not any(rw)
                elif name.startswith("G-single"):
                    assert sum(rw) == 1
                elif name.startswith("G-nonadjacent"):
                    assert sum(rw) > 1
                    assert not in_a_row
                else:
                    assert in_a_row
                kinds = {edge.kind for edge in witness.edges}
                assert ("realtime" in kinds) == name.endswith("-realtime")
                assert ("process" in kinds) or not name.endswith("-process")


@pytest.mark.parametrize(
    ("pattern", "anomaly"),
    [("wr", "G1c"), ("rw", "G2-item"), ("rw wr", "G-nonadjacent"), ("rw rw wr", "G2-item")],
)
def test_a_cycle_through_every_transaction_is_found(pattern: str, anomaly: str) -> None:
    count = 6000
    verdict = check(ring(count, pattern))
    assert list(verdict.anomalies) == [anomaly]
    assert len(verdict.anomalies[anomaly][0].transactions) == count


def test_a_tangle_of_thousands_has_a_short_witness_and_is_searched_for_a_bounded_time() -> None:
    # everybody read what nobody had written yet, and then everybody wrote
    count = 5000
    history = [
        Transaction(i, i, "ok", (Op("r", i % 7, ()), Op("append", i % 7, i)), i, count + i)
        for i in range(count)
    ]
    verdict = check(history)
    assert "lost-update" in verdict.violations
    assert max(len(w.edges) for found in verdict.anomalies.values() for w in found) == 2


def test_a_search_that_was_given_up_is_an_unknown_for_models_that_it_matters_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cycles, "STEPS_PER_TANGLE", 10)
    history = ring(60, "rw wr")
    psi = check(history, model="parallel-snapshot-isolation")
    assert psi.valid is None
    assert [unknown.kind for unknown in psi.unknowns] == [cycles.GIVEN_UP]
    si = check(history, model="snapshot-isolation")
    assert (si.valid, si.violations, si.unknowns) == (False, ("G-nonadjacent",), ())


def test_one_rw_edge_is_found_where_shorter_cycles_have_more() -> None:
    # two cycles through 0 and 1: 0 rw 1 wr 2 rw 3 wr 0, and 0 rw 1 wr 4 wr 5 wr 6 wr 7 wr 0
    history = together(
        "ra re1 rm1",
        "aa1 ad1 ai1",
        "rd1 rb",
        "ab1 ae1",
        "ri1 aj1",
        "rj1 ak1",
        "rk1 al1",
        "rl1 am1",
    )
    verdict = lists(history, "parallel-snapshot-isolation")
    assert verdict.violations == ("G-single",)
    (witness,) = verdict.anomalies["G-single"]
    assert witness.transactions == (0, 1, 4, 5, 6, 7)


def test_the_same_history_gives_the_same_verdict() -> None:
    history = Database(5, "list-append", clients=8, flaw="lost update").run(300)
    assert check(history) == check(history)


# transactions of different levels in one history --------------------------------------------------

RC, SI = "read-committed", "snapshot-isolation"


@pytest.mark.parametrize(
    ("level", "valid"), [(None, False), (SI, False), ("serializable", False), (RC, True)]
)
def test_what_a_transaction_did_not_see_counts_at_its_own_level(
    level: str | None, valid: bool
) -> None:
    # it read x before and y after the other one committed
    history = together("ax1 ay1", "rx ry1", levels=(None, level))
    assert lists(history, SI).valid is valid


def test_a_read_committed_transaction_may_read_twice_and_not_the_same() -> None:
    history = together("ax1", "rx rx1", levels=(None, RC))
    assert lists(history, "serializable").valid is True
    assert registers(together("wx1", "gx gx1", levels=(None, RC)), "serializable").valid is True
    assert lists(together("ax1", "rx rx1"), "serializable").violations == ("internal",)


def test_a_read_committed_transaction_must_see_its_own_writes() -> None:
    history = together("ax1", "ax2 rx1", "rx12", levels=(None, RC, None))
    assert lists(history, RC).anomalies["internal"][0].transactions == (1,)


def test_what_a_read_committed_transaction_saw_was_committed_all_the_same() -> None:
    history = together("fail ax1", "rx1", levels=(None, RC))
    assert lists(history, SI).violations == ("G1a",)
    history = together("ax1 ry1", "rx1 ay1", levels=(RC, RC))
    assert lists(history, SI).violations == ("G1c",)


def test_a_cycle_over_a_read_committed_transaction_violates_the_level_of_the_one_that_read() -> (
    None
):
    # 0 read x before 1 wrote it, and saw what 2 wrote after it had read from 1
    history = together("rx az2 ry1", "ax1", "rx1 ay1", levels=(None, RC, RC))
    assert lists(history, SI).violations == ("G-single",)


def test_write_skew_of_snapshots_is_no_violation_of_a_stricter_model() -> None:
    history = together("rx ay1", "ry ax1", levels=(SI, None))
    assert lists(history, "serializable").valid is True
    assert lists(together("rx ay1", "ry ax1"), "serializable").violations == ("G2-item",)


def test_lost_updates_count_only_between_those_who_must_not_lose_them() -> None:
    assert lists(together("rx ax1", "rx ax2", levels=(RC, RC)), SI).valid is True
    assert "lost-update" in lists(together("rx ax1", "rx ax2"), SI).violations


def test_an_old_snapshot_is_allowed_to_who_asked_for_no_new_one() -> None:
    def history(level: str | None) -> list[Transaction]:
        return [
            Transaction(0, 0, "ok", (Op("append", "x", 1),), 0, 1),
            Transaction(1, 1, "ok", (Op("r", "x", ()),), 2, 3, level),
        ]

    assert lists(history(None), "strict-serializable").violations == ("G-single-realtime",)
    assert lists(history(SI), "strict-serializable").valid is True
    strong = "strong-snapshot-isolation"
    assert lists(history(strong), "strict-serializable").violations == ("G-single-realtime",)
