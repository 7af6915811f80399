"""The bodies of messages, in both directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SqlError
from engine.protocol import backend, frontend
from engine.protocol.backend import ErrorFields, FieldDescription

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
values = st.one_of(st.none(), st.binary(max_size=20))
formats = st.lists(st.integers(0, 1), max_size=1)


@given(names, names, st.lists(st.integers(0, 2**32 - 1), max_size=5))
def test_parse_survives_the_round_trip(name: str, text: str, types: list[int]) -> None:
    body = frontend.build_parse(name, text, types)[5:]
    assert frontend.parse_parse(body) == (name, text, tuple(types))


@given(names, names, st.lists(values, max_size=5), formats, formats)
def test_bind_survives_the_round_trip(
    portal: str, name: str, parameters: list[bytes | None], ins: list[int], outs: list[int]
) -> None:
    body = frontend.build_bind(
        portal, name, parameters, parameter_formats=ins, result_formats=outs
    )[5:]
    assert frontend.parse_bind(body) == (
        portal,
        name,
        tuple(ins),
        tuple(parameters),
        tuple(outs),
    )


@pytest.mark.parametrize(
    "parse",
    [
        frontend.parse_query,
        frontend.parse_parse,
        frontend.parse_bind,
        frontend.parse_describe,
        frontend.parse_close,
        frontend.parse_execute,
        frontend.parse_empty,
        frontend.parse_sasl_initial_response,
    ],
)
@given(body=st.binary(max_size=60))
def test_garbage_only_ever_raises_an_operating_error(
    parse: Callable[[bytes], Any], body: bytes
) -> None:
    sqlstate = "08P01"
    try:
        parse(body)
    except SqlError as error:
        sqlstate = error.sqlstate
    assert sqlstate in ("08P01", "22021")


def test_text_that_is_not_utf8_is_refused_with_the_bytes() -> None:
    with pytest.raises(SqlError, match='invalid byte sequence for encoding "UTF8": 0xff'):
        frontend.parse_query(b"select '\xff'\0")


def test_parameter_formats_must_match_the_parameters() -> None:
    body = frontend.build_bind(parameters=[b"1", b"2", b"3"], parameter_formats=[0, 1])[5:]
    with pytest.raises(SqlError, match="bind message has 2 parameter formats but 3 parameters"):
        frontend.parse_bind(body)


def test_describe_and_execute_survive_the_round_trip() -> None:
    assert frontend.parse_describe(frontend.build_describe("S", "one")[5:]) == ("S", "one")
    assert frontend.parse_close(frontend.build_close("P", "two")[5:]) == ("P", "two")
    assert frontend.parse_execute(frontend.build_execute("p", 17)[5:]) == ("p", 17)
    with pytest.raises(SqlError, match="invalid DESCRIBE message subtype 88"):
        frontend.parse_describe(b"X\0")


@given(st.lists(st.lists(values, min_size=3, max_size=3), max_size=4))
def test_data_rows_carry_values_and_nulls(rows: list[list[bytes | None]]) -> None:
    out = bytearray()
    backend.append_data_rows(out, rows, [bytes, bytes, bytes])
    messages, rest = backend.split_messages(bytes(out))
    assert [backend.parse_data_row(message.body) for message in messages] == rows
    assert not rest


@given(st.lists(st.lists(values, min_size=1, max_size=1), max_size=4))
def test_rows_of_one_column_are_no_different(rows: list[list[bytes | None]]) -> None:
    out = bytearray()
    backend.append_data_rows(out, rows, [bytes])
    messages, _ = backend.split_messages(bytes(out))
    assert [backend.parse_data_row(message.body) for message in messages] == rows


def test_a_row_without_columns_is_a_row() -> None:
    out = bytearray()
    backend.append_data_rows(out, [(), ()], [])
    messages, _ = backend.split_messages(bytes(out))
    assert [backend.parse_data_row(message.body) for message in messages] == [[], []]


def test_row_descriptions_survive_the_round_trip() -> None:
    fields = [
        FieldDescription("aid", 16384, 1, 23, 4, -1, 0),
        FieldDescription("été", 0, 0, 25, -1, -1, 1),
    ]
    message = backend.row_description(fields)
    assert backend.parse_row_description(message[5:]) == fields


def test_errors_carry_the_fields_that_they_have() -> None:
    message = backend.error_response(
        ErrorFields("ERROR", "42601", "syntax error", position=8, table="t")
    )
    assert backend.parse_error_fields(message[5:]) == {
        "S": "ERROR",
        "V": "ERROR",
        "C": "42601",
        "M": "syntax error",
        "P": "8",
        "t": "t",
    }
