"""Names: the same number for the same string in every process, in order of first use."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chaos.host import BatonHost
from chaos.scheduler.layout import BYTES, NAMES_BYTES, Layout
from chaos.scheduler.names import LONGEST, OVERFLOW, Names
from tests.chaos.stage import Stage
from tests.host_contract.children import exit_statuses

PATHS = st.lists(st.text(min_size=0, max_size=30))


def new_layout() -> Layout:
    """An empty world's memory."""
    return Layout(memoryview(bytearray(BYTES)))


@given(PATHS)
def test_numbers_are_given_in_order_of_first_use(paths: list[str]) -> None:
    names = Names(new_layout())
    given_ = [names.number(path) for path in paths]
    first = list(dict.fromkeys(paths))
    assert given_ == [first.index(path) + 1 for path in paths]
    assert names.all() == first


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["a", "b", "ä/ö", "", "d" * 300]))))
def test_all_processes_have_the_same_numbers(uses: list[tuple[int, str]]) -> None:
    layout = new_layout()
    processes = [Names(layout) for _ in range(3)]
    numbers: dict[str, int] = {}
    for process, path in uses:
        number = processes[process].number(path)
        assert numbers.setdefault(path, number) == number
    assert processes[0].all() == processes[1].all() == list(numbers)


def test_when_the_table_is_full_new_names_have_no_number_and_old_ones_keep_theirs() -> None:
    layout = new_layout()
    names = Names(layout)
    size = 1000
    paths = [f"{number:0{size}}" for number in range(NAMES_BYTES // size + 5)]
    numbers = [names.number(path) for path in paths]
    room = numbers.index(OVERFLOW)
    assert room * (size + 2) <= NAMES_BYTES < (room + 1) * (size + 2)
    assert numbers[:room] == list(range(1, room + 1))
    assert set(numbers[room:]) == {OVERFLOW}
    assert [names.number(path) for path in paths] == numbers
    assert Names(layout).all() == paths[:room]
    assert names.number("short") == room + 1, "there is still room for a short one"


def test_a_name_that_is_too_long_for_the_table_has_no_number() -> None:
    names = Names(new_layout())
    assert names.number("x" * (LONGEST + 1)) == OVERFLOW
    assert names.number("x" * LONGEST) == 1


def test_a_world_whose_table_is_full_goes_on(stage: Stage) -> None:
    paths = [f"{'d' * 200}/{number}" for number in range(NAMES_BYTES // 200)]

    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        for path in paths:
            assert host.stat(path) is None
        host.fork("backend", 1, lambda: host.make_directory("d"))
        assert exit_statuses(host, 1) == [0]
        assert host.list_directory(".") == ["d"]

    stage.play(scene)
    stage.finish()
    looked = [step.a for step in stage.steps() if step.call == "stat"]
    room = looked.index(OVERFLOW)
    assert stage.world.names()[:room] == paths[:room]
    assert set(looked[room:]) == {OVERFLOW}
