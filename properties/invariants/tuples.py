"""Headers of row versions by themselves: what no single one of them may say.

TUPLE-1  hoff is what the null bitmap needs, rounded up to 8, and within the tuple.
TUPLE-2  No tuple has more attributes than its relation.
TUPLE-3  xmax is not marked as committed and invalid, committed and a multixact, or committed and a
         mere lock; nothing was moved by a VACUUM of versions before 9.0.
TUPLE-4  Without an xmax the version is marked so, and as neither updated nor deleted.
TUPLE-5  What is heap-only came from an update.
TUPLE-6  ctid has the number of a line pointer.
TUPLE-7  What has external values has values of variable length.

Source: PostgreSQL 15, `access/htup_details.h`, `access/heap/heapam.c` (UpdateXmaxHintBits,
heap_prepare_freeze_tuple), `access/heap/README.tuplock`, `contrib/amcheck/verify_heapam.c`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from properties.invariants.heap_pages import HEAP_ONLY, MOST_ITEMS, Complain, Items, Tuples
from properties.invariants.pages import Bools, Ints

HAS_NULL: Final = 0x0001
HAS_VARWIDTH: Final = 0x0002
HAS_EXTERNAL: Final = 0x0004
XMAX_EXCL_LOCK: Final = 0x0040
XMAX_SHR_LOCK: Final = 0x0050
XMAX_LOCK_ONLY: Final = 0x0080
XMIN_COMMITTED: Final = 0x0100
XMIN_INVALID: Final = 0x0200
XMIN_FROZEN: Final = 0x0300
XMAX_COMMITTED: Final = 0x0400
XMAX_INVALID: Final = 0x0800
XMAX_IS_MULTI: Final = 0x1000
UPDATED: Final = 0x2000
MOVED: Final = 0xC000
NATTS: Final = 0x07FF
KEYS_UPDATED: Final = 0x2000
HOT_UPDATED: Final = 0x4000
SPECULATIVE: Final = 0xFFFE
MOVED_PARTITION: Final = 0xFFFD


def is_locked_only(infomask: Ints) -> Bools:
    """Whether xmax is a lock and no change (HEAP_XMAX_IS_LOCKED_ONLY)."""
    old_style: Bools = infomask & (XMAX_IS_MULTI | XMAX_SHR_LOCK) == XMAX_EXCL_LOCK
    locked: Bools = (infomask & XMAX_LOCK_ONLY != 0) | old_style
    return locked


def check_headers(items: Items, tuples: Tuples, complain: Complain) -> None:
    """Everything but TUPLE-2's number of attributes, which is the relation's."""
    mask, mask2, hoff = tuples.infomask, tuples.infomask2, tuples.hoff
    natts = mask2 & NATTS
    bitmap = np.where(mask & HAS_NULL != 0, (natts + 7) // 8, 0)
    expected = (23 + bitmap + 7) & ~7

    def tell(invariant: str, wrong: Bools, say: str) -> None:
        """`say` may name the fields."""
        if not wrong.any():
            return
        for at in np.flatnonzero(wrong).tolist():
            item = tuples.item[at]
            said = say.format(
                hoff=hoff[at],
                expected=expected[at],
                natts=natts[at],
                length=tuples.length[at],
                infomask=f"{mask[at]:#06x}",
                infomask2=f"{mask2[at]:#06x}",
                number=tuples.number[at],
                xmax=tuples.xmax[at],
            )
            complain(invariant, int(items.page[item]), int(items.number[item]), said)

    tell(
        "TUPLE-1",
        (hoff != expected) | (hoff > tuples.length),
        "its data begin at {hoff}; with {natts} attributes and infomask {infomask} that is "
        "{expected}, and its length is {length}",
    )
    committed = mask & XMAX_COMMITTED != 0
    contradicts = committed & ((mask & (XMAX_INVALID | XMAX_IS_MULTI) != 0) | is_locked_only(mask))
    tell("TUPLE-3", contradicts, "its infomask {infomask} contradicts itself on xmax {xmax}")
    tell("TUPLE-3", mask & MOVED != 0, "its infomask {infomask} says that it was moved")
    nobody = tuples.xmax == 0
    changed = (mask & XMAX_INVALID == 0) | (mask2 & (HOT_UPDATED | KEYS_UPDATED) != 0)
    tell(
        "TUPLE-4",
        nobody & changed,
        "it has no xmax, and infomask {infomask} and infomask2 {infomask2} speak of one",
    )
    heap_only = mask2 & HEAP_ONLY != 0
    tell(
        "TUPLE-5",
        heap_only & (mask & UPDATED == 0),
        "it is heap-only, and infomask {infomask} does not say that it came from an update",
    )
    number = tuples.number
    special = (number == SPECULATIVE) | (number == MOVED_PARTITION)
    tell(
        "TUPLE-6",
        ((number < 1) | (number > MOST_ITEMS)) & ~special,
        "its ctid has the number {number}",
    )
    external = mask & (HAS_EXTERNAL | HAS_VARWIDTH) == HAS_EXTERNAL
    tell("TUPLE-7", external, "its infomask {infomask} has external values of no variable length")
