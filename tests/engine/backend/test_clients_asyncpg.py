"""asyncpg against a running server: everything binary, Describe with Flush, its own pool."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from tests.server import Server


def run(server: Server, body: Callable[[Any], Awaitable[None]]) -> None:
    """Run `body` with one connection."""

    async def connected() -> None:
        connection = await asyncpg.connect(
            host=str(server.sockets), port=server.port, user="postgres", database="postgres"
        )
        try:
            await body(connection)
        finally:
            await connection.close()

    asyncio.run(connected())


def test_rows_are_fetched_with_parameters(server: Server) -> None:
    async def body(connection: Any) -> None:
        await connection.execute("create table t (a int, b text)")
        status = await connection.execute("insert into t values ($1, $2)", 1, "one")
        assert status == "INSERT 0 1"
        row = await connection.fetchrow("select a, b from t where a = $1", 1)
        assert (row["a"], row["b"]) == (1, "one")
        assert await connection.fetchval("select count(*) from t") == 1

    run(server, body)


@pytest.mark.parametrize(
    ("cast", "value"),
    [
        ("smallint", 7),
        ("integer", -7),
        ("bigint", 1 << 40),
        ("text", "é"),
        ("boolean", True),
        ("double precision", 0.5),
        ("text", None),
    ],
)
def test_binary_values_survive_the_round_trip(server: Server, cast: str, value: Any) -> None:
    async def body(connection: Any) -> None:
        assert await connection.fetchval(f"select $1::{cast}", value) == value

    run(server, body)


def test_transactions_and_their_isolation(server: Server) -> None:
    async def body(connection: Any) -> None:
        await connection.execute("create table t (a int)")
        async with connection.transaction(isolation="repeatable_read"):
            await connection.execute("insert into t values (1)")
            assert await connection.fetchval("show transaction_isolation") == "repeatable read"
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("insert into t values (2)")
        await transaction.rollback()
        assert await connection.fetch("select a from t") == [(1,)]

    run(server, body)


def test_a_cursor_reads_through_suspended_portals(server: Server) -> None:
    async def body(connection: Any) -> None:
        async with connection.transaction():
            cursor = connection.cursor("select * from generate_series(1, 20)", prefetch=3)
            assert [row[0] async for row in cursor] == list(range(1, 21))

    run(server, body)


def test_errors_have_their_classes(server: Server) -> None:
    async def body(connection: Any) -> None:
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.fetch("select * from nothing")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await connection.fetch("select 1/0")
        assert await connection.fetchval("select 1") == 1

    run(server, body)


def test_many_sets_of_parameters(server: Server) -> None:
    async def body(connection: Any) -> None:
        await connection.execute("create table t (a int, b text)")
        rows = [(number, str(number)) for number in range(50)]
        await connection.executemany("insert into t values ($1, $2)", rows)
        assert await connection.fetchval("select count(*) from t") == 50

    run(server, body)


def test_a_pool_resets_its_connections(server: Server) -> None:
    async def pooled() -> None:
        async with asyncpg.create_pool(
            host=str(server.sockets),
            port=server.port,
            user="postgres",
            database="postgres",
            min_size=1,
            max_size=2,
        ) as pool:
            async with pool.acquire() as connection:
                await connection.execute("set application_name = 'changed'")
            async with pool.acquire() as connection:
                assert await connection.fetchval("show application_name") == ""

    asyncio.run(pooled())


def test_a_time_out_cancels_the_statement(server: Server) -> None:
    async def body(connection: Any) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await connection.fetchval("select pg_sleep(60)", timeout=0.3)
        assert await connection.fetchval("select 1") == 1

    run(server, body)
