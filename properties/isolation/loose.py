"""Loose keys, those whose versions are not in one known order: who wrote and read them."""

from __future__ import annotations

from array import array

import numpy as np
import numpy.typing as npt

from properties.isolation.columns import Ints, Observed
from properties.isolation.graph import Narrow, ranges


class Writes:
    """Who wrote what of loose keys, to be looked up by (transaction, key) and by key and time."""

    def __init__(self, observed: Observed) -> None:
        is_loose = loose(observed)
        chosen = observed.installed & (observed.version_writer >= 0)
        self.version: Ints = np.flatnonzero(chosen & is_loose[observed.version_key])
        self.row = observed.version_writer[self.version]
        self.key = observed.version_key[self.version]
        self.keys = len(is_loose)
        by_row = np.lexsort((self.key, self.row))
        self.by_row = by_row
        self.codes = (self.row * self.keys + self.key)[by_row]

    def of_row(self, rows: Ints) -> tuple[Ints, Ints]:
        """For each row all its writes: indices into `rows`, and into the writes."""
        row = self.row[self.by_row]
        first = np.searchsorted(row, rows)
        count = np.searchsorted(row, rows, side="right") - first
        return np.repeat(np.arange(len(rows)), count), self.by_row[ranges(first, count)]

    def version_of(self, rows: Ints, keys: Ints) -> Ints:
        """The version that each row wrote of each key, -1 for none."""
        code = rows * self.keys + keys
        place = np.minimum(np.searchsorted(self.codes, code), max(len(self.codes) - 1, 0))
        if not len(self.codes):
            return np.full(len(rows), -1, np.int64)
        found: Ints = np.where(self.codes[place] == code, self.version[self.by_row[place]], -1)
        return found


def loose(observed: Observed) -> npt.NDArray[np.bool_]:
    """By key: whether its versions are not in one known order."""
    is_loose = np.zeros(int(observed.version_key.max(initial=-1)) + 1, bool)
    is_loose[observed.loose_keys] = True
    return is_loose


class Table:
    """For each of many rows a few numbers, in two arrays: lists would be ten times that."""

    def __init__(self, rows: int, row: Narrow, number: Narrow) -> None:
        order = np.argsort(row, kind="stable")
        self.numbers = narrow(number[order])
        self.bounds = narrow(np.searchsorted(row[order], np.arange(rows + 1)))

    def __getitem__(self, row: int) -> array[int]:
        return self.numbers[self.bounds[row] : self.bounds[row + 1]]

    def span(self, row: int) -> range:
        """Where the numbers of a row are in `numbers`."""
        return range(self.bounds[row], self.bounds[row + 1])


def narrow(numbers: Narrow) -> array[int]:
    """Numbers that Python code goes through one by one, which is faster in such an array."""
    return array("i", numbers.astype(np.int32).tobytes())
