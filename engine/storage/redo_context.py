"""What a redo function works with: the record's pages, brought in and judged by their LSN.

A resource manager's redo is a function `redo(record, context) -> None`. For each block that the
record refers to it asks for the page and is told what to do with it:

    action, buffer = context.read_for_redo(record, 0)
    if action == NEEDS_REDO:
        page = context.page(buffer)
        ...                                  # change the page
        context.changed(buffer, record)      # page LSN, dirty, unlocked, unpinned
    elif action != NOT_FOUND:
        context.unchanged(buffer)            # DONE or RESTORED: unlocked, unpinned

    buffer = context.init_for_redo(record, 0)     # for a block with WILL_INIT: a locked zero page

Buffers come locked EXCLUSIVE, and several may be held at a time, taken in the order in which the
original action locked them.

REDO-1  A record is applied to a page only when the page's LSN is below the record's end; a
        full-page image is restored without looking.
REDO-2  A block that is missing, or was never initialised, is noted in the invalid-page table; a
        later record that drops or truncates the relation takes it out. One that is left when
        recovery ends is a PANIC: WAL and files do not belong together.

Only the startup process changes the length of files during recovery, so the lengths are remembered
here instead of asked for at each record.

Source: PostgreSQL 15, `access/transam/xlogutils.c`.
"""

from __future__ import annotations

from typing import Final

from engine.errors import PanicError, SqlState, check
from engine.shmem.log import Log
from engine.storage.buffer.buffers import Buffers, ReadMode
from engine.storage.page import is_new, page_lsn, set_page_lsn
from engine.storage.paths import relation_path
from engine.storage.smgr import Smgr
from engine.types import RelFileLocator
from engine.wal.record import WalRecord

NEEDS_REDO: Final = 0
"""The page is older than the record: apply the change."""
DONE: Final = 1
"""The page has the change already."""
RESTORED: Final = 2
"""The page came from the record's full-page image."""
NOT_FOUND: Final = 3
"""The block is not there (any more): nothing to do, and no buffer (-1)."""

NO_BUFFER: Final = -1

RelForkKey = tuple[RelFileLocator, int]


