"""Heap pages taken apart, many at a time: line pointers and the headers of row versions.

    line pointer   bits 0-14 offset, 15-16 state, 17-31 length
    tuple          xmin  xmax  cid  ctid (block, number)  infomask2  infomask  hoff | bitmap, data
                   0     4     8    12                    18         20        22   23

Only what lies within its page is taken apart; what does not is a problem of its own (ITEM-1).

ITEM-1  What a line pointer points to lies between upper and special, at a multiple of 8, and has
        room for a tuple's header.
ITEM-2  Two line pointers share no byte.
ITEM-3  A redirect points to a heap-only tuple of its page, and no other redirect does.
ITEM-4  A line pointer that is unused, dead or a redirect has no storage.
ITEM-5  A heap page has at most 291 line pointers and a lower that ends with one of them.

Source: PostgreSQL 15, `storage/itemid.h`, `storage/bufpage.h`, `access/heap/pruneheap.c`, and
`contrib/amcheck/verify_heapam.c`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from properties.invariants.pages import HEADER, PAGE, Bools, Headers, Ints, Pages

UNUSED: Final = 0
NORMAL: Final = 1
REDIRECT: Final = 2
DEAD: Final = 3
STATES: Final = ("unused", "normal", "redirect", "dead")
MOST_ITEMS: Final = 291
TUPLE_HEADER: Final = 24
"""Bytes, aligned: no tuple is shorter."""
HEAP_ONLY: Final = 0x8000

Complain = Callable[[str, int, int | None, str], None]
"""Invariant, row of the batch, line pointer's number, message."""


class Items(NamedTuple):
    """The line pointers of a batch, page by page. `page` is the row in the batch."""

    page: Ints
    number: Ints
    state: Ints
    offset: Ints
    length: Ints
    is_tuple: Bools
    """A tuple that lies within the page."""


class Tuples(NamedTuple):
    """The headers of the tuples of a batch; `item` is the row among the line pointers."""

    item: Ints
    xmin: Ints
    xmax: Ints
    block: Ints
    """ctid: the block."""
    number: Ints
    """ctid: the line pointer's number."""
    infomask2: Ints
    infomask: Ints
    hoff: Ints
    length: Ints


def line_pointers(pages: Pages, head: Headers, rows: Ints) -> Items:
    """The line pointers of these rows of the batch."""
    counts = (head.lower[rows] - HEADER) // 4
    page = np.repeat(rows, counts)
    ends = np.cumsum(counts)
    number = np.arange(len(page), dtype=np.int64) - np.repeat(ends - counts, counts) + 1
    words = pages.reshape(-1).view("<u4")
    raw = words[page * (PAGE // 4) + (HEADER // 4 - 1) + number].astype(np.int64)
    offset, state, length = raw & 0x7FFF, raw >> 15 & 3, raw >> 17
    is_tuple = (
        (state == NORMAL)
        & (offset >= head.upper[page])
        & (offset + length <= head.special[page])
        & (offset & 7 == 0)
        & (length >= TUPLE_HEADER)
    )
    return Items(page, number, state, offset, length, is_tuple)


def tuple_headers(pages: Pages, items: Items) -> Tuples:
    """The headers of the tuples among these line pointers."""
    item = np.nonzero(items.is_tuple)[0]
    at = items.page[item] * PAGE + items.offset[item]
    flat = pages.reshape(-1)
    words, halves = flat.view("<u4"), flat.view("<u2")

    def word(offset: int) -> Ints:
        found: Ints = words[(at + offset) >> 2].astype(np.int64)
        return found

    def half(offset: int) -> Ints:
        found: Ints = halves[(at + offset) >> 1].astype(np.int64)
        return found

    return Tuples(
        item,
        word(0),
        word(4),
        half(12) << 16 | half(14),
        half(16),
        half(18),
        half(20),
        flat[at + 22].astype(np.int64),
        items.length[item],
    )


def check_items(head: Headers, items: Items, tuples: Tuples, complain: Complain) -> None:
    """ITEM-1, ITEM-2, ITEM-4, ITEM-5 (ITEM-3: `check_redirects`)."""
    state, length = items.state, items.length
    for at in _where((state == NORMAL) & ~items.is_tuple):
        row = int(items.page[at])
        said = (
            f"it points to {items.offset[at]}, length {length[at]}; "
            f"tuples lie from {head.upper[row]} to {head.special[row]}"
        )
        complain("ITEM-1", row, int(items.number[at]), said)
    for at in _where((state != NORMAL) & (length != 0)):
        said = f"it is {STATES[state[at]]} and has a length of {length[at]}"
        complain("ITEM-4", int(items.page[at]), int(items.number[at]), said)
    many = np.flatnonzero(np.diff(items.page, append=-1))
    last = items.number[many]
    odd = (last > MOST_ITEMS) | ((head.lower[items.page[many]] - HEADER) & 3 != 0)
    for at in many[odd].tolist():
        row = int(items.page[at])
        said = f"its lower is {head.lower[row]}: that is {items.number[at]} line pointers"
        complain("ITEM-5", row, None, said)
    _check_overlaps(items, tuples, complain)


def _check_overlaps(items: Items, tuples: Tuples, complain: Complain) -> None:
    """ITEM-2."""
    begin = items.page[tuples.item] * PAGE + items.offset[tuples.item]
    order = np.argsort(begin, kind="stable")
    begin, end = begin[order], (begin + tuples.length)[order]
    for at in _where(begin[1:] < end[:-1]):
        one, other = int(tuples.item[order[at]]), int(tuples.item[order[at + 1]])
        said = f"its tuple and that of item {items.number[other]} share bytes"
        complain("ITEM-2", int(items.page[one]), int(items.number[one]), said)


def check_redirects(items: Items, tuples: Tuples, complain: Complain) -> None:
    """ITEM-3."""
    redirects = np.nonzero(items.state == REDIRECT)[0]
    if not len(redirects):
        return
    tuple_of = np.full(len(items.page), -1, dtype=np.int64)
    tuple_of[tuples.item] = np.arange(len(tuples.item))
    # The item that a redirect points to: as many rows away as their numbers differ.
    target = redirects + items.offset[redirects] - items.number[redirects]
    inside = (target >= 0) & (target < len(items.page))
    inside &= items.page[np.where(inside, target, 0)] == items.page[redirects]
    seen: set[int] = set()
    for at, to, is_inside in zip(redirects.tolist(), target.tolist(), inside.tolist(), strict=True):
        said = ""
        if not is_inside:
            said = f"it is a redirect to {items.offset[at]}, which is not there"
        elif tuple_of[to] < 0:
            said = (
                f"it is a redirect to item {items.offset[at]}, which is {STATES[items.state[to]]}"
            )
        elif not tuples.infomask2[tuple_of[to]] & HEAP_ONLY:
            said = f"it is a redirect to item {items.offset[at]}, which is not heap-only"
        elif to in seen:
            said = f"it is a redirect to item {items.offset[at]}, as another is"
        seen.add(to)
        if said:
            complain("ITEM-3", int(items.page[at]), int(items.number[at]), said)


def _where(mask: npt.NDArray[np.bool_]) -> list[int]:
    """The rows of a mask; mostly none, which is cheap."""
    found: list[int] = np.flatnonzero(mask).tolist() if mask.any() else []
    return found
