"""Patches of the engine that leave out, or count, its flushes of the WAL by their call sites.

To be named in `patches` of the engine target: they run in the postmaster, before it serves, and
are inherited by all its children. A call site is the function that calls, as the I/O log has it:
`engine/transaction/outcome.py: OutcomeRecorder.commit`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any, Final

from chaos.scheduler.layout import STEP

FLUSH: Final = ("engine.wal.wal", "Wal", "flush")
"""Module, class and method that make the WAL durable up to an LSN."""
PACKAGE: Final = "engine"
TOLD_IN: Final = " > "
LEAVE_OUT: Final = "chaos.barriers.flushes:leave_out"
COUNT: Final = "chaos.barriers.flushes:count_into"

Flush = Callable[[Any, int], None]


def leave_out(argument: str) -> None:
    """From now on the calls of this site return at once. Behind ` > ` the argument may have a file:
    each call that was left out is then a line of it, the scheduler's step.
    """
    site, _, path = argument.partition(TOLD_IN)
    fd = _open(path) if path else -1

    def patched(flush: Flush) -> Flush:
        def maybe(self: Any, lsn: int) -> None:
            if site_of(sys._getframe(1).f_code) != site:
                flush(self, lsn)
            elif fd >= 0 and _has_something(self, lsn):
                os.write(fd, b"%d\n" % _step_of(self))

        return maybe

    _patch(patched)


def steps_in(path: Path) -> list[int]:
    """What `leave_out` has written."""
    lines = path.read_text(encoding="utf-8").split() if path.exists() else []
    return [int(line) for line in lines]


def count_into(path: str) -> None:
    """From now on each call that had something to flush is a line of this file: its site."""
    fd = _open(path)

    def patched(flush: Flush) -> Flush:
        def counted(self: Any, lsn: int) -> None:
            if _has_something(self, lsn):
                os.write(fd, f"{site_of(sys._getframe(1).f_code)}\n".encode())
            flush(self, lsn)

        return counted

    _patch(patched)


def counted_in(path: Path) -> dict[str, int]:
    """What `count_into` has written: how often each site had something to flush."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return dict(sorted(Counter(lines).items()))


def site_of(code: CodeType) -> str:
    """`engine/wal/flush.py: WalFlusher.flush`."""
    path = code.co_filename
    inside = path.rfind(f"/{PACKAGE}/")
    return f"{path[inside + 1 :]}: {code.co_qualname}"


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _has_something(wal: Any, lsn: int) -> bool:
    return bool(lsn > wal.flushed_lsn() and wal.insert_allowed())


def _step_of(wal: Any) -> int:
    """Of the world that the engine runs in."""
    return int(wal._flusher._host._baton.words[STEP])


def _patch(patched: Callable[[Flush], Flush]) -> None:
    module, name, method = FLUSH
    owner = getattr(importlib.import_module(module), name)
    setattr(owner, method, patched(getattr(owner, method)))
