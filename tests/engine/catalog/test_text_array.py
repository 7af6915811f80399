"""text[] as reloptions stores it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.catalog.text_array import pack_text_array, unpack_text_array


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_an_array_is_read_back_as_it_was_written(items: list[str]) -> None:
    assert unpack_text_array(pack_text_array(items)) == items


def test_an_array_has_the_bytes_that_postgresql_writes() -> None:
    assert pack_text_array(["fillfactor=70"]).hex() == (
        "0100000000000000190000000100000001000000"
        "4400000066696c6c666163746f723d3730000000"
    )  # fmt: skip
