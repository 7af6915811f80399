"""What pages must hold after a crash: all that is in the log up to where it ends, and nothing else.

The log is a list of changes, each with the position behind its record. Recovery finds an end; then
a page holds what the last change up to there has put into it. The end may be anywhere, but not
before what had been flushed when the process died.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Page = TypeVar("Page", bound=Hashable)


class Broken(AssertionError):
    """A promise of write-ahead logging was not kept."""


@dataclass(slots=True)
class LoggedPages(Generic[Page]):
    """Numbers in pages, and the log of how they came there."""

    pages: dict[Page, int] = field(default_factory=dict)
    _log: list[tuple[int, Page, int]] = field(default_factory=list)
    _beginning: dict[Page, int] = field(default_factory=dict)

    def change(self, page: Page, number: int, end: int) -> None:
        """The page has this number now; the record of that ends at `end`."""
        if self._log and end <= self._log[-1][0]:
            raise Broken(f"a record ends at {end:X}, not behind the one before")
        self._log.append((end, page, number))
        self.pages[page] = number

    def recover(self, end: int, flushed: int) -> dict[Page, int]:
        """The log was found to end at `end`, and `flushed` of it was durable: what the pages hold.

        What comes later begins there.
        """
        if end < flushed:
            raise Broken(f"the log was flushed up to {flushed:X} and ends at {end:X} now")
        self._log = [change for change in self._log if change[0] <= end]
        self.pages = dict(self._beginning)
        for _, page, number in self._log:
            self.pages[page] = number
        return self.pages
