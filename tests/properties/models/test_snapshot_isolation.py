"""What the model says, on programs whose answers one can work out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from properties.models.snapshot_isolation import (
    DEADLOCK,
    IN_FAILED_BLOCK,
    SERIALIZATION_FAILURE,
    Heard,
    Model,
)
from properties.models.steps import (
    Begin,
    Checkpoint,
    Commit,
    Delete,
    Insert,
    Kill,
    Leave,
    Level,
    Mode,
    Program,
    Read,
    Restart,
    Rollback,
    Step,
    Strike,
    Update,
)
from properties.strategies.transactions import programs

RC, RR = Level.READ_COMMITTED, Level.REPEATABLE_READ


def play(model: Model, *steps: Step) -> list[Heard]:
    """What is heard of the last step; each must make sense."""
    heard: list[Heard] = []
    for step in steps:
        assert model.allows(step), step
        heard = model.do(step)
    return heard


def updated(session: str, value: int) -> Heard:
    return Heard(session, "UPDATE 1", ((value,),))


def test_what_is_not_committed_is_seen_by_its_own_transaction_only() -> None:
    model = Model()
    play(model, Begin("a", RC), Insert("a", 4, 7), Delete("a", 1))
    assert play(model, Read("a")) == [Heard("a", rows=((2, 0), (3, 0), (4, 7)))]
    assert play(model, Read("b")) == [Heard("b", rows=((1, 0), (2, 0), (3, 0)))]


def test_read_committed_sees_what_was_committed_since_and_repeatable_read_does_not() -> None:
    model = Model(keys=(1,))
    play(model, Begin("a", RC), Read("a"), Begin("b", RR), Read("b"), Update("c", 1, 5))
    assert play(model, Read("a")) == [Heard("a", rows=((1, 5),))]
    assert play(model, Read("b")) == [Heard("b", rows=((1, 0),))]


def test_the_snapshot_of_repeatable_read_is_taken_by_its_first_statement() -> None:
    model = Model(keys=(1,))
    play(model, Begin("b", RR), Update("c", 1, 5))
    assert play(model, Read("b")) == [Heard("b", rows=((1, 5),))]


def test_who_waits_is_let_through_in_order_and_builds_on_what_was_committed() -> None:
    model = Model()
    play(model, Begin("a", RC), Update("a", 1, 5))
    assert play(model, Update("b", 1, 7)) == [Heard("b", waits=True)]
    assert play(model, Update("c", 1, 9)) == [Heard("c", waits=True)]
    assert model.waiting() == ["b", "c"]
    assert play(model, Commit("a")) == [Heard("a", "COMMIT"), updated("b", 12), updated("c", 21)]


def test_who_waited_in_a_block_makes_the_next_wait() -> None:
    model = Model()
    play(model, Begin("a", RC), Update("a", 1, 5), Begin("b", RC), Update("b", 1, 7))
    play(model, Update("c", 1, 9))
    assert play(model, Rollback("a")) == [Heard("a", "ROLLBACK"), updated("b", 7)]
    assert model.waiting() == ["c"]
    assert play(model, Leave("b")) == [updated("c", 9)]


def test_who_waited_asks_its_condition_again() -> None:
    model = Model()
    play(model, Begin("a", RC), Update("a", 1, 5), Update("b", 1, 1, below=3))
    assert play(model, Commit("a")) == [Heard("a", "COMMIT"), Heard("b", "UPDATE 0")]


def test_repeatable_read_gives_up_where_another_was_first() -> None:
    model = Model()
    play(model, Begin("b", RR), Read("b"), Update("a", 1, 5))
    assert play(model, Update("b", 1, 1)) == [Heard("b", error=SERIALIZATION_FAILURE)]
    assert play(model, Read("b")) == [Heard("b", error=IN_FAILED_BLOCK)]
    assert play(model, Commit("b")) == [Heard("b", "ROLLBACK")]


def test_who_closes_a_circle_gives_up_and_lets_the_other_go_on() -> None:
    model = Model()
    play(model, Begin("a", RC), Begin("b", RC), Update("a", 1, 1), Update("b", 2, 1))
    play(model, Update("b", 1, 1))
    assert play(model, Update("a", 2, 1)) == [Heard("a", error=DEADLOCK), updated("b", 1)]


def test_a_crash_undoes_what_was_not_committed_and_ends_all_sessions() -> None:
    model = Model(keys=(1,))
    play(model, Update("b", 1, 2), Begin("a", RC), Update("a", 1, 5), Update("c", 1, 9))
    play(model, Kill("checkpointer"))
    assert (model.possible, model.waiting(), model.in_blocks()) == ([((1, 2),)], [], [])


def test_a_killed_logger_ends_nothing() -> None:
    model = Model(keys=(1,))
    play(model, Begin("a", RC), Update("a", 1, 5), Kill("logger"))
    assert model.held() == [(1, "a")]


@pytest.mark.parametrize(
    ("point", "possible"),
    [
        ("commit-record-inserted", [((1, 5),), ((1, 0),)]),
        ("commit-record-flushed", [((1, 5),)]),
        ("commit-proc-array-left", [((1, 5),)]),
    ],
)
def test_a_commit_cut_short_is_in_doubt_until_its_record_is_flushed(
    point: str, possible: list[tuple[tuple[int, int], ...]]
) -> None:
    model = Model(keys=(1,))
    heard = play(model, Begin("a", RC), Update("a", 1, 5), Commit("a", Strike(point)))
    assert heard == [Heard("a", is_lost=True)]
    assert model.possible == possible


def test_what_was_found_is_what_there_is() -> None:
    model = Model(keys=(1,))
    play(model, Begin("a", RC), Update("a", 1, 5), Commit("a", Strike("commit-record-inserted")))
    with pytest.raises(ValueError, match="is not possible"):
        model.resolve(((1, 3),))
    model.resolve(((1, 0),))
    assert model.possible == [((1, 0),)]
    assert play(model, Update("b", 1, 1)) == [updated("b", 1)]


def test_of_asynchronous_commits_a_suffix_may_go_that_begins_after_the_last_flush() -> None:
    model = Model(keys=(1,), is_synchronous=False)
    play(model, Update("a", 1, 1), Checkpoint(), Update("a", 1, 1), Update("a", 1, 1))
    play(model, Kill("all"))
    assert model.possible == [((1, 3),), ((1, 2),), ((1, 1),)]


def test_a_fast_shutdown_loses_nothing() -> None:
    model = Model(keys=(1,), is_synchronous=False)
    play(model, Update("a", 1, 1), Restart(Mode.FAST))
    assert model.possible == [((1, 1),)]


def test_a_step_that_makes_no_sense_is_not_allowed() -> None:
    model = Model()
    assert not model.allows(Commit("a"))
    assert not model.allows(Rollback("a"))
    assert not model.allows(Kill("backend of a"))
    assert not model.allows(Insert("a", 1, 1))
    assert not model.allows(Commit("a", Strike("commit-record-flushed")))
    play(model, Begin("a", RC), Update("a", 1, 1), Update("b", 1, 1))
    assert not model.allows(Begin("a", RC))
    assert not model.allows(Read("b"))


@given(program=programs())
@settings(max_examples=50)
def test_every_part_of_a_program_is_a_program_and_ends_with_a_state(program: Program) -> None:
    """STATE-1."""
    for part in (program, program[1:], program[::2]):
        model = Model()
        for step in part:
            if model.allows(step):
                heard = model.do(step)
                assert len({one.session for one in heard}) == len(heard)
                model.resolve(model.possible[-1])
        keys = [key for key, _ in model.committed()]
        assert keys == sorted(set(keys))
