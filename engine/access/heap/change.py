"""What `delete` and `update` have in common: the claim on a row version.

`claim` returns with the page locked and the tuple free to be changed by this command, or with the
reason why it is not. When another transaction is at the tuple it waits for its end. Waiters for one
tuple queue up on its heavyweight lock, and only the first of them waits for the transaction, so
that they come through in order (HEAP-6).

Source: PostgreSQL 15, `access/heap/heapam.c` (heap_delete, heap_update at l1, l2).
"""

from __future__ import annotations

from typing import Final

from engine.access.heap.context import HeapContext
from engine.access.heap.outcome import ChangeOutcome
from engine.access.heap.placement import MAIN
from engine.access.heap.tuple import (
    COMBO_CID,
    KEYS_UPDATED,
    MOVED,
    XMAX_BITS,
    XMIN_COMMITTED,
    set_tuple_cid,
    set_tuple_ctid,
    set_tuple_infomask,
    set_tuple_infomask2,
    set_tuple_xmax,
    tuple_ctid,
    tuple_infomask,
    tuple_infomask2,
    tuple_xmax,
    tuple_xmin,
)
from engine.access.heap.visibility import TupleUpdate
from engine.access.relation import Relation
from engine.errors import SqlError, SqlState, check
from engine.lmgr.lock_tag import LockTag
from engine.storage.page import LP_NORMAL, item_count, line_pointer
from engine.transaction.snapshot import Snapshot
from engine.types import Tid

CLEARED_MASK: Final = ~(XMAX_BITS | MOVED) & 0xFFFF
"""What is left of infomask before it says something new of xmax."""
_KEEP_MASK2: Final = ~KEYS_UPDATED & 0xFFFF


class Claim:
    """A row version that the command may change, or `failure`.

    With a failure everything is released. Otherwise the buffer is pinned and locked EXCLUSIVE, and
    `done` gives up what the claim holds beside it.
    """

    __slots__ = ("at", "buffer", "context", "failure", "length", "page", "tuple_lock")

    def __init__(self, context: HeapContext, buffer: int, page: memoryview) -> None:
        self.context = context
        self.buffer = buffer
        self.page = page
        self.at = 0
        self.length = 0
        self.failure: ChangeOutcome | None = None
        self.tuple_lock: tuple[LockTag, int] | None = None

    def done(self) -> None:
        """Let the next waiter for the tuple try. Call it when the buffer is unlocked."""
        if self.tuple_lock is not None:
            tag, mode = self.tuple_lock
            self.tuple_lock = None
            self.context.lock_table.release(tag, mode)


def claim(
    context: HeapContext,
    relation: Relation,
    tid: Tid,
    command: int,
    lock_mode: int,
    crosscheck: Snapshot | None,
    *,
    wait: bool,
    verb: str,
) -> Claim:
    """Get hold of a row version. `lock_mode` is the mode of the tuple's heavyweight lock; `verb`
    ("updating") is for the error of a wait."""
    buffers, visibility = context.buffers, context.visibility
    buffer = buffers.read(relation.locator, MAIN, tid.block)
    page = buffers.page(buffer)
    claimed = Claim(context, buffer, page)
    buffers.lock(buffer)
    while True:
        at = _locate(claimed, relation, tid)
        words = page.cast("I")
        visibility.hints.clear()
        visibility.page_lsn = 0
        ctid = tuple_ctid(page, at)
        result = visibility.satisfies_update(words, at >> 2, command, is_latest=ctid == tid)
        if visibility.hints:
            buffers.mark_dirty_hint(buffer)
        if result is not TupleUpdate.BEING_MODIFIED:
            break
        xmax = tuple_xmax(page, at)
        if xmax == context.transactions.xid:
            # Only locked, and by this transaction itself.
            result = TupleUpdate.OK
            break
        if not wait:
            break
        buffers.unlock(buffer)
        if claimed.tuple_lock is None:
            tag = LockTag.tuple(relation.database, relation.oid, tid.block, tid.offset)
            context.lock_table.acquire(tag, lock_mode)
            claimed.tuple_lock = (tag, lock_mode)
        context.lock_table.wait_for_xid(
            xmax, f'while {verb} tuple {tid} in relation "{relation.name}"'
        )
        buffers.lock(buffer)
        # HEAP-5: look again from the start. Whoever was first through may have changed it too.
    if result is TupleUpdate.OK and crosscheck is not None:
        visibility.hints.clear()
        if not visibility.satisfies_mvcc(page.cast("I"), at >> 2, crosscheck):
            result = TupleUpdate.UPDATED
    if result is TupleUpdate.OK:
        claimed.at = at
        return claimed
    claimed.failure = _failure(context, page, at, result, ctid)
    buffers.unlock_release(buffer)
    claimed.done()
    if result is TupleUpdate.INVISIBLE:
        raise SqlError(
            SqlState.OBJECT_NOT_IN_PREREQUISITE_STATE,
            f"attempted to {'delete' if verb == 'deleting' else 'update'} invisible tuple",
        )
    return claimed


def _locate(claimed: Claim, relation: Relation, tid: Tid) -> int:
    """Where the tuple is on its page now: pruning moves what it keeps."""
    page = claimed.page
    check(0 < tid.offset <= item_count(page), "HEAP-4", "a tuple is gone that was seen", tid=tid)
    at, state, claimed.length = line_pointer(page, tid.offset)
    check(
        state == LP_NORMAL, "HEAP-4", "a tuple is gone that was seen", tid=tid, table=relation.name
    )
    return at


def _failure(
    context: HeapContext, page: memoryview, at: int, result: TupleUpdate, ctid: Tid
) -> ChangeOutcome:
    command = None
    if result is TupleUpdate.SELF_MODIFIED:
        words = page.cast("I")
        command = context.visibility.cmax(words, at >> 2, tuple_infomask(page, at))
    return ChangeOutcome(result, None, ctid, tuple_xmax(page, at), command)


def stamp_xmax(
    context: HeapContext,
    page: memoryview,
    at: int,
    xid: int,
    command: int,
    infomask: int,
    infomask2: int,
    clear_mask2: int,
    ctid: Tid,
) -> tuple[int, int]:
    """Make the tuple say that `xid` changed it in `command`; its new (infomask, infomask2).

    `infomask` and `infomask2` are added bits, `clear_mask2` are bits of infomask2 that go.
    """
    mask = tuple_infomask(page, at)
    command, is_combo = _cmax(context, page, at, mask, command)
    mask = mask & CLEARED_MASK & ~COMBO_CID | infomask
    if is_combo:
        mask |= COMBO_CID
    mask2 = tuple_infomask2(page, at) & _KEEP_MASK2 & ~clear_mask2 | infomask2
    set_tuple_xmax(page, at, xid)
    set_tuple_cid(page, at, command)
    set_tuple_infomask(page, at, mask)
    set_tuple_infomask2(page, at, mask2)
    set_tuple_ctid(page, at, ctid.block, ctid.offset)
    return mask, mask2


def _cmax(
    context: HeapContext, page: memoryview, at: int, mask: int, command: int
) -> tuple[int, bool]:
    """What the command field holds when `command` deletes the tuple, and whether that is a combo
    (`HeapTupleHeaderAdjustCmax`): it is if this transaction also inserted it."""
    transactions = context.transactions
    if mask & XMIN_COMMITTED or tuple_xmin(page, at) != transactions.xid:
        return command, False
    cmin = context.visibility.cmin(page.cast("I"), at >> 2, mask)
    return transactions.combo_cids.number_of(cmin, command), True
