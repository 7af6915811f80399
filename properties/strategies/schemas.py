"""Schemas: a table with a key, a value, and whatever else a row may carry."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from properties.models.schema import FILLERS, Column, Schema

INTEGERS: Final = ("integer", "bigint")
LITERALS: Final = {
    "integer": ("NULL", "0", "-2147483648"),
    "bigint": ("NULL", "9223372036854775807"),
    "text": ("NULL", "''", "'it''s'"),
    "boolean": ("NULL", "true", "false"),
    "smallint": ("NULL", "-32768", "7"),
}
"""Types of columns that nobody asks for, and what may stand there: nulls and odd widths, which
move what comes after them in the row.
"""


@st.composite
def columns(draw: st.DrawFn, name: str) -> Column:
    """A column of this name, with what is in it."""
    kind = draw(st.sampled_from(tuple(LITERALS)))
    return Column(name, kind, draw(st.sampled_from(LITERALS[kind])))


@st.composite
def schemas(draw: st.DrawFn, *, most_others: int = 3) -> Schema:
    """Tables; the plainest is the smallest."""
    count = draw(st.integers(0, most_others))
    return Schema(
        key_type=draw(st.sampled_from(INTEGERS)),
        value_type=draw(st.sampled_from(INTEGERS)),
        others=tuple(draw(columns(f"c{number}")) for number in range(1, count + 1)),
        filler=draw(st.sampled_from(FILLERS)),
    )
