"""Update chains: the versions of a row, each pointing to the next by ctid.

    root -> 1 --ctid--> 2 --ctid--> 3      xmax of a version = xmin of the next
                 HOT: all on one page, and 2 and 3 are heap-only: no index points to them

A version *leads to* another if its ctid names that one and its xmax is the other's xmin. A ctid
alone says nothing: after an update that was rolled back it goes on naming a place that may hold any
row by now.

CHAIN-1  A version that a committed transaction HOT-updated leads to a heap-only one on its page.
CHAIN-2  Who leads to a heap-only version was HOT-updated and is on its page; who leads to another
         was not HOT-updated.
CHAIN-3  A heap-only version that came to be has a version that leads to it, or a redirect.
CHAIN-4  Only one version, or one redirect, leads to a version that came to be.
CHAIN-5  No version leads back to itself.

That no two versions of a row are alive follows from these and STATUS-5 to STATUS-8: what leads to a
version was ended by the transaction that made it.

Source: PostgreSQL 15, `access/heap/README.HOT`, `access/heap/pruneheap.c` (heap_prune_chain); the
same is checked by verify_heapam.c of PostgreSQL 16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from properties.invariants.heap_batch import Batch
from properties.invariants.heap_pages import HEAP_ONLY, REDIRECT
from properties.invariants.pages import Bools, Ints
from properties.invariants.tuples import HOT_UPDATED, XMAX_IS_MULTI
from properties.invariants.xids import Fates

NOTHING: Final = -1


@dataclass(slots=True)
class Links:
    """Of each tuple of a batch, the row of the tuple that its ctid names (NOTHING: itself, or no
    tuple), and whether it leads to that one.
    """

    named: Ints
    leads: Bools


def links(batch: Batch, fate: Fates) -> Links:
    """Follow every ctid of a batch by one step."""
    tuples, items = batch.tuples, batch.items
    count = len(tuples.item)
    pages = len(batch.block)
    fork = batch.fork_of
    own_page = batch.page_of
    page = batch.first_page[fork] + tuples.block
    there = page < pages
    page = np.where(there, page, 0)
    there &= (batch.fork[page] == fork) & (batch.block[page] == tuples.block)
    item = batch.first_item[page] + tuples.number - 1
    there &= (tuples.number >= 1) & (item < batch.first_item[page + 1])
    item = np.where(there, item, 0)
    # The line pointers of a page are there in order and without a gap.
    named = np.where(there, batch.tuple_of[item] if len(batch.tuple_of) else NOTHING, NOTHING)
    itself = (page == own_page) & (tuples.number == items.number[tuples.item])
    named = np.where(itself, NOTHING, named)
    other = np.where(named >= 0, named, 0)
    leads = (named >= 0) & fate.changed & (tuples.xmax == tuples.xmin[other]) if count else named
    return Links(named, leads.astype(np.bool_))


def check_chains(batch: Batch, fate: Fates) -> Links:
    """CHAIN-1 to CHAIN-5."""
    found = links(batch, fate)
    tuples = batch.tuples
    leads, named = found.leads, found.named
    hot = tuples.infomask2 & HOT_UPDATED != 0
    heap_only = tuples.infomask2 & HEAP_ONLY != 0
    page = batch.page_of
    other = np.where(named >= 0, named, 0)
    same_page = page == page[other]

    lost = hot & fate.is_ended & ~(leads & same_page & heap_only[other])
    if lost.any():
        batch.complain_of(
            "CHAIN-1",
            np.flatnonzero(lost),
            lambda at: (
                f"xid {tuples.xmax[at]} HOT-updated it, and its ctid ({tuples.block[at]},"
                f"{tuples.number[at]}) is no heap-only version of that xid on this page"
            ),
        )
    odd = leads & np.where(heap_only[other], ~hot | ~same_page, hot) & ~lost
    if odd.any():
        batch.complain_of(
            "CHAIN-2",
            np.flatnonzero(odd),
            lambda at: (
                f"it is {'' if hot[at] else 'not '}HOT-updated, and the next version, at "
                f"({tuples.block[at]},{tuples.number[at]}), is "
                f"{'' if heap_only[other[at]] else 'not '}heap-only"
            ),
        )
    _check_predecessors(batch, fate, found, heap_only)
    _check_cycles(batch, found)
    return found


def _check_predecessors(batch: Batch, fate: Fates, found: Links, heap_only: Bools) -> None:
    """CHAIN-3 and CHAIN-4."""
    tuples, items = batch.tuples, batch.items
    count = len(tuples.item)
    reached = np.bincount(found.named[found.leads], minlength=count)
    redirects = np.flatnonzero(items.state == REDIRECT)
    target = redirects + items.offset[redirects] - items.number[redirects]
    inside = (target >= 0) & (target < len(items.page))
    target = np.where(inside, target, 0)
    inside &= items.page[target] == items.page[redirects] if len(redirects) else inside
    to = batch.tuple_of[target[inside]]
    redirected = np.bincount(to[to >= 0], minlength=count)
    # Whether a multixact changed the row is not looked up: then what its ctid names may be its.
    perhaps = (tuples.infomask & XMAX_IS_MULTI != 0) & (found.named >= 0)
    perhaps_reached = np.bincount(found.named[perhaps], minlength=count)
    orphan = heap_only & fate.is_made & (reached + redirected + perhaps_reached == 0)
    if orphan.any():
        batch.complain_of(
            "CHAIN-3",
            np.flatnonzero(orphan),
            lambda at: f"it is heap-only, made by xid {tuples.xmin[at]}, and nothing leads to it",
        )
    twice = fate.is_made & (reached + redirected > 1)
    if twice.any():
        batch.complain_of(
            "CHAIN-4",
            np.flatnonzero(twice),
            lambda at: f"{reached[at]} versions and {redirected[at]} redirects lead to it",
        )


def _check_cycles(batch: Batch, found: Links) -> None:
    """CHAIN-5: walk in steps of 1, 2, 4, ... until nobody is left on a chain."""
    step = np.where(found.leads, found.named, NOTHING)
    walking = np.flatnonzero(step >= 0)
    at = step
    for _ in range(len(step).bit_length() + 1):
        if not len(walking):
            return
        at = np.where(at >= 0, at[np.where(at >= 0, at, 0)], NOTHING)
        walking = np.flatnonzero(at >= 0)
    tuples = batch.tuples
    batch.complain_of(
        "CHAIN-5",
        walking,
        lambda row: f"the versions from ({tuples.block[row]},{tuples.number[row]}) on have no end",
    )
