"""What a workload is: a source of operations, each a generator that speaks SQL.

A body yields a `Statement` and is sent the `Answer`. It never waits and knows no connection, so
whoever drives it owns the waiting. It fills in the `value` of its operation as it goes: what it
saw is in the history even when the transaction's outcome is not known.

    def body(value):
        yield BEGIN
        answer = yield Statement("UPDATE t SET n = n + 1 WHERE id = $1 RETURNING n", (b"3",))
        value["n"] = int(answer.rows[0][0])
        yield from commit()

WORK-1  Only a statement marked `commits` can make the transaction's effects last: if the
        connection is lost while any other is under way, the operation has failed; during that one,
        nobody knows.
WORK-2  Each transaction that writes has an id of its own and inserts it into the table `ledger`,
        so that what became of it can be looked up after a crash.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

READ_COMMITTED: Final = "read committed"
REPEATABLE_READ: Final = "repeatable read"

Row = tuple[str | None, ...]


class Statement(NamedTuple):
    """One SQL statement, prepared at its first use on a connection; parameters in text format.

    `is_typed`: the answer tells the types of its columns.
    """

    text: str
    parameters: tuple[bytes | None, ...] = ()
    commits: bool = False
    is_typed: bool = False


class Answer(NamedTuple):
    """What the server returned: rows as text, the command tag, the OIDs of the columns' types."""

    rows: list[Row]
    tag: str
    types: tuple[int, ...] = ()


Body = Generator[Statement, Answer, None]


class RolledBack(Exception):
    """The transaction was rolled back on purpose, and the server has said that it is."""


class WrongAnswer(Exception):
    """The server answered what no correct server can; the transaction is rolled back."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One transaction to come. `writes` means that its `ok` acknowledges something to be kept."""

    f: str
    value: Any
    body: Callable[[Any], Body]
    transaction: int | None = None
    isolation: str | None = None
    writes: bool = False


class Workload(Protocol):
    """Where operations come from. One object per run, used by all clients."""

    name: str

    def setup(self) -> Sequence[Operation]:
        """What creates the initial state, to be done in order before any fault."""

    def next(self, chance: random.Random) -> Operation:
        """The next operation of whichever client is free."""

    def audit(self) -> Operation:
        """One snapshot of everything that the workload ever wrote."""

    def glance(self) -> Operation:
        """One read of all rows, as cheap as can be."""

    def upkeep(self) -> Operation | None:
        """What is to be done after an audit, while no client is at work; None for nothing."""

    def facts(self) -> dict[str, Any]:
        """What checkers must know of the initial state."""


BEGIN: Final = {
    READ_COMMITTED: Statement("BEGIN ISOLATION LEVEL READ COMMITTED"),
    REPEATABLE_READ: Statement("BEGIN ISOLATION LEVEL REPEATABLE READ"),
}
COMMIT: Final = Statement("COMMIT", commits=True)
ROLLBACK: Final = Statement("ROLLBACK")

CREATE_LEDGER: Final = Statement(
    "CREATE TABLE ledger (id bigint NOT NULL, kind text NOT NULL)", commits=True
)
INSERT_LEDGER: Final = "INSERT INTO ledger (id, kind) VALUES ($1, $2)"
READ_LEDGER: Final = Statement("SELECT id FROM ledger ORDER BY id")


def commit() -> Body:
    """COMMIT; a server that rolls back instead gives a wrong answer, since no statement had
    failed.
    """
    answer = yield COMMIT
    if answer.tag != "COMMIT":
        raise WrongAnswer(f"COMMIT was answered with {answer.tag}")


def roll_back() -> Body:
    """ROLLBACK on purpose."""
    yield ROLLBACK
    raise RolledBack


def enter_in_ledger(transaction: int, kind: str, padding: int = 0) -> Body:
    """WORK-2. `padding` bytes make the row longer, and so WAL, table and checkpoints."""
    text = kind.encode() + b"." * padding
    answer = yield Statement(INSERT_LEDGER, (number(transaction), text))
    if answer.tag != "INSERT 0 1":
        raise WrongAnswer(f"an INSERT of one row was answered with {answer.tag}")


def filler(size: int) -> tuple[str, str, str]:
    """What makes the rows of a table longer by so many bytes, for its CREATE TABLE and its INSERT:
    the column's definition, its name, and its value, each with a comma before it.
    """
    if not size:
        return "", "", ""
    return ", filler text", ", filler", f", '{'.' * size}'"


def number(value: int) -> bytes:
    """An integer as a parameter."""
    return b"%d" % value


def one_row(answer: Answer, what: str) -> Row:
    """The only row of an answer that must have one."""
    if len(answer.rows) != 1:
        raise WrongAnswer(f"{what}: {len(answer.rows)} rows instead of one")
    return answer.rows[0]


def integer(text: str | None) -> int:
    """A column that must hold an integer."""
    if text is None:
        raise WrongAnswer("null where there is never a null")
    try:
        return int(text)
    except ValueError:
        raise WrongAnswer(f"{text!r} where there is always an integer") from None


def checkpoint() -> Operation:
    """A checkpoint, at once."""
    return Operation("checkpoint", None, run_all([Statement("CHECKPOINT")]))


def vacuum(table: str) -> Operation:
    """VACUUM of one table."""
    return Operation("vacuum", None, run_all([Statement(f"VACUUM {table}")]))


def run_all(statements: Sequence[Statement]) -> Callable[[Any], Body]:
    """A body that runs statements one by one and keeps nothing of the answers."""

    def body(_value: Any) -> Body:
        for statement in statements:  # noqa: UP028 - answers are sent in, which no list takes
            yield statement

    return body


def create_tables(statements: Sequence[Statement]) -> Operation:
    """The operation that sets a workload's tables up."""
    return Operation("setup", [statement.text for statement in statements], run_all(statements))
