"""One page by itself, whatever else is on the disk.

What holds of each page that recovery has written holds of it alone: PAGE-1 to PAGE-3, and on a heap
page ITEM-1 to ITEM-5, TUPLE-1 and TUPLE-3 to TUPLE-7. So it can be asked of the files of a server
that was not shut down, and the answer for the same bytes is the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from properties.invariants.heap_pages import (
    check_items,
    check_redirects,
    line_pointers,
    tuple_headers,
)
from properties.invariants.pages import (
    HEADER,
    PAGE,
    PageFacts,
    as_pages,
    headers,
    page_facts,
)
from properties.invariants.tuples import check_headers


def examine_pages(data: bytes, blocks: Sequence[int], is_main: Sequence[bool]) -> list[PageFacts]:
    """The facts of pages that lie one after the other; `blocks` are their numbers in their fork,
    `is_main` says whether that is a main one.

    Pages of a main fork without a special space are those of heaps. Told is the first thing that is
    wrong with a page; the LSN of one that has no right header or checksum is 0.
    """
    pages = as_pages(data)
    head = headers(pages)
    wrong = page_facts(pages, np.array(blocks, dtype=np.int64), with_checksums=True, head=head)
    found = [
        PageFacts("", "", lsn) if facts is None else facts
        for facts, lsn in zip(wrong, head.lsn.tolist(), strict=True)
    ]
    has_items = np.array(is_main, dtype=np.bool_) & ~head.is_new & (head.special == PAGE)
    has_items &= head.lower > HEADER
    for at, facts in enumerate(wrong):
        has_items[at] &= facts is None
    rows = np.flatnonzero(has_items)
    if not len(rows):
        return found

    def complain(invariant: str, row: int, number: int | None, said: str) -> None:
        if not found[row].problem:
            item = f"item {number}: " if number is not None else ""
            found[row] = found[row]._replace(invariant=invariant, problem=f"{item}{said}")

    items = line_pointers(pages, head, rows)
    tuples = tuple_headers(pages, items)
    check_items(head, items, tuples, complain)
    check_redirects(items, tuples, complain)
    check_headers(items, tuples, complain)
    return found
