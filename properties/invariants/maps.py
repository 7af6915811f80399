"""Visibility maps and free space maps.

MAP-1  A heap page that the map calls all-visible says so itself; one that is all-frozen is
       all-visible.
MAP-2  On an all-visible page every version came to be, none was ended, and no line pointer is dead.
MAP-3  On an all-frozen page every version is frozen, and no xmax is left.
MAP-4  The map has no bit for a page that the heap does not have.
SPACE-1  In a page of a free space map each inner node is the greater of its children.

A free space map may promise room that is not there: who believes it looks, and mends it. So only
its structure is checked. It is not logged, so after a crash even that may be wrong until somebody
rebuilds the page; what is found then is told as a note.

Source: PostgreSQL 15, `access/heap/visibilitymap.c`, `access/heap/vacuumlazy.c`
(heap_page_is_all_visible), `contrib/pg_visibility`, `storage/freespace/fsmpage.c`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from properties.invariants.heap_batch import Batch, Part
from properties.invariants.heap_pages import DEAD
from properties.invariants.pages import ALL_VISIBLE, HEADER, PAGE, Bools, Ints, Pages
from properties.invariants.report import Findings
from properties.invariants.tuples import XMAX_INVALID
from properties.invariants.xids import Fates

HEAP_PAGES_PER_MAP_PAGE: Final = (PAGE - HEADER) * 4
SPACE_NODES: Final = 28
"""Where the nodes of a free space page begin."""
NODES: Final = PAGE - SPACE_NODES
INNER: Final = 4095


def bits_of(pages: Pages) -> Ints:
    """The two bits of each heap block that pages of a visibility map have: 1 visible, 2 frozen."""
    body = pages[:, HEADER:].reshape(-1).astype(np.int64)
    return np.stack([body >> shift & 3 for shift in (0, 2, 4, 6)], axis=1).reshape(-1)


def check_visibility(batch: Batch, fate: Fates, bits: dict[int, Ints]) -> None:
    """MAP-1 to MAP-4. `bits`: of each fork of the batch that has a map, its bits by block."""
    of_page = np.zeros(len(batch.block), dtype=np.int64)
    for fork, stored in bits.items():
        rows = np.flatnonzero(batch.fork == fork)
        blocks = batch.block[rows]
        inside = blocks < len(stored)
        of_page[rows[inside]] = stored[blocks[inside]]
        beyond = np.flatnonzero(stored[len(rows) :])
        if len(beyond):
            block = int(beyond[0]) + len(rows)
            path = f"{batch.forks[fork].files[0].path}_vm"
            said = f"it has bits for block {block}, and the heap has {len(rows)} blocks"
            batch.findings.add("MAP-4", path, said)
    visible = batch.flags & ALL_VISIBLE != 0
    frozen = of_page & 2 != 0
    batch.findings.looked_at["all-visible pages"] += int(np.count_nonzero(visible))
    for page in np.flatnonzero((of_page & 1 != 0) & ~visible).tolist():
        batch.complain("MAP-1", page, None, "the map calls it all-visible, the page does not")
    for page in np.flatnonzero(of_page == 2).tolist():
        batch.complain("MAP-1", page, None, "the map calls it all-frozen and not all-visible")
    if visible.any():
        _check_visible(batch, fate, visible)
    if frozen.any():
        _check_frozen(batch, fate, frozen)


def _check_visible(batch: Batch, fate: Fates, visible: Bools) -> None:
    """MAP-2."""
    items, tuples = batch.items, batch.tuples
    on_it = visible[batch.page_of]
    batch.complain_of(
        "MAP-2",
        np.flatnonzero(on_it & ~fate.is_made),
        lambda at: f"its page is all-visible, and its xmin {tuples.xmin[at]} did not commit",
    )
    batch.complain_of(
        "MAP-2",
        np.flatnonzero(on_it & fate.is_ended),
        lambda at: f"its page is all-visible, and xid {tuples.xmax[at]} ended it",
    )
    for at in np.flatnonzero((items.state == DEAD) & visible[items.page]).tolist():
        page, number = int(items.page[at]), int(items.number[at])
        batch.complain("MAP-2", page, number, "its page is all-visible, and it is dead")


def _check_frozen(batch: Batch, fate: Fates, frozen: Bools) -> None:
    """MAP-3."""
    tuples = batch.tuples
    left = ~fate.is_frozen & (tuples.xmin >= 3)
    left |= (tuples.xmax != 0) & (tuples.infomask & XMAX_INVALID == 0)
    batch.complain_of(
        "MAP-3",
        np.flatnonzero(frozen[batch.page_of] & left),
        lambda at: (
            f"its page is all-frozen, and it has xmin {tuples.xmin[at]}, xmax {tuples.xmax[at]}, "
            f"infomask {tuples.infomask[at]:#06x}"
        ),
    )


def check_free_space(part: Part, rows: Ints, path_of: list[str], findings: Findings) -> None:
    """SPACE-1, for these rows of a part, which are pages of free space maps in these files."""
    nodes = part.pages[rows][:, SPACE_NODES:]
    if not nodes.any():
        return
    # The tree has fewer leaves than there is room for in its last row: the others count as 0.
    tree = np.zeros((len(nodes), 2 * INNER + 1), dtype=np.uint8)
    tree[:, :NODES] = nodes
    parents, left, right = tree[:, :INNER], tree[:, 1 : 2 * INNER : 2], tree[:, 2::2]
    wrong = parents != np.maximum(left, right)
    for at in np.flatnonzero(wrong.any(axis=1)).tolist():
        node = int(np.flatnonzero(wrong[at])[0])
        said = f"node {node} of its tree is {nodes[at, node]}, and not the greater of its children"
        findings.add("SPACE-1", path_of[at], said, int(part.block[rows[at]]))
