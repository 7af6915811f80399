"""Every checker holds its peace on a good history, and is shown failing on doctored ones."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.oracle import HarnessBroken, Judge
from chaos.suffix import is_asynchronous
from properties.checkers.atomicity import Atomicity
from properties.checkers.bank_total import BankTotal
from properties.checkers.durability import Durability
from properties.checkers.errors import Errors
from properties.checkers.leftovers import Leftovers
from properties.checkers.list_prefix import ListPrefix
from properties.checkers.liveness import Liveness
from properties.checkers.lost_update import LostUpdate
from properties.checkers.no_holes import NoHoles
from properties.checkers.well_formed import MalformedHistory, WellFormed
from properties.suites import default
from tests.properties.history_builder import (
    BANK,
    CLEAN_SHUTDOWN,
    LISTS,
    Builder,
    accounts,
    judge,
    messages,
)


def good_bank() -> Builder:
    """A bank, a crash, a transaction in doubt that turns out to be in, one that is out."""
    built = Builder(BANK)
    built.transfer(1, versions=[[1, 1], [2, 1]])
    built.operation("read", {"totals": [[300, 3]]})
    built.transfer(2, "fail", error="rolled back", versions=[[1, 2], [2, 2]])
    built.transfer(3, "info", versions=[[1, 2], [2, 2]], process=1)
    built.transfer(4, "info", process=2)
    built.transfer(5, "fail", error="40001 could not serialize access")
    built.reaction("checkpointer")
    built.audit(ledger=[1, 3], accounts=accounts((80, 2), (120, 2), (100, 0)))
    built.transfer(6, versions=[[1, 3], [2, 3]])
    built.audit(ledger=[1, 3, 6], accounts=accounts((70, 3), (130, 3), (100, 0)))
    built.history.note(
        "liveness", {"operations": 60, "acknowledged": 40, "seconds": 0.2, "bound_s": 30.0}
    )
    built.history.note("shutdown", CLEAN_SHUTDOWN)
    return built


def good_lists() -> Builder:
    """Lists, a crash, and a rotation."""
    built = Builder(LISTS)
    built.txn([["append", 1, 10], ["r", 1, [10]]], 1)
    built.txn([["r", 1, [10]], ["r", 2, []]])
    built.txn([["append", 1, 11], ["r", 1, [10, 11]]], 2, "fail")
    built.txn([["append", 1, 12], ["r", 1, [10, 12]], ["append", 1, 13]], 3, "info", process=1)
    built.reaction("all", launches=1, replaced=["logger"], kept=[], postmaster_exits=[-9])
    built.audit(ledger=[1, 3], lists=[[1, [10, 12, 13]], [2, []]])
    built.operation("rotate", {"retired": [1], "created": [3]})
    built.txn([["append", 3, 20], ["r", 3, [20]]], 4)
    built.audit(ledger=[1, 3, 4], lists=[[2, []], [3, [20]]])
    built.history.note("shutdown", CLEAN_SHUTDOWN)
    return built


@pytest.mark.parametrize("build", [good_bank, good_lists])
def test_a_good_history_satisfies_every_checker(build: Any) -> None:
    judged = Judge(default)
    judged.hear(build().events)
    judged.close()
    assert judged.violations == []


# durability --------------------------------------------------------------------------------------


def test_durability_misses_an_acknowledged_transaction() -> None:
    built = Builder(BANK)
    built.transfer(1)
    built.audit(ledger=[])
    assert "transaction 1 was acknowledged but not there" in messages(Durability(), built.events)


def test_durability_sees_a_rolled_back_transaction() -> None:
    built = Builder(BANK)
    built.transfer(1, "fail", error="rolled back")
    built.audit(ledger=[1])
    assert "failed or rolled back, but there" in messages(Durability(), built.events)


def test_durability_sees_what_was_never_begun_and_what_is_there_twice() -> None:
    built = Builder(BANK)
    built.transfer(1)
    built.audit(ledger=[1, 1, 7])
    said = messages(Durability(), built.events)
    assert "transaction 7 is there, but never begun" in said
    assert "transaction 1 is there more than once" in said


def test_durability_forgives_a_short_loss_only_with_asynchronous_commit() -> None:
    for settings, forgiven in (({"synchronous_commit": "off"}, True), ({}, False)):
        built = Builder(BANK | {"settings": settings})
        built.transfer(1)
        built.reaction("backend")
        built.audit(ledger=[])
        assert (judge(Durability(), built.events) == []) is forgiven


def test_durability_does_not_forgive_a_loss_without_a_crash() -> None:
    built = Builder(BANK | {"settings": {"synchronous_commit": "off"}})
    built.transfer(1)
    built.reaction("stop:walwriter")
    built.audit(ledger=[])
    assert judge(Durability(), built.events)


# atomicity ---------------------------------------------------------------------------------------


def test_atomicity_sees_half_a_transfer() -> None:
    built = Builder(BANK)
    built.transfer(1, "info")
    built.audit(ledger=[1], accounts=accounts((90, 1), (100, 0), (100, 0)))
    said = messages(Atomicity(), built.events)
    assert "account 2 has balance 100 and version 0 instead of 110 and 1" in said


def test_atomicity_sees_the_effects_of_a_transaction_that_is_not_there() -> None:
    built = Builder(BANK)
    built.transfer(1, "info")
    built.audit(ledger=[], accounts=accounts((90, 1), (110, 1), (100, 0)))
    assert "do not agree with the ledger" in messages(Atomicity(), built.events)


def test_atomicity_sees_a_doubtful_transaction_change_its_mind() -> None:
    untouched = accounts((100, 0), (100, 0), (100, 0))
    moved = accounts((90, 1), (110, 1), (100, 0))
    for first, second, said in (
        ([1], [], "transaction 1: once there, now gone"),
        ([], [1], "transaction 1: once not there, now there"),
    ):
        built = Builder(BANK)
        built.transfer(1, "info")
        for ledger in (first, second):
            built.audit(ledger=ledger, accounts=moved if ledger else untouched)
        assert said in messages(Atomicity(), built.events)


def test_atomicity_sees_lost_and_doubled_rows() -> None:
    built = Builder(BANK)
    built.audit(ledger=[], accounts=[[1, 100, 0], [1, 100, 0], [2, 100, 0], [9, 0, 0]])
    said = messages(Atomicity(), built.events)
    assert "accounts that are gone: 3" in said
    assert "accounts seen more than once: 1" in said
    assert "accounts that nobody made: 9" in said


def test_atomicity_sees_half_a_list_transaction() -> None:
    built = Builder(LISTS)
    built.txn([["append", 1, 10], ["append", 2, 11]], 1, "info")
    built.audit(ledger=[1], lists=[[1, [10]], [2, []]])
    assert "not all appends are there" in messages(Atomicity(), built.events)


def test_atomicity_sees_values_without_their_transaction() -> None:
    built = Builder(LISTS)
    built.txn([["append", 1, 10]], 1, "info")
    built.audit(ledger=[], lists=[[1, [10]], [2, []]])
    assert "10 in list 1" in messages(Atomicity(), built.events)


# bank total --------------------------------------------------------------------------------------


def test_bank_total_sees_missing_money_and_missing_accounts() -> None:
    for total in ([299, 3], [200, 2]):
        built = Builder(BANK)
        built.operation("read", {"totals": [[300, 3], total]})
        assert f"a snapshot had {total[0]} in {total[1]}" in messages(BankTotal(), built.events)


def test_bank_total_counts_reads_of_transactions_that_failed_later() -> None:
    built = Builder(BANK)
    built.operation("read", {"totals": [[301, 3]]}, "fail", "57P02")
    assert judge(BankTotal(), built.events)


def test_bank_total_looks_at_audits() -> None:
    built = Builder(BANK)
    built.audit(ledger=[], accounts=accounts((100, 0), (100, 0), (101, 0)))
    assert judge(BankTotal(), built.events)


# lost update -------------------------------------------------------------------------------------


def test_lost_update_sees_two_makers_of_one_version() -> None:
    built = Builder(BANK)
    built.transfer(1, versions=[[1, 1], [2, 1]])
    built.transfer(2, versions=[[1, 1], [3, 1]], move=(1, 3, 10))
    said = messages(LostUpdate(), built.events)
    assert said == "transactions 1 and 2 both made version 1 of account 1"


def test_lost_update_counts_a_doubtful_transaction_only_when_it_is_there() -> None:
    for ledger in ([1], [1, 2]):
        built = Builder(BANK)
        built.transfer(1, versions=[[1, 1], [2, 1]])
        built.transfer(2, "info", versions=[[1, 1], [2, 2]])
        built.audit(ledger=ledger)
        assert bool(judge(LostUpdate(), built.events)) is (2 in ledger)


def test_lost_update_sees_two_appends_at_one_place() -> None:
    built = Builder(LISTS)
    built.txn([["append", 1, 10], ["r", 1, [10]]], 1)
    built.txn([["append", 1, 11], ["r", 1, [11]]], 2)
    assert "both made version 1 of list 1" in messages(LostUpdate(), built.events)


# lists -------------------------------------------------------------------------------------------


def test_list_prefix_sees_two_orders() -> None:
    built = Builder(LISTS)
    for transaction, value in ((1, 10), (2, 11), (3, 12)):
        built.txn([["append", 1, value]], transaction)
    built.txn([["r", 1, [10, 11]]])
    built.txn([["r", 1, [10, 12, 11]]])
    assert "disagree at place 1: 11 and 12" in messages(ListPrefix(), built.events)


def test_list_prefix_sees_a_stale_read() -> None:
    built = Builder(LISTS)
    built.txn([["append", 1, 10], ["r", 1, [10]]], 1)
    built.txn([["r", 1, []]])
    assert "was read with 0 values, though 1 had been" in messages(ListPrefix(), built.events)


def test_list_prefix_allows_an_old_snapshot_to_a_transaction_that_began_before() -> None:
    built = Builder(LISTS)
    early = built.begin_txn(1, [["r", 1, None]], None)
    built.txn([["append", 1, 10], ["r", 1, [10]]], 1)
    built.history.complete(early, "ok", [["r", 1, []]])
    assert judge(ListPrefix(), built.events) == []


def test_list_prefix_sees_a_committed_value_lost_in_a_crash() -> None:
    built = Builder(LISTS)
    built.txn([["append", 1, 10], ["r", 1, [10]]], 1)
    built.reaction("all")
    built.audit(ledger=[], lists=[[1, []], [2, []]])
    assert "list 1 was read with 0 values" in messages(ListPrefix(), built.events)


def test_list_prefix_sees_an_aborted_read_whichever_comes_first() -> None:
    built = Builder(LISTS)
    built.txn([["append", 1, 10]], 1, "fail")
    built.txn([["r", 1, [10]]])
    assert "values of failed transactions: 10" in messages(ListPrefix(), built.events)
    built = Builder(LISTS)
    writer = built.begin_txn(1, [["append", 1, 10]], 1)
    built.txn([["r", 1, [10]]])
    built.history.complete(writer, "fail", [["append", 1, 10]])
    assert "which failed, were read: 10" in messages(ListPrefix(), built.events)


def test_list_prefix_sees_an_intermediate_read() -> None:
    built = Builder(LISTS)
    writer = built.begin_txn(1, [["append", 1, 10], ["append", 1, 11]], 1)
    built.txn([["r", 1, [10]]])
    built.history.complete(writer, "ok", [["append", 1, 10], ["append", 1, 11]])
    assert "with 10 but without 11" in messages(ListPrefix(), built.events)


def test_list_prefix_sees_doubled_and_invented_values() -> None:
    built = Builder(LISTS)
    built.txn([["append", 1, 10]], 1)
    built.txn([["r", 1, [10, 10]], ["r", 2, [99]]])
    said = messages(ListPrefix(), built.events)
    assert "more than once" in said
    assert "nobody wrote: 99" in said


def test_atomicity_sees_a_retired_list_that_comes_back() -> None:
    built = good_lists()
    built.audit(ledger=[1, 3, 4], lists=[[1, [10, 12, 13]], [2, []], [3, [20]]])
    assert "lists that nobody made: 1" in messages(Atomicity(), built.events)


# asynchronous commit -----------------------------------------------------------------------------

ASYNCHRONOUS = {"settings": {"synchronous_commit": "off"}}


def crashed_lists(
    *, fault: str = "all", settings: Any = None, left: Any = None, seen: Any = None
) -> Builder:
    """Lists that lose their ends, seen in an audit before, and go on with other values."""
    built = Builder(LISTS | (ASYNCHRONOUS if settings is None else settings))
    built.txn([["append", 1, 10], ["r", 1, [10]]], 1)
    built.txn([["append", 1, 11], ["r", 1, [10, 11]], ["append", 2, 12]], 2)
    built.txn([["append", 1, 13], ["r", 1, [10, 11, 13]]], 3)
    built.audit(ledger=[1, 2, 3], lists=[[1, [10, 11, 13]], [2, [12]]])
    if seen is not None:
        built.reaction("fsync-fails", kills={}, disk={"error": "fsync-fails"}, **seen)
    else:
        anew: Any = {"launches": 1, "postmaster_exits": [-9]} if fault == "all" else {}
        built.reaction(fault, **anew)
    built.txn([["append", 1, 14], ["r", 1, [10, 14]]], 4)
    built.txn([["r", 2, []]])
    built.audit(ledger=[1, 4], lists=left or [[1, [10, 14]], [2, []]])
    built.txn([["r", 1, [10, 14]], ["r", 2, []]])
    return built


def test_asynchronous_commits_may_be_lost_in_a_crash() -> None:
    judged = Judge(default)
    judged.hear(crashed_lists().events)
    judged.close()
    assert judged.violations == []


@pytest.mark.parametrize("checker", [Durability, Atomicity, LostUpdate, ListPrefix])
def test_synchronous_commits_may_not(checker: Any) -> None:
    assert judge(checker(), crashed_lists(settings={}).events)


@pytest.mark.parametrize("checker", [Durability, Atomicity, ListPrefix])
def test_asynchronous_commits_are_not_lost_when_only_the_logger_died(checker: Any) -> None:
    assert judge(checker(), crashed_lists(fault="logger").events)


@pytest.mark.parametrize("checker", [Durability, Atomicity, LostUpdate, ListPrefix, NoHoles])
@pytest.mark.parametrize(
    "seen",
    [
        {"marks": ["panic", "crash_restart", "redo_not_required", "ready"]},
        {"launches": 1, "postmaster_exits": [1]},
        {"replay": {"records": 3, "bytes": 100, "seconds": 0.1}},
    ],
)
def test_a_server_that_gave_itself_up_over_a_failing_disk_has_crashed(
    checker: Any, seen: Any
) -> None:
    assert judge(checker(), crashed_lists(seen=seen).events) == []


@pytest.mark.parametrize("checker", [Durability, Atomicity, ListPrefix])
def test_a_server_that_bore_a_failing_disk_has_not(checker: Any) -> None:
    assert judge(checker(), crashed_lists(seen={}).events)


@pytest.mark.parametrize("spelling", ["off", "OFF", " Off ", "false", "f", "n", "0"])
def test_each_spelling_of_off_is_off(spelling: str) -> None:
    settings = {"synchronous_commit": spelling}
    assert is_asynchronous(settings)
    assert judge(Durability(), crashed_lists(settings={"settings": settings}).events) == []


@pytest.mark.parametrize("spelling", ["on", "ON", "local", "remote_apply", "true", "o"])
def test_nothing_else_is(spelling: str) -> None:
    settings = {"synchronous_commit": spelling}
    assert not is_asynchronous(settings)
    assert judge(Durability(), crashed_lists(settings={"settings": settings}).events)


def test_list_prefix_sees_a_hole_that_a_crash_has_made() -> None:
    built = crashed_lists(left=[[1, [10, 13, 14]], [2, []]])
    said = messages(ListPrefix(), built.events)
    assert "list 1 lost values in a crash, but not later ones: 13" in said


def test_list_prefix_judges_what_was_read_between_a_crash_and_the_audit() -> None:
    for left, said in (
        ([10], "list 1 was read with 1 values, though 2 had been committed"),
        ([10, 15, 14], "two reads of list 1 disagree at place 1: 15 and 14"),
    ):
        built = crashed_lists(left=[[1, left], [2, []]])
        assert said in messages(ListPrefix(), built.events)


def test_atomicity_takes_back_the_transfers_that_a_crash_has_taken() -> None:
    for version, good in ((1, True), (2, False)):
        built = Builder(BANK | ASYNCHRONOUS)
        built.transfer(1, versions=[[1, 1], [2, 1]])
        built.transfer(2, versions=[[1, 2], [2, 2]])
        built.audit(ledger=[1, 2], accounts=accounts((80, 2), (120, 2), (100, 0)))
        built.reaction("backend")
        built.audit(ledger=[1], accounts=accounts((90, version), (110, 1), (100, 0)))
        assert (judge(Atomicity(), built.events) == []) is good


# errors, liveness, leftovers ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        ("40001 could not serialize access due to concurrent update", False),
        ("40P01 deadlock detected", False),
        ("rolled back", False),
        ("server closed the connection unexpectedly", False),
        ("XX000 tuple concurrently updated", True),
        ('42P01 relation "accounts" does not exist', True),
        ("wrong answer: UPDATE of account 3: 0 rows instead of one", True),
    ],
)
def test_errors_sees_what_a_correct_server_never_says(error: str, seen: bool) -> None:
    built = Builder(BANK)
    built.transfer(1, "fail", error=error)
    assert bool(judge(Errors(), built.events)) is seen


def test_liveness_sees_a_server_that_does_not_come_back() -> None:
    built = Builder(BANK)
    built.reaction("walwriter", recovered=False)
    said = messages(Liveness(), built.events)
    assert said == "no query was answered after the fault walwriter within 30 s"


@pytest.mark.parametrize(
    ("note", "value", "said"),
    [
        ("stalled", {"seconds": 30.0, "oldest_operation_s": 29.9, "bound_s": 30.0}, "no progress"),
        (
            "liveness",
            {"operations": 60, "acknowledged": 9, "seconds": 31.0, "bound_s": 30.0},
            "took longer than 30 s",
        ),
        (
            "liveness",
            {"operations": 60, "acknowledged": 0, "seconds": 1.0, "bound_s": 30.0},
            "nothing was acknowledged",
        ),
        ("shutdown", CLEAN_SHUTDOWN | {"exit_status": None}, "took longer than 30 s"),
        ("shutdown", CLEAN_SHUTDOWN | {"exit_status": 1}, "ended with exit status 1"),
    ],
)
def test_liveness_sees_stalls(note: str, value: dict[str, Any], said: str) -> None:
    built = Builder(BANK)
    built.history.note(note, value)
    assert said in messages(Liveness(), built.events)


def test_liveness_sees_an_operation_that_took_too_long() -> None:
    built = Builder(BANK | {"bound_s": -1.0})
    built.transfer(1)
    assert "transfer took longer than" in messages(Liveness(), built.events)


def test_leftovers_sees_what_is_left() -> None:
    built = Builder(BANK)
    built.history.note("shutdown", CLEAN_SHUTDOWN | {"leftovers": ["process 7 (postgres: logger)"]})
    assert "process 7 (postgres: logger)" in messages(Leftovers(), built.events)


# the harness -------------------------------------------------------------------------------------


def test_an_operation_that_was_never_completed_is_noticed() -> None:
    built = Builder(BANK)
    built.history.invoke(0, "read", {})
    with pytest.raises(MalformedHistory, match="never completed"):
        judge(WellFormed(), built.events)


@pytest.mark.parametrize("dropped", [1, 2, 3])
def test_a_dropped_event_is_noticed(dropped: int) -> None:
    events = good_bank().events
    with pytest.raises(MalformedHistory):
        judge(WellFormed(), [*events[:dropped], *events[dropped + 1 :]])


def test_a_process_does_nothing_after_an_unknown_outcome() -> None:
    built = Builder(BANK)
    built.transfer(1, "info")
    built.transfer(2)
    with pytest.raises(MalformedHistory, match="after an unknown outcome"):
        judge(WellFormed(), built.events)


def test_an_exception_in_a_checker_is_not_swallowed() -> None:
    class Faulty(Liveness):
        name = "faulty"

        def observe(self, event: Any) -> Any:
            raise KeyError("oops")

    judged = Judge(lambda: [Faulty()])
    with pytest.raises(HarnessBroken, match="checker faulty failed"):
        judged.hear(good_bank().events)


def overlapping(*, left: list[int], told: str = "all") -> Builder:
    """Transaction 1, then 2 begun before its end, then 3 begun after it; a crash leaves these."""
    built = Builder(LISTS | ASYNCHRONOUS)
    early, late = (built.begin_txn(n, [["append", n + 1, None]], n + 1) for n in (0, 1))
    for number, invoked in enumerate((early, late), 1):
        built.history.complete(invoked, "ok", [["append", number, 10 * number]])
    built.txn([["append", 1, 30]], 3)
    built.reaction(told, launches=1, postmaster_exits=[-9])
    built.txn([["append", 2, 40]], 4)
    built.audit(ledger=[*left, 4], lists=[])
    return built


@pytest.mark.parametrize("left", [[], [1], [2], [1, 2], [1, 2, 3]])
def test_no_holes_accepts_what_asynchronous_commits_may_leave(left: list[int]) -> None:
    assert judge(NoHoles(), overlapping(left=left).events) == []


@pytest.mark.parametrize(("left", "lost"), [([3], 1), ([1, 3], 2), ([2, 3], 1)])
def test_no_holes_sees_a_transaction_that_outlived_one_before_it(
    left: list[int], lost: int
) -> None:
    (violation,) = judge(NoHoles(), overlapping(left=left).events)
    assert violation.kind == "hole"
    assert violation.message == (
        f"transaction {lost} was acknowledged and is lost, but transaction 3, which was begun after"
        " that, is there"
    )


def test_no_holes_tells_of_a_hole_once() -> None:
    built = overlapping(left=[3])
    built.reaction("all", launches=1, postmaster_exits=[-9])
    built.audit(ledger=[3, 4], lists=[])
    assert len(judge(NoHoles(), built.events)) == 1
