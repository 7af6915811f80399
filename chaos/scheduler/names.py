"""Strings that steps refer to by number, so that a step has a fixed size: the paths of files.

The table lies in the shared memory; each process reads what others added when it meets a string
that it does not know. Numbers are given in order of first use, which is the same in every run.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from chaos.scheduler.layout import NAMES_BYTES, NAMES_COUNT, NAMES_USED, Layout

_LENGTH: Final = Struct("<H")
LONGEST: Final = (1 << 16) - 1
OVERFLOW: Final = 0
"""The number of every string for which there was no room any more."""


class Names:
    """The table, with this process's copy of it."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._numbers: dict[str, int] = {}
        self._read = 0

    def number(self, text: str) -> int:
        """The string's number; a new one for a new string."""
        known = self._numbers.get(text)
        if known is not None:
            return known
        self._catch_up()
        known = self._numbers.get(text)
        return known if known is not None else self._add(text)

    def all(self) -> list[str]:
        """The strings, number 1 first."""
        self._catch_up()
        return list(self._numbers)

    def _catch_up(self) -> None:
        layout = self._layout
        while self._read < layout.words[NAMES_USED]:
            (length,) = _LENGTH.unpack_from(layout.names, self._read)
            start = self._read + _LENGTH.size
            self._numbers[bytes(layout.names[start : start + length]).decode()] = (
                len(self._numbers) + 1
            )
            self._read = start + length

    def _add(self, text: str) -> int:
        layout = self._layout
        encoded = text.encode()
        used = layout.words[NAMES_USED]
        end = used + _LENGTH.size + len(encoded)
        if end > NAMES_BYTES or len(encoded) > LONGEST:
            return OVERFLOW
        _LENGTH.pack_into(layout.names, used, len(encoded))
        layout.names[used + _LENGTH.size : end] = encoded
        layout.words[NAMES_USED] = end
        layout.words[NAMES_COUNT] += 1
        self._catch_up()
        return self._numbers[text]
