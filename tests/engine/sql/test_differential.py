"""The engine and a real PostgreSQL 15 answer the same statements the same way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.errors import SqlError
from tests.engine.sql.answers import Answer, describe, in_order, statements
from tests.engine.sql.libpq_answers import LibpqSession
from tests.engine.sql.memory_session import MemorySession
from tests.postgres import scratch_cluster
from tests.server import Server

_NEEDS_A_SERVER = (
    "create table dup", "create table sys",  # the real catalog checks these
)  # fmt: skip
_FIRST_TRANSACTION = "begin"


def _differences(ask: Callable[[str], Answer], script: list[str]) -> list[str]:
    with scratch_cluster() as cluster:
        judge = LibpqSession(cluster.connection_string())
        judge.answer("set timezone to 'UTC'")
        found = []
        for statement in script:
            ours, theirs = ask(statement), judge.answer(statement)
            if ours != theirs:
                found.append(describe(statement, ours, theirs))
        judge.close()
    return found


def test_statements_over_memory_are_answered_as_postgresql_answers_them() -> None:
    session = MemorySession()

    def ask(statement: str) -> Answer:
        try:
            result = session.run(statement, (), None)
        except SqlError as error:
            return Answer(error=(error.sqlstate, error.message, error.position))
        rows = in_order(statement, result.texts)
        return Answer(result.tag, tuple(result.columns), tuple(result.types), rows)

    script = statements()
    # Nothing can be rolled back in memory: the script's first part only.
    script = script[: script.index(_FIRST_TRANSACTION)]
    script = [line for line in script if not line.startswith(_NEEDS_A_SERVER)]
    assert _differences(ask, script) == []


@pytest.mark.slow
def test_the_server_answers_as_postgresql_answers(server: Server) -> None:
    session = LibpqSession(f"host={server.sockets} port={server.port} user=postgres")
    try:
        assert _differences(session.answer, statements()) == []
    finally:
        session.close()
