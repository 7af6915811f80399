"""What came, held against what was expected. A difference says both."""

from __future__ import annotations

import re

from chaos.connection import ConnectionLost, Refusal
from chaos.scenario.steps import Expected, Rows, show_rows
from chaos.workloads.api import Answer

Heard = Answer | Refusal | ConnectionLost | None
"""None: nothing came in time."""


class Unexpected(Exception):
    """It did not come as the scenario says: what was expected, and what came."""


def compare(expected: Expected, came: Heard) -> None:
    """Unexpected, unless what came is what was expected."""
    if not _is_as_expected(expected, came):
        raise Unexpected(f"expected {expected}, came {show(came)}")


def _is_as_expected(expected: Expected, came: Heard) -> bool:
    if expected.is_waiting:
        return came is None
    if expected.lost is not None or expected.is_refused:
        return isinstance(came, ConnectionLost) and _is_the(
            expected.lost or "", expected.message, came.sqlstate, came.message
        )
    if expected.error is not None:
        return isinstance(came, Refusal) and _is_the(
            expected.error, expected.message, came.sqlstate, came.message
        )
    return (
        isinstance(came, Answer)
        and (expected.rows is None or rows_of(came) == expected.rows)
        and (expected.tag is None or came.tag == expected.tag)
    )


def _is_the(sqlstate: str, pattern: str | None, came: str | None, message: str) -> bool:
    return (not sqlstate or came == sqlstate) and (
        pattern is None or re.search(pattern, message) is not None
    )


def rows_of(answer: Answer) -> Rows:
    """As a scenario writes them."""
    return tuple(tuple("NULL" if cell is None else cell for cell in row) for row in answer.rows)


def show(came: Heard) -> str:
    """For a message."""
    match came:
        case None:
            return "no answer"
        case Refusal():
            return f"error {came}"
        case ConnectionLost():
            return f"the loss of the connection: {came}"
        case Answer():
            return f"the rows {show_rows(rows_of(came))}" if came.rows else f"the tag {came.tag!r}"
