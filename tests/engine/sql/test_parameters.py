"""Parameters: inferred types, given types, and what cannot be."""

from __future__ import annotations

import pytest

from engine.sql import type_table as t
from tests.engine.sql.memory_session import MemorySession


@pytest.mark.parametrize(
    ("statement", "types"),
    [
        ("select $1", (t.TEXT,)),
        ("select $1::int", (t.INT4,)),
        ("select $1 + 1", (t.INT4,)),
        ("select balance + $1 from accounts where id = $2", (t.INT8, t.INT4)),
        ("update accounts set balance = balance + $1 where id = $2", (t.INT8, t.INT4)),
        ("insert into accounts values ($1, $2, $3)", (t.INT4, t.INT8, t.TEXT)),
        ("insert into accounts (name, id) select $1, $2", (t.TEXT, t.INT4)),
        ("select * from accounts where name like $1 limit $2", (t.TEXT, t.INT8)),
        ("select coalesce($1, 5), $2 || 'x'", (t.INT4, t.TEXT)),
        ("select id from accounts where id in ($1, $2)", (t.INT4, t.INT4)),
        ("select case when $1 then 1 end", (t.BOOL,)),
        ("select * from generate_series(1, $1)", (t.INT4,)),
        ("select $2::text, $1::bool", (t.BOOL, t.TEXT)),
    ],
)
def test_types_are_inferred_from_use(
    accounts: MemorySession, statement: str, types: tuple[int, ...]
) -> None:
    assert accounts.analyze(statement).parameter_types == types


def test_given_types_are_kept(accounts: MemorySession) -> None:
    analyzed = accounts.analyze("select $1 + 1", (t.INT2,))
    assert analyzed.parameter_types == (t.INT2,)
    assert analyzed.columns[0].type_oid == t.INT4


def test_small_integers_fit_wider_columns(accounts: MemorySession) -> None:
    statement = "update accounts set balance = balance + $1 where id = $2"
    analyzed = accounts.analyze(statement, (t.INT2, t.INT2))
    assert analyzed.parameter_types == (t.INT2, t.INT2)
    execution = accounts.engine.start(analyzed, [5, 3])
    execution.fetch(None)
    assert execution.tag == "UPDATE 1"


def test_a_parameter_has_one_type(accounts: MemorySession) -> None:
    error = accounts.error("insert into accounts (id, name) values ($1, $1)")
    assert error.sqlstate == "42P08"
    assert error.detail == "integer versus text"


def test_an_unused_parameter_has_no_type(session: MemorySession) -> None:
    error = session.error("select $2::int")
    assert (error.sqlstate, error.message) == (
        "42P18",
        "could not determine data type of parameter $1",
    )


def test_the_simple_protocol_has_no_parameters(session: MemorySession) -> None:
    with pytest.raises(Exception, match=r"there is no parameter \$1"):
        session.analyze("select $1::int", None)


def test_null_parameters_are_null(accounts: MemorySession) -> None:
    assert accounts.rows("select id from accounts where id = $1", [None]) == []
    assert accounts.rows("select $1::int is null", [None]) == [(True,)]
