"""Combo command ids: the two command numbers of a row that one transaction both made and deleted.

A tuple has one field for a command id. While only one of "inserted by command" (cmin) and "deleted
by command" (cmax) matters, that field holds it; when both do, it holds a number that stands for the
pair, which means something only to the transaction itself, and only as long as it runs.

Source: PostgreSQL 15, `utils/time/combocid.c`.
"""

from __future__ import annotations


class ComboCommandIds:
    """The pairs of one transaction, by their number."""

    def __init__(self) -> None:
        self._pairs: list[tuple[int, int]] = []
        self._numbers: dict[tuple[int, int], int] = {}

    def number_of(self, cmin: int, cmax: int) -> int:
        """The number that stands for the pair."""
        pair = (cmin, cmax)
        number = self._numbers.get(pair)
        if number is None:
            number = self._numbers[pair] = len(self._pairs)
            self._pairs.append(pair)
        return number

    def cmin(self, number: int) -> int:
        return self._pairs[number][0]

    def cmax(self, number: int) -> int:
        return self._pairs[number][1]

    def clear(self) -> None:
        """The transaction has ended: nobody asks about its commands again."""
        if self._pairs:
            self._pairs.clear()
            self._numbers.clear()
