"""Data pages: line pointers and items, whatever is done to them in whatever order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.errors import SqlError
from engine.storage import page as data_page
from engine.types import BLOCK_SIZE

NEW_PAGE = bytes.fromhex("0000000000000000 0000 0000 1800 0020 0020 0420 00000000")


def empty_page(special: int = 0) -> bytearray:
    page = bytearray(b"\xff" * BLOCK_SIZE)
    data_page.init_page(page, special)
    return page


def items(page: bytearray) -> list[bytes | None]:
    """The items by number; None where there is no item."""
    return [
        bytes(data_page.item(page, number)) if data_page.line_pointer(page, number)[2] else None
        for number in range(1, data_page.item_count(page) + 1)
    ]


# layout -----------------------------------------------------------------------------------------


def test_an_empty_page_has_the_bytes_that_postgres_writes() -> None:
    page = empty_page()
    assert page[:24] == NEW_PAGE
    assert not any(page[24:])
    assert data_page.check_header(page)
    assert not data_page.is_new(page)
    assert data_page.special(empty_page(16)) == 8176


def test_the_lsn_is_stored_high_word_first() -> None:
    page = empty_page()
    data_page.set_page_lsn(page, 0x0000_0001_2345_6788)
    assert page[:8] == bytes.fromhex("01000000 88674523")
    assert data_page.page_lsn(page) == 0x1_2345_6788


def test_an_item_lies_at_the_end_and_its_pointer_packs_offset_state_length() -> None:
    page = empty_page()
    assert data_page.add_item(page, b"x" * 28) == 1
    assert data_page.line_pointer(page, 1) == (8160, data_page.LP_NORMAL, 28)
    assert page[24:28] == (8160 | 1 << 15 | 28 << 17).to_bytes(4, "little")
    assert (data_page.lower(page), data_page.upper(page)) == (28, 8160)


@pytest.mark.parametrize(
    ("offset", "value"), [(10, 8), (12, 8193), (14, 8200), (16, 8191), (16, 8196)]
)
def test_an_implausible_header_is_noticed(offset: int, value: int) -> None:
    page = empty_page()
    page[offset : offset + 2] = value.to_bytes(2, "little")
    assert not data_page.check_header(page)


def test_a_zero_page_is_new_and_a_nearly_zero_page_is_not_valid() -> None:
    page = bytearray(BLOCK_SIZE)
    assert data_page.is_new(page)
    assert data_page.check_header(page)
    page[5000] = 1
    assert not data_page.check_header(page)


def test_a_page_with_wild_bounds_is_not_touched() -> None:
    page = empty_page()
    data_page.set_upper(page, 9000)
    before = bytes(page)
    with pytest.raises(SqlError, match="corrupted page pointers: lower = 24, upper = 9000"):
        data_page.add_item(page, b"x")
    with pytest.raises(SqlError, match="corrupted page pointers"):
        data_page.repair_fragmentation(page)
    assert bytes(page) == before


def test_an_item_that_does_not_lie_on_the_page_stops_the_compaction() -> None:
    page = empty_page()
    data_page.add_item(page, b"x" * 100)
    data_page.set_line_pointer(page, 1, 100, data_page.LP_NORMAL, 100)
    with pytest.raises(SqlError, match="corrupted line pointer: 100"):
        data_page.repair_fragmentation(page)


# room -------------------------------------------------------------------------------------------


@given(st.integers(0, 9000))
def test_an_item_fits_exactly_when_the_free_space_says_so(size: int) -> None:
    page = empty_page()
    fits = (size + 7) & ~7 <= data_page.free_space(page)
    assert (data_page.add_item(page, bytes(size)) == 1) == fits


def test_a_heap_page_takes_no_more_than_291_line_pointers() -> None:
    page = empty_page()
    numbers = [data_page.add_item(page, b"x") for _ in range(292)]
    assert numbers == [*range(1, 292), 0]
    assert data_page.free_space(page) > 0
    assert data_page.heap_free_space(page) == 0
    data_page.set_line_pointer(page, 17, 0, data_page.LP_UNUSED, 0)
    assert data_page.heap_free_space(page) == 0, "the hint is off, and add_item believes it"
    data_page.add_flags(page, data_page.PD_HAS_FREE_LINES)
    assert data_page.heap_free_space(page) > 0
    assert data_page.add_item(page, b"x") == 17
    assert data_page.add_item(page, b"x") == 0
    assert not data_page.flags(page) & data_page.PD_HAS_FREE_LINES


def test_redo_places_an_item_where_it_was_or_not_at_all() -> None:
    page = empty_page()
    assert data_page.add_item(page, b"a", 2) == 0
    assert data_page.add_item(page, b"a", 1) == 1
    assert data_page.add_item(page, b"b", 1) == 0, "the line pointer is in use"
    data_page.set_line_pointer(page, 1, 0, data_page.LP_DEAD, 0)
    assert data_page.add_item(page, b"b", 1) == 0, "a dead line pointer is in use, too"
    data_page.set_line_pointer(page, 1, 0, data_page.LP_UNUSED, 0)
    assert data_page.add_item(page, b"b", 1) == 1


# compaction -------------------------------------------------------------------------------------


def test_compaction_lays_items_in_line_pointer_order_and_cuts_trailing_pointers() -> None:
    page = empty_page()
    for letter in b"abcde":
        data_page.add_item(page, bytes([letter]) * 10)
    data_page.set_line_pointer(page, 2, 0, data_page.LP_UNUSED, 0)
    data_page.set_line_pointer(page, 3, 4, data_page.LP_REDIRECT, 0)
    data_page.set_line_pointer(page, 5, 0, data_page.LP_UNUSED, 0)
    data_page.repair_fragmentation(page)
    assert data_page.item_count(page) == 4
    assert data_page.line_pointer(page, 1) == (8176, 1, 10)
    assert data_page.line_pointer(page, 2) == (0, 0, 0)
    assert data_page.line_pointer(page, 3) == (4, 2, 0)
    assert data_page.line_pointer(page, 4) == (8160, 1, 10)
    assert data_page.upper(page) == 8160
    assert data_page.flags(page) == data_page.PD_HAS_FREE_LINES


def test_truncation_keeps_one_line_pointer() -> None:
    page = empty_page()
    for _ in range(3):
        data_page.add_item(page, b"x")
    for number in (1, 2, 3):
        data_page.set_line_pointer(page, number, 0, data_page.LP_UNUSED, 0)
    data_page.truncate_line_pointers(page)
    assert data_page.item_count(page) == 1
    assert data_page.flags(page) == data_page.PD_HAS_FREE_LINES


class HeapPage(RuleBasedStateMachine):
    """A heap page beside a list of what should be on it."""

    @initialize()
    def begin(self) -> None:
        self.page = empty_page()
        self.model: list[bytes | None] = []

    @rule(item=st.binary(min_size=1, max_size=600))
    def add(self, item: bytes) -> None:
        room = data_page.heap_free_space(self.page)
        number = data_page.add_item(self.page, item)
        if number == 0:
            assert room < (len(item) + 7) & ~7
        elif number > len(self.model):
            assert number == len(self.model) + 1
            self.model.append(item)
        else:
            assert self.model[number - 1] is None, "only an unused line pointer is taken again"
            self.model[number - 1] = item

    @precondition(lambda self: any(item is not None for item in self.model))
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        used = [at for at, item in enumerate(self.model) if item is not None]
        at = data.draw(st.sampled_from(used))
        data_page.set_line_pointer(self.page, at + 1, 0, data_page.LP_UNUSED, 0)
        self.model[at] = None

    @rule()
    def compact(self) -> None:
        data_page.repair_fragmentation(self.page)
        while self.model and self.model[-1] is None:
            self.model.pop()
        used = sum((len(item) + 7) & ~7 for item in self.model if item is not None)
        assert data_page.upper(self.page) == BLOCK_SIZE - used

    @invariant()
    def the_page_has_what_the_model_has(self) -> None:
        assert items(self.page) == self.model
        assert data_page.check_header(self.page)


TestHeapPage = HeapPage.TestCase


# index items ------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.binary(min_size=8, max_size=40), st.integers(0, 99)), max_size=40),
    st.data(),
)
def test_index_items_keep_their_order_through_inserts_and_deletes(
    inserts: Sequence[tuple[bytes, int]], data: st.DataObject
) -> None:
    page = empty_page(16)
    page[8176:] = b"special bytes!!!"
    model: list[bytes] = []
    for item, place in inserts:
        at = place % (len(model) + 1)
        assert data_page.insert_item(page, item, at + 1)
        model.insert(at, item)
    gone = sorted(data.draw(st.sets(st.sampled_from(range(len(model))))) if model else [])
    data_page.delete_items(page, [at + 1 for at in gone])
    kept = [item for at, item in enumerate(model) if at not in gone]
    assert items(page) == kept
    assert data_page.upper(page) == 8176 - sum((len(item) + 7) & ~7 for item in kept)
    assert page[8176:] == b"special bytes!!!"
