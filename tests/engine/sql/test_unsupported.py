"""What is not there is refused by name, and nothing that can be parsed breaks the engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SqlError, SqlState
from tests.engine.sql.answers import statements
from tests.engine.sql.memory_session import MemorySession

SCRIPT = Path(__file__).with_name("unsupported.sql")
LINES = [
    line
    for line in SCRIPT.read_text(encoding="utf-8").splitlines()
    if line.strip() and not line.startswith("--")
]
WORDS = sorted({word for line in (*LINES, *statements()) for word in line.split()})
TOO_MUCH = ("repeat", "pad", "generate_series")


def _answer(session: MemorySession, statement: str) -> SqlError | None:
    try:
        session.run(statement, (), None)
    except SqlError as error:
        return error
    finally:
        session.transactions.end_block()
    return None


def _session() -> MemorySession:
    session = MemorySession()
    session.run("create table f (a int, b text); insert into f values (1, 'x'), (2, null)")
    return session


def test_no_statement_of_the_grammar_raises_anything_but_an_sql_error() -> None:
    session = _session()
    for line in LINES:
        _answer(session, line)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("create index on f (a)", "CREATE INDEX"),
        ("truncate f", "TRUNCATE"),
        ("savepoint s", "SAVEPOINT"),
        ("with x as (select 1) select * from x", "WITH"),
        ("select row_number() over () from f", "window functions"),
        ("create table g (a serial)", "type serial"),
        ("create table g (a int primary key)", "PRIMARY KEY"),
        ("begin isolation level serializable", "SERIALIZABLE"),
        ("select to_char(now(), 'x')", "function to_char"),
        ("select * from f for update", "FOR UPDATE"),
        ("insert into f values (1) on conflict do nothing", "ON CONFLICT"),
        ("alter table f add column c int", "ALTER TABLE"),
    ],
)
def test_what_is_missing_is_named(statement: str, named: str) -> None:
    error = _answer(_session(), statement)
    assert error is not None
    assert error.sqlstate == SqlState.FEATURE_NOT_SUPPORTED
    assert named in error.message
    assert error.message.endswith("is not supported yet")


def test_deep_nesting_is_refused_not_crashed_on(session: MemorySession) -> None:
    deep = "select " + "(" * 2000 + "1" + " + 1)" * 2000
    error = _answer(session, deep)
    assert error is not None
    assert error.sqlstate == SqlState.STATEMENT_TOO_COMPLEX


@given(st.data())
def test_shuffled_statements_raise_nothing_but_sql_errors(data: st.DataObject) -> None:
    line = data.draw(st.sampled_from([*LINES, *statements()]))
    words = line.split()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(words) - 1))
        words[at] = data.draw(st.sampled_from(WORDS))
    statement = " ".join(words)
    if not any(name in statement for name in TOO_MUCH):
        _answer(_session(), statement)
