"""What is going on, in one line on a terminal; and what is over, in lines that stay."""

from __future__ import annotations

import time
from typing import Final

from rich.console import Console
from rich.status import Status

EVERY_S: Final = 0.1


class Progress:
    """Use as a context manager; on anything but a terminal it says nothing but its notes."""

    def __init__(self, console: Console, *, is_silent: bool) -> None:
        shows = console.is_terminal and not is_silent
        self._console = console
        self._status: Status | None = console.status("") if shows else None
        self._next = 0.0

    def __enter__(self) -> Progress:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def tell(self, what: str, done: int, of: int, violating: int) -> None:
        """`recovering 120 of 7,000, 3 violating`."""
        if self._status is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY_S
        told = f"{what} {done:,} of {of:,}" if of else what
        self._status.update(told + (f", {violating:,} violating" if violating else ""))

    def note(self, line: str) -> None:
        """A line that stays, above the one that changes."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
