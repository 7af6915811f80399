"""What must survive a crash at a place, and who says that it did not."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from chaos.explore.checking import Audit, Checker, Found
from chaos.explore.recorded import Moment, PlacedHistory, Recorded
from chaos.history import Event
from chaos.oracle import Checker as SuiteChecker
from chaos.oracle import Violation
from chaos.workloads.api import Answer, Operation, Statement, run_all
from chaos.workloads.bank import Bank, BankMix
from properties.checkers.durability import Durability
from properties.checkers.errors import Errors
from properties.checkers.well_formed import WellFormed
from tests.chaos.explore.made_up import a_bench, event, recorded_of


def suite() -> Sequence[SuiteChecker]:
    return [WellFormed(), Errors(), Durability()]


def a_run() -> Recorded:
    """One transaction acknowledged at place 3, a second whose COMMIT is sent at place 5, a third
    that is still at its first statement at place 7.
    """
    events = [
        event(0, "invoke", 0, 1), event(1, "ok", 0, 1), event(2, "invoke", 0, 2),
        event(3, "ok", 0, 2), event(4, "invoke", 1, 3), event(5, "ok", 1, 3),
    ]  # fmt: skip
    places = [0, 3, 4, 6, 7, 9]
    nothing: dict[str, list[int]] = {"totals": []}
    moments = {
        0: [Moment(0, nothing, False), Moment(2, nothing, True)],
        2: [Moment(4, nothing, False), Moment(5, nothing, True)],
        4: [Moment(7, nothing, False), Moment(8, nothing, True)],
    }
    return recorded_of(a_bench(), events, places, moments)


def ends(recorded: Recorded, place: int) -> dict[int | None, str]:
    """How each transaction has ended for a crash at this place."""
    return {one.transaction: one.type for one in recorded.history_at(place) if one.type != "invoke"}


def test_a_transaction_has_to_survive_from_the_place_on_at_which_it_was_acknowledged() -> None:
    """EXPLORE-1."""
    recorded = a_run()
    assert ends(recorded, 2) == {1: "info"}
    assert ends(recorded, 3) == {1: "ok"}
    assert ends(recorded, 9) == {1: "ok", 2: "ok", 3: "ok"}


def test_a_transaction_is_in_doubt_once_its_commit_was_sent_and_has_failed_before() -> None:
    """EXPLORE-1."""
    recorded = a_run()
    assert ends(recorded, 1) == {1: "fail"}
    assert ends(recorded, 4) == {1: "ok", 2: "fail"}
    assert ends(recorded, 5) == {1: "ok", 2: "info"}
    assert ends(recorded, 7) == {1: "ok", 2: "ok", 3: "fail"}


def test_a_history_that_was_cut_off_is_well_formed_at_every_place() -> None:
    recorded = a_run()
    for place in range(11):
        checker = WellFormed()
        for one in recorded.history_at(place):
            list(checker.observe(one))
        list(checker.finish())


def test_places_that_share_a_history_are_told_from_those_that_do_not() -> None:
    """What was judged at one place is taken for another only if it is the same question."""
    recorded = a_run()
    for place in range(11):
        for other in range(11):
            if recorded.known_at(place) == recorded.known_at(other):
                assert recorded.history_at(place) == recorded.history_at(other)
    assert recorded.known_at(4) != recorded.known_at(5)


def found(*transactions: int, error: str = "", failure: str = "") -> Found:
    """An audit that has these in the ledger."""
    ledger: list[tuple[str | None, ...]] = [(str(number),) for number in transactions]
    accounts: list[tuple[str | None, ...]] = [("1", "100", "0"), ("2", "100", "0")]
    answers = (Answer([], "BEGIN"), Answer(ledger, ""), Answer(accounts, ""), Answer([], "COMMIT"))
    if error:
        return Found(answers=answers[:1], error=error)
    return Found(failure=failure) if failure else Found(answers=answers)


def kinds(recorded: Recorded, place: int, what: Found) -> list[tuple[str, str]]:
    judged = Checker(recorded, suite).judge(place, what)
    return [(violation.check, violation.kind) for violation in judged]


def test_the_suites_checkers_judge_the_audit_on_the_history_until_the_crash() -> None:
    """EXPLORE-2."""
    recorded = a_run()
    assert kinds(recorded, 3, found(1)) == []
    assert kinds(recorded, 3, found()) == [("durability", "lost")]
    assert kinds(recorded, 2, found()) == kinds(recorded, 2, found(1)) == []
    assert kinds(recorded, 1, found(1)) == [("durability", "risen")]
    assert kinds(recorded, 3, found(1, 2)) == [("durability", "invented")]


def test_a_recovery_that_fails_an_audit_that_fails_and_damaged_pages_are_violations() -> None:
    """EXPLORE-2."""
    recorded = a_run()
    assert kinds(recorded, 3, found(failure="PANIC: no")) == [("recovery", "fails")]
    differs = found(failure="FATAL: inconsistent page found, rel 1663/5/1, forknum 0, blkno 0")
    assert kinds(recorded, 3, differs) == [("recovery", "replay differs")]
    missing = found(error='42P01 relation "ledger" does not exist')
    assert kinds(recorded, 3, missing) == [("errors", "error 42P01")]
    damaged = Found(answers=found(1).answers, pages=("base/5/1 block 0: its checksum is wrong",))
    assert kinds(recorded, 3, damaged) == [("pages", "damaged")]


def test_an_audit_that_is_not_answered_to_its_end_is_not_taken_for_one_that_is() -> None:
    recorded = a_run()
    short = Found(answers=found(1).answers[:2])
    assert kinds(recorded, 3, short) == [("audit", "fails")]


def test_equal_cases_are_judged_once() -> None:
    made: list[int] = []

    class Counting(Durability):
        def observe(self, event: Event) -> Iterable[Violation]:
            made.append(event.index)
            return super().observe(event)

    checker = Checker(a_run(), lambda: [Counting()])
    checker.judge(9, found(1, 2, 3))
    once = len(made)
    assert once
    assert a_run().known_at(10) == a_run().known_at(9)
    checker.judge(10, found(1, 2, 3))
    assert len(made) == once
    checker.judge(9, found(1, 2))
    assert len(made) == 2 * once


def test_the_audit_asks_the_same_statements_as_the_workloads_own() -> None:
    mix = {"bank": {"accounts": 3, "balance": 10}, "append": {}}
    audit = Audit("bank", mix)
    texts = [statement.text for statement in audit.statements]
    assert texts[0].startswith("BEGIN")
    assert texts[-1] == "COMMIT"
    answers = [Answer([], "BEGIN"), Answer([("7",)], ""), Answer([("1", "10", "0")], ""),
               Answer([], "COMMIT")]  # fmt: skip
    assert audit.read(answers) == ({"ledger": [7], "accounts": [[1, 10, 0]]}, None)
    assert audit.read([*answers[:3], Answer([], "ROLLBACK")])[1] == (
        "wrong answer: COMMIT was answered with ROLLBACK"
    )


def test_each_statement_of_a_watched_operation_has_its_place() -> None:
    """EXPLORE-1: what tells that a COMMIT was sent."""
    place = 0
    history = PlacedHistory(lambda: 0.0, lambda: place)
    statements = [Statement("one"), Statement("COMMIT", commits=True)]
    operation = history.watched(Operation("f", {}, run_all(statements)))
    history.invoke(0, "f", operation.value)
    body = operation.body(operation.value)
    place = 4
    assert next(body).text == "one"
    place = 6
    assert body.send(Answer([], "")).commits
    assert [(one.place, one.commits) for one in history.moments[0]] == [(4, False), (6, True)]


def test_watching_an_operation_changes_nothing_of_what_it_says_and_sees() -> None:
    workload = Bank(BankMix())
    plain = workload.next(random.Random(4))
    history = PlacedHistory(lambda: 0.0, lambda: 0)
    watched = history.watched(Bank(BankMix()).next(random.Random(4)))
    history.invoke(0, watched.f, watched.value)
    first, second = plain.body(plain.value), watched.body(watched.value)
    answers = [Answer([("100", "3")], ""), Answer([("4",)], ""), Answer([("4",)], "")]
    assert next(first) == next(second)
    for answer in answers[:1]:
        assert first.send(answer) == second.send(answer)
    first.close()
    second.close()
