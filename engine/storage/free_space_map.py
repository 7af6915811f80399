"""The free space map of a relation: which of its pages has how much room.

A tree of three levels of pages, in the fork `_fsm`: page 0 is the root, page 1 the first of the
middle level, page 2 the first of the bottom level, whose slots stand for heap pages. VACUUM writes
it; who looks for room uses it and corrects what it finds wrong. It is not WAL-logged and may be
wrong at any time, which costs a look at a page in vain, never more (FSM-1).

Differs from PostgreSQL in that only VACUUM makes the fork, not the first page that is full.

Source: PostgreSQL 15, `storage/freespace/freespace.c`.
"""

from __future__ import annotations

from typing import Final

from engine.shmem.lwlock import EXCLUSIVE
from engine.storage.buffer.buffers import Buffers, ReadMode
from engine.storage.free_space_page import SLOTS, find_slot, highest, set_slot, slot_value
from engine.storage.page import init_page, is_new
from engine.storage.smgr import Smgr
from engine.types import RelFileLocator, RelFork

CATEGORY_BYTES: Final = 32
_LARGEST_REQUEST: Final = 8160
_ROOT_LEVEL: Final = 2
_FSM: Final = RelFork.FSM
_RESTARTS: Final = 10000


def category_of_space(free: int) -> int:
    """The category of a page with that many free bytes: rounded down."""
    return 255 if free >= _LARGEST_REQUEST else min(free // CATEGORY_BYTES, 254)


def category_of_need(needed: int) -> int:
    """The category that has at least that many bytes: rounded up."""
    return min(max(1, (needed + CATEGORY_BYTES - 1) // CATEGORY_BYTES), 255)


def physical_block(level: int, number: int) -> int:
    """Where in the fork the `number`-th page of a level is: each page comes before the pages below
    it, depth first."""
    leaf = number * SLOTS**level
    pages = 0
    for _ in range(_ROOT_LEVEL + 1):
        pages += leaf + 1
        leaf //= SLOTS
    return pages - level - 1


class FreeSpaceMap:
    """The free space maps, as one process uses them."""

    def __init__(self, buffers: Buffers, smgr: Smgr) -> None:
        self._buffers = buffers
        self._smgr = smgr

    def search(self, locator: RelFileLocator, needed: int) -> int | None:
        """A heap block that has, as far as the map knows, that much room."""
        length = self._length(locator)
        return self._search(locator, category_of_need(needed), length) if length else None

    def record(self, locator: RelFileLocator, block: int, free: int) -> None:
        """Note how much room a heap block has, making the map if there is none."""
        number, slot = divmod(block, SLOTS)
        if not self._smgr.exists(locator, _FSM):
            self._smgr.create(locator, _FSM)
        self._store(locator, 0, number, slot, category_of_space(free))

    def record_and_search(
        self, locator: RelFileLocator, block: int, free: int, needed: int
    ) -> int | None:
        """Note what a heap block really has, and find another."""
        length = self._length(locator)
        if not length:
            return None
        number, slot = divmod(block, SLOTS)
        if physical_block(0, number) < length:
            self._store(locator, 0, number, slot, category_of_space(free))
        return self._search(locator, category_of_need(needed), length)

    def propagate(self, locator: RelFileLocator) -> None:
        """Tell the upper levels what the bottom level says: after VACUUM has recorded."""
        length = self._length(locator)
        for level in range(_ROOT_LEVEL):
            number = 0
            while (block := physical_block(level, number)) < length:
                buffer = self._read(locator, block)
                best = highest(self._buffers.page(buffer))
                self._buffers.release(buffer)
                self._store(locator, level + 1, *divmod(number, SLOTS), best)
                number += 1

    def _length(self, locator: RelFileLocator) -> int:
        """Pages of the map, 0 if there is none."""
        return self._smgr.nblocks(locator, _FSM) if self._smgr.exists(locator, _FSM) else 0

    def _search(self, locator: RelFileLocator, category: int, length: int) -> int | None:
        level, number = _ROOT_LEVEL, 0
        for _ in range(_RESTARTS):
            slot, best = self._search_page(locator, level, number, category, length)
            if slot is not None:
                number = number * SLOTS + slot
                if level == 0:
                    return number
                level -= 1
            elif level == _ROOT_LEVEL:
                return None
            else:
                # FSM-1: the level above promised more than there is. Correct it, begin again.
                self._store(locator, level + 1, *divmod(number, SLOTS), best)
                level, number = _ROOT_LEVEL, 0
        return None

    def _search_page(
        self, locator: RelFileLocator, level: int, number: int, category: int, length: int
    ) -> tuple[int | None, int]:
        """(slot with enough or None, best category of the page)."""
        block = physical_block(level, number)
        if block >= length:
            return None, 0
        buffer = self._read(locator, block)
        # The search moves the page's next slot, a hint of a hint: not worth marking it dirty.
        self._buffers.lock(buffer, EXCLUSIVE)
        page = self._buffers.page(buffer)
        slot = find_slot(page, category, advance=level == 0)
        best = highest(page)
        self._buffers.unlock_release(buffer)
        return slot, best

    def _store(
        self, locator: RelFileLocator, level: int, number: int, slot: int, category: int
    ) -> None:
        block = physical_block(level, number)
        self._extend_to(locator, block + 1)
        buffer = self._read(locator, block)
        page = self._buffers.page(buffer)
        if slot_value(page, slot) != category or highest(page) < category:
            self._buffers.lock(buffer, EXCLUSIVE)
            if set_slot(page, slot, category):
                self._buffers.mark_dirty_hint(buffer)
            self._buffers.unlock(buffer)
        self._buffers.release(buffer)

    def _extend_to(self, locator: RelFileLocator, length: int) -> None:
        # A new page stays zero and clean. Were it made dirty here, its first change would be logged
        # without the whole page (BUF-12), and nothing would repair it when its write is torn.
        while self._smgr.nblocks(locator, _FSM) < length:
            self._buffers.unlock_release(self._buffers.extend(locator, _FSM))

    def _read(self, locator: RelFileLocator, block: int) -> int:
        """A page of the map, pinned; a broken one comes as an empty one."""
        buffer = self._buffers.read(locator, _FSM, block, ReadMode.ZERO_ON_ERROR)
        page = self._buffers.page(buffer)
        if is_new(page):
            self._buffers.lock(buffer, EXCLUSIVE)
            if is_new(page):
                init_page(page)
            self._buffers.unlock(buffer)
        return buffer
