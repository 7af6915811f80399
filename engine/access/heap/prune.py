"""Pruning: taking row versions that nobody can see any more off a page, while passing by.

A *HOT chain* is a row's versions on one page: its root, which an index may point to, then heap-only
tuples, each pointed to by the ctid of the one before. Pruning

    - removes dead versions from the front of the chain; their line pointers become unused, except
      the root's, which becomes a REDIRECT to the first version that stays, or DEAD if none does;
    - then closes the gaps between the tuples that stay.

Only what is dead to everybody goes, by one horizon for the whole page (HEAP-10). The page needs a
cleanup lock, since tuples move.

Source: PostgreSQL 15, `access/heap/pruneheap.c`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.access.heap.context import HeapContext
from engine.access.heap.placement import MAIN
from engine.access.heap.tuple import (
    HOT_UPDATED,
    ONLY_TUPLE,
    XMAX_INVALID,
    XMIN_COMMITTED,
    XMIN_FROZEN,
    XMIN_INVALID,
    tuple_ctid,
    tuple_infomask,
    tuple_infomask2,
    tuple_xmax,
    tuple_xmin,
)
from engine.access.heap.visibility import TupleState
from engine.access.heap.wal_records import PRUNE, PRUNE_MAIN, RM_HEAP2, offset_list
from engine.access.relation import Relation
from engine.host.points import Point
from engine.storage.page import (
    LP_DEAD,
    LP_NORMAL,
    LP_REDIRECT,
    LP_UNUSED,
    PD_PAGE_FULL,
    clear_flags,
    flags,
    heap_free_space,
    line_pointers,
    page_lsn,
    prune_xid,
    repair_fragmentation,
    set_line_pointer,
    set_page_lsn,
    set_prune_xid,
)
from engine.transaction.critical import CRITICAL_SECTION
from engine.types import BLOCK_SIZE, Lsn
from engine.wal.insert import RegisteredBlock


class PrunePlan(NamedTuple):
    """What pruning a page would do. `deleted` counts tuples; `next_prune_xid` is when to look
    again."""

    redirected: list[tuple[int, int]]
    dead: list[int]
    unused: list[int]
    latest_removed_xid: int
    next_prune_xid: int
    deleted: int

    @property
    def is_empty(self) -> bool:
        return not (self.redirected or self.dead or self.unused)


def prune_opportunistically(context: HeapContext, relation: Relation, buffer: int) -> None:
    """Prune a pinned, unlocked page if it is worth while and nobody is in the way
    (`heap_page_prune_opt`)."""
    page = context.buffers.page(buffer)
    # Looked at without a lock: a wrong value costs a prune too many or too few, nothing else.
    oldest_change = prune_xid(page)
    if not oldest_change:
        return
    least_free = max(relation.target_free_space, BLOCK_SIZE // 10)
    if not flags(page) & PD_PAGE_FULL and heap_free_space(page) >= least_free:
        return
    horizon = context.transactions.proc_array.horizon_for(oldest_change)
    if (oldest_change - horizon) & 0xFFFFFFFF < 0x80000000:
        return
    if not context.buffers.try_lock_for_cleanup(buffer):
        return
    if flags(page) & PD_PAGE_FULL or heap_free_space(page) < least_free:
        prune_page(context, relation, buffer, horizon)
    context.buffers.unlock(buffer)


def prune_page(context: HeapContext, relation: Relation, buffer: int, horizon: int) -> PrunePlan:
    """Prune a page under the caller's cleanup lock; what was done (`heap_page_prune`)."""
    buffers = context.buffers
    page = buffers.page(buffer)
    visibility = context.visibility
    visibility.hints.clear()
    visibility.page_lsn = page_lsn(page)
    plan = _Planner(context, page, horizon).plan()
    if not plan.is_empty:
        with CRITICAL_SECTION:
            apply_prune(page, plan.redirected, plan.dead, plan.unused)
            set_prune_xid(page, plan.next_prune_xid)
            clear_flags(page, PD_PAGE_FULL)
            buffers.mark_dirty(buffer)
            context.host.point(Point.HEAP_PAGE_CHANGED, page_lsn(page))
            lsn = _log_prune(context, relation, buffer, page, plan)
            context.host.point(Point.HEAP_RECORD_INSERTED, lsn)
    elif prune_xid(page) != plan.next_prune_xid or flags(page) & PD_PAGE_FULL or visibility.hints:
        # Hints only: when to look again, and that there is no use in looking now.
        set_prune_xid(page, plan.next_prune_xid)
        clear_flags(page, PD_PAGE_FULL)
        buffers.mark_dirty_hint(buffer)
    return plan


