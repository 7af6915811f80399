"""One page of a free space map: a tree of bytes, each node the greater of its two children.

    | page header 24 | next slot i32 | 4095 inner nodes | 4069 leaves |

Node n has the children 2n + 1 and 2n + 2. A leaf, a *slot*, says in 32nds of a page (its
*category*) how much room there is in one heap page, or at most on a whole page of the map one level
below. The tree may be wrong, after a crash for one; whoever runs into that rebuilds the inner
nodes.

Source: PostgreSQL 15, `storage/freespace/fsmpage.c`, `storage/fsm_internals.h`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

Page = bytearray | memoryview

NODES_OFFSET: Final = 28
NODES: Final = 8164
INNER_NODES: Final = 4095
SLOTS: Final = NODES - INNER_NODES

_NEXT_SLOT: Final = Struct("<i")
_NEXT_SLOT_OFFSET: Final = 24


def highest(page: Page) -> int:
    """The best category of the whole page."""
    return page[NODES_OFFSET]


def slot_value(page: Page, slot: int) -> int:
    return page[NODES_OFFSET + INNER_NODES + slot]


def set_slot(page: Page, slot: int, value: int) -> bool:
    """Store a slot's category and what follows from it above; whether the page changed."""
    node = INNER_NODES + slot
    if page[NODES_OFFSET + node] == value and value <= page[NODES_OFFSET]:
        return False
    page[NODES_OFFSET + node] = value
    while node > 0:
        node = (node - 1) // 2
        best = _best_child(page, node)
        if page[NODES_OFFSET + node] == best:
            break
        page[NODES_OFFSET + node] = best
    if value > page[NODES_OFFSET]:
        rebuild(page)
    return True


def find_slot(page: Page, least: int, *, advance: bool) -> int | None:
    """A slot with at least that category. The search goes on where the last one ended, so that
    several processes get different pages; `advance` makes the next search begin behind the slot."""
    for _ in range(2):
        if page[NODES_OFFSET] < least:
            return None
        slot = _descend(page, _climb(page, least), least)
        if slot is not None:
            _NEXT_SLOT.pack_into(page, _NEXT_SLOT_OFFSET, slot + advance)
            return slot
        rebuild(page)
    return None


def rebuild(page: Page) -> None:
    """Compute all inner nodes anew."""
    for node in range(INNER_NODES - 1, -1, -1):
        page[NODES_OFFSET + node] = _best_child(page, node)


def _best_child(page: Page, node: int) -> int:
    child = 2 * node + 1
    left = page[NODES_OFFSET + child] if child < NODES else 0
    right = page[NODES_OFFSET + child + 1] if child + 1 < NODES else 0
    return max(left, right)


def _climb(page: Page, least: int) -> int:
    """From the slot to begin with, the first node to its right whose tree has enough."""
    start = _NEXT_SLOT.unpack_from(page, _NEXT_SLOT_OFFSET)[0]
    node: int = INNER_NODES + (start if 0 <= start < SLOTS else 0)
    while node > 0 and page[NODES_OFFSET + node] < least:
        node += 1
        # Right of the rightmost node of a level comes its leftmost.
        if (node + 1) & node == 0:
            node = (node - 1) // 2
        node = (node - 1) // 2
    return node


def _descend(page: Page, node: int, least: int) -> int | None:
    """The leftmost slot below the node that has enough; None if the tree is wrong."""
    while node < INNER_NODES:
        child = 2 * node + 1
        if child < NODES and page[NODES_OFFSET + child] >= least:
            node = child
        elif child + 1 < NODES and page[NODES_OFFSET + child + 1] >= least:
            node = child + 1
        else:
            return None
    return node - INNER_NODES