class RedoContext:
    """The pages of one recovery (`XLogReadBufferForRedo` and what is around it)."""

    def __init__(
        self,
        buffers: Buffers,
        smgr: Smgr,
        log: Log,
    ) -> None:
        self.buffers = buffers
        self.smgr = smgr
        self.page = buffers.page
        self._read = buffers.read
        self._lock = buffers.lock
        self._mark_dirty = buffers.mark_dirty
        self._unlock_release = buffers.unlock_release
        self._log = log
        self._lengths: dict[RelForkKey, int] = {}
        self._invalid_pages: dict[tuple[RelFileLocator, int, int], bool] = {}

    def read_for_redo(self, record: WalRecord, block_id: int) -> tuple[int, int]:
        """What to do with a block of the record, and its buffer (`XLogReadBufferForRedo`).

        `block_id` is the block's place in `record.blocks`: in the records of this engine no id is
        left out.
        """
        block = record.blocks[block_id]
        check(not block.will_init, "REDO-1", "a WILL_INIT block is read instead of initialised")
        if block.apply_image:
            return RESTORED, self._restore_image(record, block_id)
        buffer = self.read_block(block.locator, block.fork, block.block)
        if buffer == NO_BUFFER:
            return NOT_FOUND, NO_BUFFER
        self._lock(buffer)
        if page_lsn(self.page(buffer)) >= record.end_lsn:
            return DONE, buffer
        return NEEDS_REDO, buffer

    def init_for_redo(self, record: WalRecord, block_id: int) -> int:
        """The buffer of a block that the record initialises: a zero page, locked."""
        block = record.blocks[block_id]
        check(block.will_init, "REDO-1", "a block is initialised without WILL_INIT in its record")
        return self.zeroed_block(block.locator, block.fork, block.block)

    def changed(self, buffer: int, record: WalRecord) -> None:
        """The page has the record's change now: stamp it, mark it dirty, let it go."""
        set_page_lsn(self.page(buffer), record.end_lsn)
        self._mark_dirty(buffer)
        self._unlock_release(buffer)

    def unchanged(self, buffer: int) -> None:
        """Let go of a buffer that needed nothing more."""
        if buffer != NO_BUFFER:
            self._unlock_release(buffer)

    def read_block(self, locator: RelFileLocator, fork: int, block: int) -> int:
        """A block's pinned, unlocked buffer, -1 when the block is missing or was never
        initialised, which is noted (REDO-2)."""
        known = self._lengths.get((locator, fork))
        if (known is None or block >= known) and block >= self.length(locator, fork):
            self._note_invalid(locator, fork, block, is_present=False)
            return NO_BUFFER
        buffer = self._read(locator, fork, block)
        if is_new(self.page(buffer)):
            self.buffers.release(buffer)
            self._note_invalid(locator, fork, block, is_present=True)
            return NO_BUFFER
        return buffer

    def copy_of(self, locator: RelFileLocator, fork: int, block: int) -> bytearray | None:
        """What is on a page now; None when it is not there or was never initialised, which whoever
        replayed the record has noted already.
        """
        if block >= self._lengths.get((locator, fork), 0):
            return None
        buffer = self._read(locator, fork, block)
        self._lock(buffer)
        page = bytearray(self.page(buffer))
        self._unlock_release(buffer)
        return None if is_new(page) else page

    def zeroed_block(self, locator: RelFileLocator, fork: int, block: int) -> int:
        """A block as a locked page of zeros; the file grows up to it where it is shorter."""
        length = self.length(locator, fork)
        if block < length:
            return self.buffers.read(locator, fork, block, ReadMode.ZERO_AND_LOCK)
        while True:
            buffer = self.buffers.extend(locator, fork)
            length += 1
            self._lengths[locator, fork] = length
            if length > block:
                return buffer
            self._mark_dirty(buffer)
            self._unlock_release(buffer)

    def length(self, locator: RelFileLocator, fork: int) -> int:
        """Blocks of the fork, which is created if it is not there (a dropped relation's file comes
        back for as long as it takes to reach the drop)."""
        key = (locator, fork)
        length = self._lengths.get(key)
        if length is None:
            self.smgr.create(locator, fork, is_redo=True)
            length = self._lengths[key] = self.smgr.nblocks(locator, fork)
        return length

    def forget_relation(self, locator: RelFileLocator, fork: int, first_block: int = 0) -> None:
        """The fork is dropped, or cut at `first_block`, by the record being replayed
        (`XLogDropRelation`, `XLogTruncateRelation`). Call it before the files change."""
        self._lengths.pop((locator, fork), None)
        gone = [
            page
            for page in self._invalid_pages
            if page[:2] == (locator, fork) and page[2] >= first_block
        ]
        for page in gone:
            del self._invalid_pages[page]

    def forget_database(self, database: int) -> None:
        """The whole database is dropped (`XLogDropDatabase`)."""
        for known in [key for key in self._lengths if key[0].database == database]:
            del self._lengths[known]
        for page in [key for key in self._invalid_pages if key[0].database == database]:
            del self._invalid_pages[page]

    def check_invalid_pages(self) -> None:
        """REDO-2: PANIC if a reference to a missing page was never explained."""
        for (locator, fork, block), is_present in self._invalid_pages.items():
            self._log.warning(self._describe(locator, fork, block, is_present))
        if self._invalid_pages:
            raise PanicError(SqlState.INTERNAL_ERROR, "WAL contains references to invalid pages")

    def _restore_image(self, record: WalRecord, block_id: int) -> int:
        block = record.blocks[block_id]
        buffer = self.zeroed_block(block.locator, block.fork, block.block)
        page = self.page(buffer)
        block.restore_image(page)
        # A page that was never initialised has no LSN; it must stay all zeros.
        if not is_new(page):
            set_page_lsn(page, record.end_lsn)
        self._mark_dirty(buffer)
        return buffer

    def _note_invalid(
        self, locator: RelFileLocator, fork: int, block: int, *, is_present: bool
    ) -> None:
        self._invalid_pages.setdefault((locator, fork, block), is_present)

    def _describe(self, locator: RelFileLocator, fork: int, block: int, is_present: bool) -> str:
        state = "is uninitialized" if is_present else "does not exist"
        return f"page {block} of relation {relation_path(locator, fork)} {state}"