def _log_prune(
    context: HeapContext, relation: Relation, buffer: int, page: memoryview, plan: PrunePlan
) -> Lsn:
    offsets = [offset for pair in plan.redirected for offset in pair] + plan.dead + plan.unused
    main = PRUNE_MAIN.pack(plan.latest_removed_xid, len(plan.redirected), len(plan.dead))
    block = context.buffers.tag(buffer)[2]
    registered = RegisteredBlock(
        buffer, page, relation.locator, MAIN, block, data=offset_list(offsets)
    )
    lsn = context.wal.insert(RM_HEAP2, PRUNE, main, (registered,))
    set_page_lsn(page, lsn)
    return lsn


def apply_prune(
    page: memoryview,
    redirected: Sequence[tuple[int, int]],
    dead: Sequence[int],
    unused: Sequence[int],
) -> None:
    """Change the line pointers and close the gaps; redo does it with the same bytes as result."""
    for root, target in redirected:
        set_line_pointer(page, root, target, LP_REDIRECT, 0)
    for number in dead:
        set_line_pointer(page, number, 0, LP_DEAD, 0)
    for number in unused:
        set_line_pointer(page, number, 0, LP_UNUSED, 0)
    repair_fragmentation(page)


class _Planner:
    """Decides what goes from one page (`heap_prune_chain`)."""

    def __init__(self, context: HeapContext, page: memoryview, horizon: int) -> None:
        self._page = page
        self._pointers = line_pointers(page)
        self._visibility = context.visibility
        self._states = self._judge(horizon)
        self._marked = bytearray(len(self._pointers) + 1)
        self._redirected: list[tuple[int, int]] = []
        self._dead: list[int] = []
        self._unused: list[int] = []
        self._latest_removed_xid = 0
        self._next_prune_xid = 0
        self._deleted = 0

    def _judge(self, horizon: int) -> list[TupleState | None]:
        """The state of every tuple, by offset number, all by the same horizon and before anything
        else is decided."""
        words = self._page.cast("I")
        judge = self._visibility.satisfies_vacuum
        states: list[TupleState | None] = [None]
        for pointer in self._pointers:
            if pointer >> 15 & 3 == LP_NORMAL:
                states.append(judge(words, (pointer & 0x7FFF) >> 2, horizon))
            else:
                states.append(None)
        return states

    def plan(self) -> PrunePlan:
        for number, pointer in enumerate(self._pointers, 1):
            if not self._marked[number] and pointer >> 15 & 3 in (LP_NORMAL, LP_REDIRECT):
                self._plan_chain(number)
        return PrunePlan(
            self._redirected,
            self._dead,
            self._unused,
            self._latest_removed_xid,
            self._next_prune_xid,
            self._deleted,
        )

    def _plan_chain(self, root: int) -> None:
        page = self._page
        pointer = self._pointers[root - 1]
        is_normal = pointer >> 15 & 3 == LP_NORMAL
        if is_normal:
            at = pointer & 0x7FFF
            mask2 = tuple_infomask2(page, at)
            if mask2 & ONLY_TUPLE:
                # Reached by its chain, if it is in one. Dead and in none, after an abort: it goes.
                if self._states[root] is TupleState.DEAD and not self._is_hot_updated(at):
                    self._mark_unused(root)
                    self._note_removed(at)
                    self._deleted += 1
                return
        chain, latest_dead = self._follow(root)
        if latest_dead:
            self._cut(root, chain, latest_dead, is_normal)
        elif len(chain) < 2 and not is_normal:
            # A redirect that leads nowhere: its heap-only tuple was dead and went by itself.
            self._mark_dead(root)

    def _follow(self, root: int) -> tuple[list[int], int]:
        """The chain from its root on, as far as it may be pruned, and its last dead member or 0."""
        page, pointers = self._page, self._pointers
        chain: list[int] = []
        latest_dead = 0
        prior_xmax = 0
        number = root
        while 0 < number <= len(pointers) and not self._marked[number]:
            pointer = pointers[number - 1]
            state = pointer >> 15 & 3
            if state == LP_REDIRECT and not chain:
                chain.append(number)
                number = pointer & 0x7FFF
                continue
            if state != LP_NORMAL:
                break
            at = pointer & 0x7FFF
            if prior_xmax and tuple_xmin(page, at) != prior_xmax:
                break
            chain.append(number)
            fate = self._states[number]
            if fate is TupleState.DEAD:
                latest_dead = number
                self._note_removed(at)
            elif fate is TupleState.RECENTLY_DEAD:
                # A dead one may yet follow: its deleter can be older than this one's.
                self._note_prunable(tuple_xmax(page, at))
            else:
                if fate is TupleState.DELETE_IN_PROGRESS:
                    self._note_prunable(tuple_xmax(page, at))
                break
            if not self._is_hot_updated(at):
                break
            number = tuple_ctid(page, at).offset
            prior_xmax = tuple_xmax(page, at)
        return chain, latest_dead

    def _cut(self, root: int, chain: list[int], latest_dead: int, is_normal: bool) -> None:
        """Remove the chain up to its last dead member."""
        keep = chain.index(latest_dead) + 1
        for number in chain[1:keep]:
            self._mark_unused(number)
        # A redirect is no tuple: its going is not counted.
        self._deleted += keep - 1 + is_normal
        if keep >= len(chain):
            self._mark_dead(root)
        else:
            self._mark_redirect(root, chain[keep])

    def _is_hot_updated(self, at: int) -> bool:
        """`HeapTupleHeaderIsHotUpdated`: the next version is on this page and was not aborted."""
        mask = tuple_infomask(self._page, at)
        return (
            tuple_infomask2(self._page, at) & HOT_UPDATED != 0
            and not mask & XMAX_INVALID
            and mask & XMIN_FROZEN != XMIN_INVALID
        )

    def _note_removed(self, at: int) -> None:
        """Remember the newest deleter: a standby's readers must not need what goes
        (`HeapTupleHeaderAdvanceLatestRemovedXid`)."""
        page = self._page
        mask = tuple_infomask(page, at)
        xmin, xmax = tuple_xmin(page, at), tuple_xmax(page, at)
        if mask & XMIN_FROZEN == XMIN_INVALID:
            return
        if not mask & XMIN_COMMITTED and not self._visibility.did_commit(xmin):
            return
        latest = self._latest_removed_xid
        if xmax != xmin and (not latest or 0 < (xmax - latest) & 0xFFFFFFFF < 0x80000000):
            self._latest_removed_xid = xmax

    def _note_prunable(self, xmax: int) -> None:
        known = self._next_prune_xid
        if not known or (xmax - known) & 0xFFFFFFFF >= 0x80000000:
            self._next_prune_xid = xmax

    def _mark_unused(self, number: int) -> None:
        self._unused.append(number)
        self._marked[number] = 1

    def _mark_dead(self, number: int) -> None:
        self._dead.append(number)
        self._marked[number] = 1

    def _mark_redirect(self, root: int, target: int) -> None:
        self._redirected.append((root, target))
        self._marked[root] = 1
        self._marked[target] = 1
