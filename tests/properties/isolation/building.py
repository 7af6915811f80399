"""Histories in a few letters.

A transaction is a string of operations, perhaps behind its status: `"ax1 ry12 rz"` appended 1 to
x, read [1, 2] from y and nothing from z; of registers, `"wx1 gy2 gz"` wrote 1 and got 2 and the
initial version. `"fail ax1"` and `"info ax1"` say how it ended. Keys and values have one character.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from properties.isolation.checking import check
from properties.isolation.transactions import Op, Status, Transaction
from properties.isolation.witnesses import Verdict


def together(*texts: str, levels: Sequence[str | None] = ()) -> list[Transaction]:
    """All ran at the same time, each by a process of its own."""
    count = len(texts)
    return [
        _transaction(i, i, text, i, count + i, levels[i] if levels else None)
        for i, text in enumerate(texts)
    ]


def in_turn(*texts: str, processes: Sequence[int] | None = None) -> list[Transaction]:
    """One after the other."""
    return [
        _transaction(i, processes[i] if processes else i, text, 2 * i, 2 * i + 1, None)
        for i, text in enumerate(texts)
    ]


def _transaction(
    i: int, process: int, text: str, begun: int, ended: int, level: str | None
) -> Transaction:
    words = text.split()
    status: Status = "ok"
    if words[0] == "fail":
        status, words = "fail", words[1:]
    elif words[0] == "info":
        status, words = "info", words[1:]
    ops = tuple(_op(word, status) for word in words)
    return Transaction(i, process, status, ops, begun, None if status == "info" else ended, level)


def _op(word: str, status: Status) -> Op:
    f, key, values = word[0], word[1], tuple(int(c) for c in word[2:])
    if f == "a":
        return Op("append", key, values[0])
    if f == "w":
        return Op("w", key, values[0])
    read: Any = values if f == "r" else values[0] if values else None
    return Op("r", key, read if status == "ok" else None)


def lists(history: list[Transaction], model: str = "strict-serializable") -> Verdict:
    """What is said of a history of lists."""
    return check(history, workload="list-append", model=model)


def registers(history: list[Transaction], model: str = "strict-serializable") -> Verdict:
    """What is said of a history of registers."""
    return check(history, workload="rw-register", model=model)
