"""Texts to parse trees: splitting, positions, errors."""

from __future__ import annotations

import pytest

from engine.errors import SqlError
from engine.sql.parser import Parser
from tests.engine.sql.memory_session import MemorySession


def test_a_text_is_split_into_its_statements() -> None:
    statements = Parser().parse("select 1;  select 'é' ; ")
    assert [one.source for one in statements] == ["select 1", "select 'é'"]


def test_an_empty_text_has_no_statements() -> None:
    parser = Parser()
    assert parser.parse("") == parser.parse(" ;; -- nothing\n") == ()


def test_the_same_text_is_parsed_once() -> None:
    parser = Parser()
    assert parser.parse("select 1") is parser.parse("select 1")


def test_a_syntax_error_has_the_position_of_its_token() -> None:
    with pytest.raises(SqlError) as caught:
        Parser().parse("select 1; selec 2")
    assert (caught.value.sqlstate, caught.value.position) == ("42601", 11)


def test_a_syntax_error_at_the_end_points_behind_the_text() -> None:
    with pytest.raises(SqlError) as caught:
        Parser().parse("select 1 +")
    assert caught.value.message == "syntax error at end of input"
    assert caught.value.position == len("select 1 +") + 1


def test_positions_count_characters_not_bytes(session: MemorySession) -> None:
    assert session.error("select 'éé', nosuch").position == 14
    assert session.error("select 1; select 'é', nosuch").position == 23
