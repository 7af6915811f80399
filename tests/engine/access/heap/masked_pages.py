"""Pages without what replay need not restore exactly: hints, command ids, holes, the checksum."""

from __future__ import annotations

from engine.access.heap.tuple import (
    COMBO_CID,
    HINT_BITS,
    set_tuple_cid,
    set_tuple_infomask,
    tuple_infomask,
)
from engine.access.relation import Relation
from engine.storage.page import (
    LP_NORMAL,
    is_new,
    line_pointers,
    lower,
    set_checksum,
    set_flags,
    set_prune_xid,
    upper,
)
from engine.types import RelFork
from tests.engine.access.heap.heap_cluster import Session


def pages_of(session: Session, relation: Relation) -> list[bytes]:
    """All pages of a table, as they are in shared buffers."""
    buffers, smgr = session.instance.buffers, session.instance.smgr
    pages = []
    for block in range(smgr.nblocks(relation.locator, RelFork.MAIN)):
        buffer = buffers.read(relation.locator, RelFork.MAIN, block)
        pages.append(bytes(buffers.page(buffer)))
        buffers.release(buffer)
    return pages


def masked(raw: bytes) -> bytes:
    """A page with everything the same that replay may leave different (formats: the mask)."""
    page = bytearray(raw)
    if is_new(page):
        return bytes(page)
    set_checksum(page, 0)
    set_flags(page, 0)
    set_prune_xid(page, 0)
    page[lower(page) : upper(page)] = bytes(upper(page) - lower(page))
    for pointer in line_pointers(page):
        if pointer >> 15 & 3 == LP_NORMAL:
            at, length = pointer & 0x7FFF, pointer >> 17
            padding = -length % 8
            page[at + length : at + length + padding] = bytes(padding)
            set_tuple_cid(page, at, 0)
            set_tuple_infomask(page, at, tuple_infomask(page, at) & ~(HINT_BITS | COMBO_CID))
    return bytes(page)


def masked_pages(session: Session, relation: Relation) -> list[bytes]:
    return [masked(page) for page in pages_of(session, relation)]
