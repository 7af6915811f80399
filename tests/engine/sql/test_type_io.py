"""Types in text and binary: what goes in comes out, and what is wrong is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SqlError
from engine.sql import type_table as t
from engine.sql.numeric import numeric_binary, numeric_from_binary
from engine.sql.types import input_value, output_function, output_value

VALUES: dict[int, st.SearchStrategy[Any]] = {
    t.BOOL: st.booleans(),
    t.INT2: st.integers(-(2**15), 2**15 - 1),
    t.INT4: st.integers(-(2**31), 2**31 - 1),
    t.INT8: st.integers(-(2**63), 2**63 - 1),
    t.OID: st.integers(0, 2**32 - 1),
    t.XID: st.integers(0, 2**32 - 1),
    t.PG_LSN: st.integers(0, 2**64 - 1),
    t.FLOAT8: st.floats(allow_nan=False),
    t.FLOAT4: st.floats(width=32, allow_nan=False),
    t.TEXT: st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    t.BYTEA: st.binary(),
    t.TIMESTAMPTZ: st.integers(-60_000_000_000_000_000, 250_000_000_000_000_000),
    t.NUMERIC: st.decimals(-(10**30), 10**30, places=5),
}


@pytest.mark.parametrize("type_oid", VALUES)
@pytest.mark.parametrize("binary", [False, True])
@given(data=st.data())
def test_what_goes_out_comes_in_again(type_oid: int, binary: bool, data: st.DataObject) -> None:
    value = data.draw(VALUES[type_oid])
    again = input_value(type_oid, output_value(type_oid, value, binary), binary)
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize(
    ("type_oid", "text", "sqlstate"),
    [
        (t.INT4, b"1_000", "22P02"),
        (t.INT4, b"\xd9\xa1", "22P02"),
        (t.INT4, b"2147483648", "22003"),
        (t.INT2, b"-32769", "22003"),
        (t.BOOL, b"o", "22P02"),
        (t.FLOAT8, b"1e400", "22003"),
        (t.FLOAT8, b"", "22P02"),
        (t.NUMERIC, b"1.2.3", "22P02"),
        (t.TEXT, b"\xff", "22021"),
        (t.TEXT, b"a\0b", "22021"),
        (t.PG_LSN, b"0/123456789", "22P02"),
        (t.TIMESTAMPTZ, b"2020-02-30", "22007"),
    ],
)
def test_wrong_text_is_refused(type_oid: int, text: bytes, sqlstate: str) -> None:
    with pytest.raises(SqlError) as caught:
        input_value(type_oid, text, False)
    assert caught.value.sqlstate == sqlstate


@pytest.mark.parametrize("type_oid", [t.BOOL, t.INT2, t.INT4, t.INT8, t.FLOAT8, t.NUMERIC])
@pytest.mark.parametrize("data", [b"", b"123", b"123456789"])
def test_binary_of_a_wrong_length_is_refused(type_oid: int, data: bytes) -> None:
    with pytest.raises(SqlError) as caught:
        input_value(type_oid, data, True)
    assert caught.value.sqlstate in ("08P01", "22P03")


@pytest.mark.parametrize("text", ["0", "1.50", "-0.001", "10000", "123456789.123456789", "NaN"])
def test_numeric_keeps_its_scale_in_binary(text: str) -> None:
    value = Decimal(text)
    assert str(numeric_from_binary(numeric_binary(value))) == text


def test_timestamps_print_in_utc_without_needless_zeros() -> None:
    write = output_function(t.TIMESTAMPTZ, False)
    assert write(0) == b"2000-01-01 00:00:00+00"
    assert write(-1) == b"1999-12-31 23:59:59.999999+00"
    assert write(1_500_000) == b"2000-01-01 00:00:01.5+00"
