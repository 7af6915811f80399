"""The values of row versions: that they fill their tuple, to the last byte.

What a value means is nobody's business here; only where it ends, which is where the next one
begins. A value of variable length says its length itself:

    odd first byte          length = byte >> 1, the byte included, not aligned
    1                       a pointer into a TOAST table, 18 bytes in all
    even                    length = 32 bits >> 2, the four bytes included, aligned

TUPLE-8  The values of a tuple end where it ends.

Source: PostgreSQL 15, `access/common/heaptuple.c` (heap_fill_tuple), `postgres.h` (varlena),
`contrib/amcheck/verify_heapam.c` (check_tuple_attribute).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from properties.invariants.catalogs import Layout
from properties.invariants.heap_batch import Fork, Part
from properties.invariants.heap_pages import Complain, Items, Tuples
from properties.invariants.pages import PAGE, Bools, Ints, Pages
from properties.invariants.report import Findings
from properties.invariants.tuples import HAS_NULL, NATTS

BITMAP: Final = 23
VARIABLE: Final = -1
TOAST_POINTER: Final = 1
TOAST_POINTER_SIZE: Final = 18


def check_values(
    forks: Sequence[Fork],
    part: Part,
    items: Items,
    tuples: Tuples,
    complain: Complain,
    findings: Findings,
) -> None:
    """TUPLE-8, for the tuples of a part: those with the same columns together."""
    layouts: dict[Layout, int] = {}
    of_fork = np.array([layouts.setdefault(fork.layout, len(layouts)) for fork in forks])
    of_tuple = of_fork[part.fork[items.page[tuples.item]]]
    for layout, number in layouts.items():
        rows = np.flatnonzero(of_tuple == number)
        if not len(rows):
            continue
        if not layout or min(length for length, _ in layout) < VARIABLE:
            findings.skipped["row versions: values, of columns that are not known"] += len(rows)
            continue
        walk = _Walk(part.pages, items, tuples, rows)
        # A tuple with more attributes or another hoff than it can have breaks another invariant.
        walk.going &= walk.natts <= len(layout)
        walk.going &= (walk.start >= 0) & (walk.hoff <= walk.length)
        _follow(walk, layout)
        wrong = walk.is_wrong | (walk.going & (walk.hoff + walk.at != walk.length))
        for at in np.flatnonzero(wrong).tolist():
            item = tuples.item[rows[at]]
            said = (
                f"its values end at {walk.hoff[at] + walk.at[at]}, and its length is "
                f"{walk.length[at]}"
            )
            complain("TUPLE-8", int(items.page[item]), int(items.number[item]), said)


class _Walk:
    """Some tuples with the same columns, and how far into their values one has come."""

    def __init__(self, pages: Pages, items: Items, tuples: Tuples, rows: Ints) -> None:
        item = tuples.item[rows]
        self.bytes = pages.reshape(-1)
        self.start = items.page[item] * PAGE + items.offset[item]
        self.hoff, self.length = tuples.hoff[rows], tuples.length[rows]
        self.natts = tuples.infomask2[rows] & NATTS
        self.has_null = tuples.infomask[rows] & HAS_NULL != 0
        self.at: Ints = np.zeros(len(rows), dtype=np.int64)
        self.going: Bools = np.ones(len(rows), dtype=np.bool_)
        self.is_wrong: Bools = np.zeros(len(rows), dtype=np.bool_)

    def byte(self, offset: Ints) -> Ints:
        """The byte there, from where the values begin on; 0 behind the tuple's end."""
        inside = self.hoff + offset < self.length
        where = np.where(inside, self.start + self.hoff + offset, 0)
        found: Ints = np.where(inside, self.bytes[where], 0).astype(np.int64)
        return found

    def has(self, column: int) -> Bools:
        """Who has a value there."""
        there: Bools = self.going & (self.natts > column)
        if self.has_null.any():
            bits = self.bytes[self.start + BITMAP + column // 8] >> (column % 8) & 1
            there &= ~self.has_null | (bits == 1)
        return there


def _follow(walk: _Walk, layout: Layout) -> None:
    first = _fixed_part(walk, layout)
    for column in range(first, len(layout)):
        length, align = layout[column]
        there = walk.has(column)
        aligned = (walk.at + align - 1) & ~(align - 1)
        if length != VARIABLE:
            end = aligned + length
        else:
            end = _variable(walk, aligned)
        fits = (walk.hoff + end <= walk.length) & (end > walk.at)
        walk.is_wrong |= there & ~fits
        walk.at = np.where(there, end, walk.at)
        walk.going &= ~walk.is_wrong


def _fixed_part(walk: _Walk, layout: Layout) -> int:
    """Go over the columns of fixed length at the beginning in one step, if all tuples have them;
    how many those are.
    """
    count = end = 0
    for length, align in layout:
        if length == VARIABLE:
            break
        end = ((end + align - 1) & ~(align - 1)) + length
        count += 1
    if not count or not (walk.natts >= count).all():
        return 0
    nulls = np.flatnonzero(walk.has_null)
    if len(nulls):
        where = walk.start[nulls][:, np.newaxis] + BITMAP + np.arange((count + 7) // 8)
        bits = np.unpackbits(walk.bytes[where], axis=1, bitorder="little")[:, :count]
        if not bits.all():
            return 0
    walk.at = np.full(len(walk.at), end, dtype=np.int64)
    walk.is_wrong |= walk.going & (walk.hoff + end > walk.length)
    walk.going &= ~walk.is_wrong
    return count


def _variable(walk: _Walk, aligned: Ints) -> Ints:
    """Where values of variable length end; where they began for those that cannot be."""
    first = walk.byte(walk.at)
    # A header of one byte is not aligned, and no byte of padding is odd or anything but zero.
    begin = np.where(first != 0, walk.at, aligned)
    first = walk.byte(begin)
    long = np.zeros(len(begin), dtype=np.int64)
    wide = np.flatnonzero(first & 1 == 0)
    if len(wide):
        for shift in range(4):
            long[wide] |= walk.byte(begin + shift)[wide] << 8 * shift
        long[wide] >>= 2
        long[wide] = np.where(long[wide] >= 4, long[wide], 0)
    short = np.where(first == TOAST_POINTER, TOAST_POINTER_SIZE, first >> 1)
    size = np.where(first & 1 != 0, short, long)
    end: Ints = np.where(size > 0, begin + size, walk.at)
    return end
