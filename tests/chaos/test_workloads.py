"""Workloads and checkers together, against a database in memory that is right, or is not."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.oracle import Judge
from chaos.workloads.api import (
    INSERT_LEDGER,
    READ_COMMITTED,
    REPEATABLE_READ,
    Answer,
    Statement,
    Workload,
    WrongAnswer,
    integer,
)
from chaos.workloads.append import Append, AppendMix, parse_items
from chaos.workloads.catalogue import (
    NEWER,
    PARTS,
    WORKLOADS,
    draw_mix,
    draw_workload,
    in_all_parts,
    parts_of,
)
from properties.suites import default
from tests.chaos.memory_database import FLAWS, STALE, Simulation

SMALL: dict[str, dict[str, Any]] = {
    "bank": {"accounts": 6},
    "append": {"lists": 4, "longest": 20},
    "registers": {"registers": 4},
    "sets": {"elements": 4, "largest": 12},
    "counters": {"counters": 3},
    "tables": {"slots": 2},
}


def make(name: str) -> Workload:
    """A small workload; mixed has all parts."""
    return WORKLOADS[name](SMALL | {"mixed": dict.fromkeys(PARTS, 1.0)})


def verdict(name: str, seed: int, flaw: str | None) -> list[str]:
    """What the default suite says of a simulated run."""
    judged = Judge(default)
    judged.hear(Simulation(make(name), seed, flaw).run(150).events)
    judged.close()
    return [violation.check for violation in judged.violations]


@given(seed=st.integers(0, 1 << 32), name=st.sampled_from(sorted(WORKLOADS)))
def test_a_correct_database_is_never_accused(seed: int, name: str) -> None:
    assert verdict(name, seed, None) == []


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_every_flaw_is_found_within_a_few_seeds(name: str, flaw: str) -> None:
    assert any(verdict(name, seed, flaw) for seed in range(5))


@pytest.mark.parametrize("name", sorted(set(WORKLOADS) - {"bank"}))
def test_a_read_of_what_was_there_before_is_found(name: str) -> None:
    """Of the bank only the total is read, which is always the same."""
    assert any(verdict(name, seed, STALE) for seed in range(5))


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_the_same_stream_gives_the_same_operations(name: str) -> None:
    def drawn() -> list[tuple[str, object, int | None, str | None]]:
        workload, chance = make(name), random.Random(7)
        operations = [workload.next(chance) for _ in range(200)]
        return [(o.f, o.value, o.transaction, o.isolation) for o in operations]

    assert drawn() == drawn()


@pytest.mark.parametrize("name", sorted(set(WORKLOADS) - {"tables"}))
def test_both_isolation_levels_and_rollbacks_are_used(name: str) -> None:
    workload, chance = make(name), random.Random(1)
    operations = [workload.next(chance) for _ in range(300)]
    levels = {operation.isolation for operation in operations if operation.writes}
    assert levels == {READ_COMMITTED, REPEATABLE_READ}
    simulated = Simulation(make(name), 1).run(300)
    assert any(event.error == "rolled back" for event in simulated)


def test_most_seeds_have_the_older_workloads_and_all_come_up() -> None:
    drawn = Counter(draw_workload(seed) for seed in range(1000))
    assert drawn.keys() == WORKLOADS.keys()
    assert 250 < drawn.total() - sum(drawn[name] for name in ("bank", "append", "mixed")) < 500
    assert min(drawn[name] for name in NEWER) > 60


def test_every_pair_of_parts_is_mixed_in_some_seed() -> None:
    mixed = [set(parts_of(draw_mix(seed))) for seed in range(200)]
    pairs = {(one, other) for one in PARTS for other in PARTS if one < other}
    assert all(any({*pair} <= parts for parts in mixed) for pair in pairs)
    assert sum(parts == {"bank", "append"} for parts in mixed) > 80


def test_ids_and_values_are_unique_over_all_parts_of_the_mix() -> None:
    workload, chance = make("mixed"), random.Random(1)
    ids = [workload.next(chance).transaction for _ in range(400)]
    numbers = [number for number in ids if number is not None]
    assert len(numbers) == len(set(numbers))


def test_a_full_list_is_replaced_and_then_left_alone() -> None:
    mix = AppendMix(lists=2, longest=3, read=0.0, longest_transaction=1, checkpoint=0.0, vacuum=0.0)
    workload = Append(mix)
    chance = random.Random(1)
    used = [workload.next(chance).value[0] for _ in range(20)]
    appended = [operation for operation in used if operation[0] == "append"]
    assert len(appended) == 6
    upkeep = workload.upkeep()
    assert upkeep is not None
    assert upkeep.value == {"retired": [1, 2], "created": [3, 4]}
    assert all(key in (3, 4) for _, key, _ in workload.next(chance).value)


@given(seed=st.integers(0, 1 << 32))
def test_every_drawn_mix_makes_every_workload(seed: int) -> None:
    mix = draw_mix(seed)
    for factory in WORKLOADS.values():
        factory(mix).next(random.Random(seed))


@pytest.mark.parametrize("text", ["17", ",x", None, "17,18"])
def test_what_is_no_list_is_a_wrong_answer(text: str | None) -> None:
    with pytest.raises(WrongAnswer):
        parse_items(text)


def test_lists_are_read_in_order() -> None:
    assert parse_items("") == []
    assert parse_items(",3,1,2") == [3, 1, 2]


@pytest.mark.parametrize("text", ["x", "", None, "1.5"])
def test_what_is_no_integer_is_a_wrong_answer(text: str | None) -> None:
    with pytest.raises(WrongAnswer):
        integer(text)


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_every_workload_makes_checkpoints_vacuums_and_longer_wal(name: str) -> None:
    mix = in_all_parts(SMALL, {"checkpoint": 0.1, "vacuum": 0.1, "padding": 300})
    simulated = Simulation(WORKLOADS[name](mix), 1)
    sizes: list[int] = []
    answer = simulated.database.answer

    def spy(statement: Statement) -> Answer:
        if statement.text == INSERT_LEDGER:
            sizes.append(len(statement.parameters[1] or b""))
        return answer(statement)

    simulated.database.answer = spy  # type: ignore[method-assign]
    assert {"checkpoint", "vacuum"} <= {event.f for event in simulated.run(100)}
    assert min(sizes) > 300
