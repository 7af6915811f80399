"""Fixtures of the SQL tests: a session over memory."""

from __future__ import annotations

import pytest

from tests.engine.sql.memory_session import MemorySession


@pytest.fixture
def session() -> MemorySession:
    """An empty database."""
    return MemorySession()


@pytest.fixture
def accounts() -> MemorySession:
    """A database with ten accounts of 100 each."""
    session = MemorySession()
    session.run("create table accounts (id int not null, balance bigint, name text)")
    session.run("insert into accounts select g, 100, 'n' || g from generate_series(1, 10) g")
    return session
