"""What a run lets others look at: the database while no client is at work.

An *inspector* is called after each recovery, and once more at the end, when the audit has been
made. It asks what it likes, compares that with the history, and says what is wrong. What it asks is
in the history too, as operations `look` of the process `control`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.pq import Format

from chaos.history import Event, History
from chaos.oracle import Violation
from chaos.plan import Plan
from chaos.workloads.api import Answer, Body, Operation, Statement, commit

LOOK: Final = "look"
BEGIN: Final = Statement("BEGIN READ ONLY")
"""Who looks changes nothing: it would be taken for the database's doing."""


class QueryRefused(Exception):
    """The database has answered with an error: `SQLSTATE message`."""


def is_failure_of_the_server(refused: QueryRefused) -> bool:
    """Whether the query is not to blame: damaged data, an internal error, a failing disk."""
    return str(refused).startswith(("XX", "58"))


class Database:
    """A database that is quiet: no client has a transaction open.

    `ask` does an operation while nobody else does anything, and answers with its completion.
    """

    def __init__(self, ask: Callable[[Operation], Event], plan: Plan, data_directory: Path) -> None:
        self._ask = ask
        self.settings = dict(plan.settings)
        self.data_directory = data_directory
        """Its files, which the running server goes on changing."""

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement that only reads, as Python values; `$1`, `$2` in it are
        parameters. QueryRefused when it is answered with an error.
        """
        __tracebackhide__ = True  # pytest shows who asked
        given = tuple(None if value is None else str(value).encode() for value in parameters)
        answers: list[Answer] = []

        def body(_value: Any) -> Body:
            yield BEGIN
            answers.append((yield Statement(sql, given, is_typed=True)))
            yield from commit()

        event = self._ask(Operation(LOOK, sql, body))
        if event.type != "ok":
            raise QueryRefused(event.error)
        return [_as_values(row, answers[0].types) for row in answers[0].rows]


Inspector = Callable[[Database, History], Iterable[Violation]]


def _as_values(row: Sequence[str | None], types: Sequence[int]) -> tuple[Any, ...]:
    """A row's texts, by the OIDs of their types."""
    return tuple(
        None if text is None else _loader(oid)(text.encode())
        for text, oid in zip(row, types, strict=True)
    )


def _loader(oid: int) -> Callable[[bytes], Any]:
    adapters = psycopg.adapters
    loader = adapters.get_loader(oid, Format.TEXT) or adapters.get_loader(0, Format.TEXT)
    return loader(oid).load if loader is not None else bytes.decode
