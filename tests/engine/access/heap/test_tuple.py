"""Heap tuples: values to bytes and back, and the bytes that PostgreSQL makes of the same values."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.access.heap import tuple as heap_tuple
from engine.access.heap.tuple import Attribute, TupleDescriptor, form_tuple
from engine.errors import SqlError
from engine.storage import page as data_page
from tests.postgres import scratch_cluster

BOOL = Attribute("bool", 16, 1, "c")
CHAR = Attribute("char", 18, 1, "c")
NAME = Attribute("name", 19, 64, "c", by_value=False)
INT8 = Attribute("int8", 20, 8, "d")
INT2 = Attribute("int2", 21, 2, "s")
INT4 = Attribute("int4", 23, 4, "i")
TEXT = Attribute("text", 25, -1, "i", by_value=False)
OID = Attribute("oid", 26, 4, "i")
FLOAT4 = Attribute("float4", 700, 4, "i")
FLOAT8 = Attribute("float8", 701, 8, "d")
BYTEA = Attribute("bytea", 17, -1, "i", by_value=False)
OIDVECTOR = Attribute("oidvector", 30, -1, "i", by_value=False)
UUID = Attribute("uuid", 2950, 16, "c", by_value=False)


def signed(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


ANY_TEXT = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10),
    st.integers(120, 132).map(lambda length: "x" * length),
)
VALUES: dict[Attribute, st.SearchStrategy[Any]] = {
    BOOL: st.booleans(),
    CHAR: st.sampled_from(["", "r", "p"]),
    NAME: st.text("abcü", max_size=30),
    INT8: signed(64),
    INT2: signed(16),
    INT4: signed(32),
    TEXT: ANY_TEXT,
    OID: st.integers(0, 2**32 - 1),
    FLOAT4: st.floats(width=32, allow_nan=False),
    FLOAT8: st.floats(allow_nan=False),
    BYTEA: st.binary(max_size=200),
    OIDVECTOR: st.binary(max_size=200),
    UUID: st.binary(min_size=16, max_size=16),
}


@st.composite
def rows(draw: st.DrawFn) -> tuple[list[Attribute], list[Any]]:
    """Some columns, and a value or null for each."""
    attributes = draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=12))
    nulls = draw(st.booleans())
    values = [
        draw(st.none() | VALUES[attribute]) if nulls else draw(VALUES[attribute])
        for attribute in attributes
    ]
    return attributes, values


def tuple_of(descriptor: TupleDescriptor, values: Sequence[Any], natts: int = 0) -> bytes:
    body, infomask, hoff = descriptor.form(values)
    return form_tuple(700, 0, 0, 0, 1, natts or descriptor.natts, infomask, hoff, body)


@given(rows(), st.sampled_from([0, 8, 4096]))
def test_values_survive_being_a_tuple(row: tuple[list[Attribute], list[Any]], at: int) -> None:
    attributes, values = row
    descriptor = TupleDescriptor(attributes)
    item = tuple_of(descriptor, values)
    page = memoryview(bytes(at) + item + b"\xff" * 64)
    assert descriptor.deform(page, at, len(item)) == values
    assert heap_tuple.tuple_hoff(page, at) % 8 == 0
    infomask = heap_tuple.tuple_infomask(page, at)
    assert bool(infomask & heap_tuple.HAS_NULL) == (None in values)
    for needed in range(len(values) + 1):
        assert descriptor.deform(page, at, len(item), needed) == values[:needed]


@given(rows())
def test_a_column_added_later_is_null_in_old_tuples(
    row: tuple[list[Attribute], list[Any]],
) -> None:
    attributes, values = row
    item = tuple_of(TupleDescriptor(attributes), values)
    later = TupleDescriptor([*attributes, INT4, TEXT])
    assert later.deform(item, 0, len(item)) == [*values, None, None]


def test_the_header_has_the_bytes_of_the_format() -> None:
    item = form_tuple(700, 701, 5, 0x12345, 7, 0x4002, 0x0902, 24, b"\0data")
    assert item == struct.pack(
        "<IIIHHHHHBx4s", 700, 701, 5, 1, 0x2345, 7, 0x4002, 0x0902, 24, b"data"
    )
    assert heap_tuple.tuple_ctid(item, 0) == (0x12345, 7)
    assert heap_tuple.tuple_xmin(item, 0) == 700
    assert heap_tuple.tuple_xmax(item, 0) == 701
    assert heap_tuple.tuple_cid(item, 0) == 5


def test_setters_change_their_field_alone() -> None:
    page = bytearray(b"\xee" * 10 + form_tuple(1, 2, 3, 4, 5, 6, 7, 24, b"\0") + b"\xee" * 10)
    heap_tuple.set_tuple_xmin(page, 10, 11)
    heap_tuple.set_tuple_xmax(page, 10, 12)
    heap_tuple.set_tuple_cid(page, 10, 13)
    heap_tuple.set_tuple_ctid(page, 10, 0x10004, 15)
    heap_tuple.set_tuple_infomask2(page, 10, 16)
    heap_tuple.set_tuple_infomask(page, 10, 17)
    changed = form_tuple(11, 12, 13, 0x10004, 15, 16, 17, 24, b"\0")
    assert page == b"\xee" * 10 + changed + b"\xee" * 10


@pytest.mark.parametrize(("length", "size"), [(126, 127), (127, 3 + 4 + 127)])
def test_a_text_has_the_short_header_up_to_126_bytes(length: int, size: int) -> None:
    descriptor = TupleDescriptor([CHAR, TEXT])
    body, infomask, _ = descriptor.form(["a", "x" * length])
    assert len(body) == 1 + 1 + size
    assert infomask == heap_tuple.HAS_VARWIDTH


def test_lying_lengths_are_corruption_not_other_peoples_bytes() -> None:
    descriptor = TupleDescriptor([INT4, TEXT])
    item = bytearray(tuple_of(descriptor, [1, "short"]))
    item[28] = 127 << 1 | 1
    with pytest.raises(SqlError, match="tuple data reaches past its end"):
        descriptor.deform(bytes(item) + bytes(200), 0, len(item))


@pytest.mark.parametrize(("head", "what"), [(1, "toasted"), (0x12, "compressed")])
def test_what_cannot_be_read_yet_is_refused_by_name(head: int, what: str) -> None:
    descriptor = TupleDescriptor([INT4, TEXT])
    item = bytearray(tuple_of(descriptor, [1, "some text"]))
    item[28] = head
    with pytest.raises(SqlError, match=what):
        descriptor.deform(item, 0, len(item))


def test_columns_are_found_by_name_unless_dropped() -> None:
    gone = Attribute("........pg.dropped.1........", 0, 4, "i", dropped=True)
    descriptor = TupleDescriptor([gone, INT4, TEXT])
    assert descriptor.index_of("text") == 2
    assert descriptor.index_of(gone.name) is None
    assert descriptor.index_of("other") is None
    assert len(descriptor) == 3


# PostgreSQL's bytes -----------------------------------------------------------------------------

COLUMNS = [BOOL, INT8, TEXT, INT2, NAME, INT4, CHAR, FLOAT8, TEXT, OID, FLOAT4, BYTEA, BOOL]
ROWS: list[list[Any]] = [
    [True, -5, "short", 7, "a name", -1, "x", 1.5, "", 4_000_000_000, 0.25, b"\x01\x02", False],
    [False, 2**62, "y" * 126, -7, "", 2**31 - 1, "", -0.5, "z" * 127, 0, -2.0, b"", True],
    [None, None, "täxt", None, "n" * 63, None, "q", None, "w" * 1000, None, None, None, None],
    [None] * 13,
    [True, 1, "abcdefg", 1, "n", 1, "c", 1.0, "x" * 200, 1, 1.0, b"z" * 300, True],
]


def test_tuples_are_those_that_postgres_stores() -> None:
    columns = ", ".join(f'c{at} "{column.name}"' for at, column in enumerate(COLUMNS))
    with scratch_cluster("-c autovacuum=off") as cluster:
        cluster.psql(f"create table t ({columns})")
        for column in ("c2", "c8", "c11"):
            cluster.psql(f"alter table t alter {column} set storage external")
        for row in ROWS:
            cluster.psql(f"insert into t values ({', '.join(map(literal, row))})")
        cluster.psql("checkpoint")
        path = cluster.data / cluster.psql("select pg_relation_filepath('t')")
        page = path.read_bytes()[:8192]
    descriptor = TupleDescriptor(COLUMNS)
    assert data_page.item_count(page) == len(ROWS)
    for number, row in enumerate(ROWS, 1):
        offset, _, length = data_page.line_pointer(page, number)
        assert descriptor.deform(page, offset, length) == row
        body, infomask, hoff = descriptor.form(row)
        assert bytes(data_page.item(page, number))[23:] == body
        assert heap_tuple.tuple_hoff(page, offset) == hoff
        ours = infomask | heap_tuple.XMAX_INVALID
        assert heap_tuple.tuple_infomask(page, offset) & ~heap_tuple.XMIN_COMMITTED == ours


def literal(value: Any) -> str:
    """A value as SQL."""
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'"
    return f"'{value}'" if isinstance(value, str) else str(value)
