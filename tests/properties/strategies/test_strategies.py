"""What the strategies draw is what the rest of the project takes."""

from __future__ import annotations

from hypothesis import find, given, settings
from hypothesis import strategies as st

from chaos.faults.places import PlacedFault, parse_fault
from chaos.plan import Plan
from properties.models.schema import Schema
from properties.models.snapshot_isolation import BACKEND_OF
from properties.models.steps import Begin, Commit, Kill, Program, Rollback
from properties.models.world import World
from properties.strategies.faults import misfortunes, placed_faults, plans
from properties.strategies.schemas import schemas
from properties.strategies.settings import DRAWN, worlds
from properties.strategies.transactions import programs, transactions


@given(schema=schemas())
@settings(max_examples=30)
def test_a_row_has_a_value_for_each_column(schema: Schema) -> None:
    names = [name for name, _ in schema.columns]
    assert names[0] == "k"
    assert len({*names}) == len(names)
    row = schema.fill([(1, 2)]).removeprefix("INSERT INTO t VALUES (").removesuffix(")")
    assert len(row.replace("'x', ", "'x' ").split(", ")) == len(names)


@given(world=worlds())
@settings(max_examples=30)
def test_settings_are_drawn_once_each_and_none_breaks_a_promise(world: World) -> None:
    names = [name for name, _ in world.settings]
    assert names == [name for name in DRAWN if name in names]
    assert not {"fsync", "full_page_writes"} & {*names}
    assert world.model().is_synchronous == ("synchronous_commit" not in names)


@given(fault=placed_faults())
@settings(max_examples=30)
def test_a_placed_fault_is_what_its_text_says(fault: PlacedFault) -> None:
    assert parse_fault(str(fault)) == fault


@given(plan=plans())
@settings(max_examples=20)
def test_a_plan_has_cycles_and_survives_writing(plan: Plan) -> None:
    assert plan.cycles
    assert Plan.from_object(plan.to_object()) == plan


@given(steps=transactions("b"))
@settings(max_examples=20)
def test_a_transaction_has_a_beginning_and_an_end(steps: Program) -> None:
    assert isinstance(steps[0], Begin)
    assert isinstance(steps[-1], Commit | Rollback)
    assert {getattr(step, "session", "") for step in steps} == {"b"}


@given(program=programs(players=("a", "b")))
@settings(max_examples=20)
def test_a_program_keeps_the_order_of_each_session(program: Program) -> None:
    for name in ("a", "b"):
        mine = [step for step in program if getattr(step, "session", "") == name]
        depth = 0
        for step in mine:
            depth += isinstance(step, Begin)
            depth -= isinstance(step, Commit | Rollback)
            assert depth in (0, 1)
        assert depth == 0


def test_the_smallest_of_each_is_plain() -> None:
    search = settings(database=None, derandomize=True, max_examples=200)
    assert find(schemas(), lambda _: True, settings=search) == Schema()
    assert find(worlds(), lambda _: True, settings=search) == World()


def test_all_kinds_of_misfortune_are_drawn() -> None:
    search = settings(database=None, derandomize=True, max_examples=1000)
    killed: st.SearchStrategy[object] = misfortunes()

    def is_kill_of_a_session(step: object) -> bool:
        return isinstance(step, Kill) and step.whom.startswith(BACKEND_OF)

    def is_kill_in_recovery(step: object) -> bool:
        return isinstance(step, Kill) and step.recovery is not None

    for is_wanted in (is_kill_of_a_session, is_kill_in_recovery):
        assert is_wanted(find(killed, is_wanted, settings=search))
