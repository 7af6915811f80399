"""After a record's replay: are its pages what they were when it was logged?

A record with CHECK_CONSISTENCY carries the image of each of its pages as the original action left
them, apart from what redo needs. Image and replayed page are masked (what may differ is in the
masks beside each redo) and compared. A difference means that running and replaying do not do the
same, so that after a crash the data would be others than those that clients have seen.

REDO-7  A record that asks for it is compared after its replay; a difference ends recovery.

Source: PostgreSQL 15, `verifyBackupPageConsistency` in xlogrecovery.c.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from engine.access.heap.mask import heap_mask
from engine.errors import FatalError, SqlState
from engine.storage.page import page_lsn
from engine.storage.redo_context import RedoContext
from engine.types import BLOCK_SIZE
from engine.wal.record import WalBlock, WalRecord
from engine.wal.rmgr import Rmgr

Mask = Callable[[bytearray, int], None]
"""Gives a page, with this block number, the same bytes wherever replay may differ."""

MASKS: Final[Mapping[int, Mask]] = {Rmgr.HEAP2: heap_mask, Rmgr.HEAP: heap_mask}
"""By resource manager, as the table of redo functions."""


def verify_pages(record: WalRecord, context: RedoContext) -> None:
    """REDO-7: FATAL for the first page of the record that is not what its image says."""
    mask = MASKS.get(record.rmid)
    for block in record.blocks:
        # An image that was restored would be compared with itself.
        if block.has_image and not block.apply_image:
            _verify(record, block, mask, context)


def _verify(record: WalRecord, block: WalBlock, mask: Mask | None, context: RedoContext) -> None:
    replayed = context.copy_of(block.locator, block.fork, block.block)
    if replayed is None or page_lsn(replayed) > record.end_lsn:
        # Dropped later, or changed later: recovery has been here before.
        return
    logged = bytearray(BLOCK_SIZE)
    block.restore_image(logged, record.lsn)
    if mask is not None:
        mask(replayed, block.block)
        mask(logged, block.block)
    if replayed != logged:
        tablespace, database, relation = block.locator
        raise FatalError(
            SqlState.INTERNAL_ERROR,
            f"inconsistent page found, rel {tablespace}/{database}/{relation}, "
            f"forknum {int(block.fork)}, blkno {block.block}",
        )
