"""What the checker judges: transactions, as their clients saw them.

A history is read into `Transaction`s once, by whoever knows its format; everything behind this file
sees nothing else. A transaction is one client's view: what it asked for, what it was answered, and
how it ended.

    ok      it was told that it committed: its writes are there, and its reads are what it saw
    fail    it was told that it did not commit: its writes must never be seen
    info    nobody knows: the answer never came. Its writes may be there, now or later, or never.
            Its reads say nothing, since it may have seen anything before it failed

Operations. Of a list-append history, `append` adds one value to the list `key`, and `r` reads the
whole list as a tuple or list, oldest first. Of a read-write-register history, `w` sets the register
`key` and `r` reads it; `None` is a register that was never written. A value is written at most once
to a key, or nobody could say which write a read has seen. A key or a value is anything that can be
hashed.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Literal, NamedTuple

Status = Literal["ok", "fail", "info"]

OK: Status = "ok"
FAIL: Status = "fail"
INFO: Status = "info"

APPEND = "append"
WRITE = "w"
READ = "r"


class Op(NamedTuple):
    """One operation of a transaction: `f` is "append", "w" or "r"."""

    f: str
    key: Hashable
    value: Any
    """What was appended, written or read. A read of what did not end ok has None."""


class Transaction:
    """One transaction as its client saw it."""

    __slots__ = ("completed", "id", "invoked", "isolation", "ops", "process", "status")

    def __init__(
        self,
        id: int,  # noqa: A002
        process: Hashable,
        status: Status,
        ops: tuple[Op, ...],
        invoked: int,
        completed: int | None,
        isolation: str | None = None,
    ) -> None:
        self.id = id
        """Its place among the transactions of the history: 0, 1, 2 ..."""
        self.process = process
        """Who ran it: one after the other. Who got no answer goes on under another name."""
        self.status: Status = status
        self.ops = ops
        self.invoked = invoked
        """Where in the history it began. Only the order of these positions counts."""
        self.completed = completed
        """Where in the history its end was known; None if it never was."""
        self.isolation = isolation
        """The level that it asked for (a name of `models.py`); None: that of the model checked."""

    def __repr__(self) -> str:
        ops = " ".join(f"[{op.f} {op.key!r} {op.value!r}]" for op in self.ops)
        level = f" {self.isolation}" if self.isolation else ""
        return (
            f"<T{self.id} {self.status} p{self.process}{level} "
            f"{self.invoked}..{'' if self.completed is None else self.completed}: {ops}>"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Transaction):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in Transaction.__slots__)

    def __hash__(self) -> int:
        return self.id
